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

// send uploads one attack, as often as the rate of a user allows, and says
// whether it was stored.
func (u *uploads) send(a attack) (stored bool, took time.Duration) {
	u.t.Helper()
	for {
		began := time.Now()
		status, answer, err := u.ask("PUT", "/v1/modules/attack", a.bytes)
		took = time.Since(began)
		switch {
		case err != nil:
			u.t.Fatalf("%s: %v", a.Name, err)
		case status == http.StatusTooManyRequests:
			time.Sleep(200 * time.Millisecond)
			continue
		case status == http.StatusCreated || status == http.StatusOK:
			if a.Want != "harmless" && a.Want != "survives" {
				u.t.Errorf("%s was stored: %.300s", a.Name, answer)
			}
			return true, took
		case status != http.StatusUnprocessableEntity && status != http.StatusRequestEntityTooLarge:
			u.t.Errorf("%s: %d %.300s", a.Name, status, answer)
		}
		return false, took
	}
}

// Hostile modules are uploaded while trades flow, a good upload computes and
// others read. In the end the registry has what it had, every bar is the
// oracle's, the good one has lost no value, and the node is no heavier.
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
	sent, refused, slowest, rows := 0, 0, time.Duration(0), map[string]int{}
	for a := range attacks(t) {
		rows[a.Row]++
		sent++
		stored, took := u.send(a)
		if stored {
			u.must(204, "DELETE", "/v1/modules/attack", nil)
			continue
		}
		refused++
		if a.Want == "refused" {
			slowest = max(slowest, took)
		}
	}
	busy, after := others.p99(), u.rss()
	time.Sleep(2 * time.Second)
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
	t.Logf("%d modules of %d rows, %d refused; the slowest refusal before compiling took %s", sent, len(rows), refused, slowest)
	t.Logf("figure: RSS before the attacks %d MiB, after %d MiB", before>>20, after>>20)
	t.Logf("figure: p99 of a read by others %s, during the attacks %s", calm, busy)
	if after > before+128<<20 {
		t.Errorf("the node grew from %d to %d MiB", before>>20, after>>20)
	}
	if sent < 300 {
		t.Errorf("only %d modules were sent", sent)
	}
}
