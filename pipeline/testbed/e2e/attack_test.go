package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// attack is a module of the catalogue, and what has to happen to it.
type attack struct {
	Row, Name, Want string
	Size            int
	bytes           []byte
}

// attacks makes the modules of the catalogue one after the other: fifteen of each
// row, or every one with KLINE_ATTACKS=all.
func attacks(t *testing.T) iter.Seq[attack] {
	perRow := "15"
	if os.Getenv("KLINE_ATTACKS") == "all" {
		perRow = "0"
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./wasmhost/badwasm/stream", "-per-row", perRow)
	cmd.Dir, cmd.Stderr = "../../..", os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func(yield func(attack) bool) {
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				break
			}
			var a attack
			if err := json.Unmarshal(line, &a); err != nil {
				t.Fatalf("reading the catalogue: %v in %.100q", err, line)
			}
			a.bytes = make([]byte, a.Size)
			if _, err := io.ReadFull(r, a.bytes); err != nil {
				t.Fatalf("reading %s: %v", a.Name, err)
			}
			if !yield(a) {
				return
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("making the catalogue: %v", err)
		}
	}
}

// bystander reads as somebody else does, again and again, and notes how long it
// takes.
type bystander struct {
	mu    sync.Mutex // protects all below
	took  []time.Duration
	wrong []string
}

func (b *bystander) run(ctx context.Context, url string) {
	for ctx.Err() == nil {
		began := time.Now()
		resp, err := http.Get(url) //nolint:noctx // its end is waited for
		b.mu.Lock()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.wrong = append(b.wrong, fmt.Sprint(resp, err))
		}
		b.took = append(b.took, time.Since(began))
		b.mu.Unlock()
		if err == nil {
			resp.Body.Close()
		}
		time.Sleep(30 * time.Millisecond) // below the rate of the routes
	}
}

// p99 takes what was noted so far.
func (b *bystander) p99() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.took) == 0 {
		return 0
	}
	slices.Sort(b.took)
	out := b.took[len(b.took)*99/100]
	b.took = nil
	return out
}

// patient asks as often as the rate of a user allows.
func (u *uploads) patient(method, path string, body []byte) (status int, answer []byte, took time.Duration) {
	u.t.Helper()
	for {
		began := time.Now()
		status, answer, err := u.ask(method, path, body)
		if err != nil {
			u.t.Fatalf("%s %s: %v", method, path, err)
		}
		if status != http.StatusTooManyRequests {
			return status, answer, time.Since(began)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// accepted is what the node says of a module that it has stored.
type accepted struct {
	Version    string
	Indicators []string
}

// send uploads one attack, and says what was stored; nil for nothing.
func (u *uploads) send(a attack) (stored *accepted, took time.Duration) {
	u.t.Helper()
	status, answer, took := u.patient("PUT", "/v1/modules/attack", a.bytes)
	switch status {
	case http.StatusCreated, http.StatusOK:
		if a.Want != "harmless" && a.Want != "survives" && a.Want != "vetted" {
			u.t.Errorf("%s was stored: %.300s", a.Name, answer)
		}
		stored = new(accepted)
		if err := json.Unmarshal(answer, stored); err != nil || len(stored.Indicators) == 0 {
			u.t.Fatalf("%s: %v in %.300s", a.Name, err, answer)
		}
	case http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		if a.Want == "harmless" {
			u.t.Errorf("%s is harmless and was refused: %.300s", a.Name, answer)
		}
	default:
		u.t.Errorf("%s: %d %.300s", a.Name, status, answer)
	}
	return stored, took
}

// live lets a stored attack compute on the bars that are there, and removes it.
func (u *uploads) live(a attack, as *accepted) {
	u.t.Helper()
	step := func(want int, method, path string, body []byte) {
		u.t.Helper()
		if status, answer, _ := u.patient(method, path, body); status != want {
			u.t.Errorf("%s: %s %s: %d, want %d: %.300s", a.Name, method, path, status, want, answer)
		}
	}
	step(202, "POST", "/v1/modules/attack/activate", fmt.Appendf(nil, `{"version":%q,"now":true}`, as.Version))
	for _, symbol := range []string{"S0000", "S0003"} {
		step(200, "GET", "/v1/values?sym="+symbol+"&itv=1s&ind=attack/"+as.Indicators[0], nil)
	}
	step(202, "POST", "/v1/modules/attack/deactivate", nil)
	step(204, "DELETE", "/v1/modules/attack", nil)
}

// Hostile modules are uploaded while trades flow, a good upload computes and
// others read; what is stored is activated and asked for values. In the end the
// registry has what it had, every bar is the oracle's, the good one has lost no
// value, and the node is no heavier.
func TestEmbeddedHostileUploadsHaveNoEffect(t *testing.T) {
	u := newUploads(t)
	u.must(201, "PUT", "/v1/modules/trial-sum?activate=1", summing(t, 100))
	f := startFlow(t, u.bed, 300, 7)
	values := &valueStream{values: map[string]map[int64][]toldValue{}, bars: map[string]map[int64]bool{}}
	others := &bystander{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := oracle.Stream(ctx, http.DefaultClient, u.http+"/v1/stream?s=S0000,S0001,S0002,S0003,S0004@1s:kline,trial-sum/running_sum", "", values.take); err != nil && ctx.Err() == nil {
			t.Errorf("the stream ended: %v", err)
		}
	})
	wg.Go(func() { others.run(ctx, u.http+"/v1/latest?s=S0000@1s:kline,ema(20)") })
	time.Sleep(5 * time.Second)
	calm, before := others.p99(), u.rss()
	sent, refused, ran, slowest, rows := 0, 0, map[string]int{}, time.Duration(0), map[string]int{}
	for a := range attacks(t) {
		rows[a.Row]++
		sent++
		stored, took := u.send(a)
		if stored != nil {
			u.live(a, stored)
			ran[a.Want]++
			continue
		}
		refused++
		if a.Want == "refused" {
			slowest = max(slowest, took)
		}
	}
	busy, after := others.p99(), u.rss()
	f.stop()
	f.done.Wait()
	u.settle(patience)
	time.Sleep(4 * time.Second) // the clock closes the last seconds
	eventually(values.whole)    // a stream that is left before would lack a value
	cancel()
	wg.Wait()
	if len(others.wrong) > 0 {
		t.Errorf("%d requests of others failed, the first: %s", len(others.wrong), others.wrong[0])
	}
	if got := u.listed(); len(got) != 1 || got["1.0.100"] != sumOf(summing(t, 100)) {
		t.Errorf("the registry has %v", got)
	}
	u.files(1)
	bars, versions := values.check(t)
	if bars == 0 || len(versions) != 1 {
		t.Errorf("%d bars, versions %v", bars, versions)
	}
	finish(t, u.bed, f, nil)
	t.Logf("%d modules of %d rows, %d refused, %v ran; the slowest refusal before compiling took %s", sent, len(rows), refused, ran, slowest)
	t.Logf("figure: RSS before the attacks %d MiB, after %d MiB", before>>20, after>>20)
	t.Logf("figure: p99 of a read by others %s, during the attacks %s", calm, busy)
	if after > before+128<<20 {
		t.Errorf("the node grew from %d to %d MiB", before>>20, after>>20)
	}
	if ran["harmless"] < 20 || ran["vetted"] < 10 {
		t.Errorf("only %v modules got as far as computing", ran)
	}
	if sent < 300 {
		t.Errorf("only %d modules were sent", sent)
	}
}
