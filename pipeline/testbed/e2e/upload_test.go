package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// trialModule is an indicator written by hand: kl_update adds the source of a
// bar to 8 bytes of state and gives the sum out. It has no parameters, no
// batch, one memory of four pages, and calls itself trial-sum 1.0.100.
const trialModule = `
	AGFzbQEAAAABHwZgAABgAAF/YAABfmABfwF/YAJ/fwF/YAR/f39/AX8DCAcAAQIDAwQFBQMBAAQGCAF/AUGAgAgLB2AIC19pbml0aWFsaXplAAAGa2xfYWJp
	AAELa2xfZGVzY3JpYmUAAghrbF9hbGxvYwADDWtsX3N0YXRlX3NpemUABAdrbF9pbml0AAUJa2xfdXBkYXRlAAYGbWVtb3J5AgAMAQEKywEHAgALBgBBgIAE
	CwoAQqiBgICAgAELQwEBfyMAIABqQf//A2pBEHY/AEoEQCMAIABqQf//A2pBEHY/AGtAAEF/RgRAQQAPCwsjACIBIABqQQ9qQXBxJAAgAQsaACAAKAAABEBB
	fw8LIAAoAAQEQEF+DwtBEAs2ACAAKAAABEBBfw8LIAAoAAQEQEF+DwsgAUQAAAAAAAAAADkAACABRAAAAAAAAAAAOQAIQQALHgAgASABKwAAIAIrAECgOQAA
	IAMgASsAADkAAEEBCwuwAQEAQYAIC6gBeyJhYmkiOjEsIm5hbWUiOiJ0cmlhbC1zdW0iLCJ2ZXJzaW9uIjoiMS4wLjEwMCIsImluZGljYXRvcnMiOlt7Imlk
	IjowLCJuYW1lIjoicnVubmluZ19zdW0iLCJpbnB1dCI6InNyYyIsIndhcm11cCI6MjE0NzQ4MzY0NywicGFyYW1zIjpbXSwib3V0cHV0cyI6W3sibmFtZSI6
	InZhbHVlIn1dfV19`

// summing is the module with another version, from 100 to 999 in its last part,
// so that no length changes.
func summing(t *testing.T, version int) []byte {
	t.Helper()
	wasm, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(trialModule), ""))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(wasm, []byte("1.0.100"), fmt.Appendf(nil, "1.0.%d", version), 1)
}

// uploads is a node on embedded defaults that takes modules from ann and keeps
// them in a folder.
type uploads struct {
	*bed
	storage string
}

func newUploads(t *testing.T) *uploads {
	t.Helper()
	return newUploadsIn(t, t.TempDir())
}

// newUploadsIn keeps the modules in a folder that nodes may share.
func newUploadsIn(t *testing.T, storage string) *uploads {
	t.Helper()
	return newUploadsWith(t, storage, "")
}

// newUploadsWith adds words to the block indicators.
func newUploadsWith(t *testing.T, storage, words string) *uploads {
	t.Helper()
	return newUploadsOf(t, os.Getenv("KLINE_BIN"), storage, words)
}

// newUploadsOf starts another program.
func newUploadsOf(t *testing.T, path, storage, words string) *uploads {
	t.Helper()
	ports := server.FreePorts(t, 2)
	u := &uploads{&bed{t: t, place: newEmbedded(t, 1), http: fmt.Sprintf("http://127.0.0.1:%d", ports[0])}, storage}
	// The hash is that of "upload", with the least cost.
	config := fmt.Sprintf("{\n\tadmin 127.0.0.1:%d\n\tstorage file_system %s\n\tkline {\n\t\t%s\n\t\tindicators {\n\t\t\tsync_interval 1s\n\t\t\t%s\n\t\t}\n\t}\n}\n%s {\n\thandle /v1/stream {\n\t\tkline_stream\n\t}\n\thandle /v1/modules* {\n\t\tbasic_auth {\n\t\t\tann $2a$04$Nq9VAP7hwVRFkS0X5ewuvOi56zSnU72zxFNwg25Bnfx1Q1TUc9II.\n\t\t}\n\t\tkline_indicators {\n\t\t\tauthor ann\n\t\t\tpublisher ann\n\t\t\toperator ann\n\t\t\tmax_uploads_per_hour 100000\n\t\t\tmax_uploads_per_day 100000\n\t\t\tmax_versions 100000\n\t\t}\n\t}\n\thandle /v1/* {\n\t\tklines\n\t}\n}\n",
		ports[1], storage, u.place.source(), words, u.http)
	u.node = server.StartBinary(t, server.BinaryConfig{Path: path, Config: config})
	u.ready()
	return u
}

// ask sends what `curl -u ann:upload -H 'Content-Type: application/wasm' -T file`
// sends.
func (u *uploads) ask(method, path string, body []byte) (status int, answer []byte, err error) {
	contentType := "application/wasm"
	if method == http.MethodPost {
		contentType = "application/json"
	}
	return u.askAs(method, path, contentType, body)
}

func (u *uploads) askAs(method, path, contentType string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.http+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth("ann", "upload")
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (u *uploads) must(want int, method, path string, body []byte) []byte {
	u.t.Helper()
	status, answer, err := u.ask(method, path, body)
	if err != nil || status != want {
		u.t.Fatalf("%s %s: %d %v, want %d: %.500s", method, path, status, err, want, answer)
	}
	return answer
}

// listed are the versions of trial-sum with their sums.
func (u *uploads) listed() map[string]string {
	u.t.Helper()
	var list struct {
		Modules []struct {
			Module   string
			Versions []struct{ Version, SHA256 string }
		}
		Problems []any
	}
	if err := json.Unmarshal(u.must(200, "GET", "/v1/modules", nil), &list); err != nil {
		u.t.Fatal(err)
	}
	if len(list.Problems) > 0 {
		u.t.Errorf("problems in the storage: %v", list.Problems)
	}
	out := map[string]string{}
	for _, m := range list.Modules {
		for _, v := range m.Versions {
			if m.Module == "trial-sum" {
				out[v.Version] = v.SHA256
			}
		}
	}
	return out
}

func sumOf(wasm []byte) string {
	s := sha256.Sum256(wasm)
	return hex.EncodeToString(s[:])
}

// files looks at the storage from outside: for n versions there are n modules,
// each under the sum of its bytes, n records, and the revision.
func (u *uploads) files(n int) {
	u.t.Helper()
	named := regexp.MustCompile(`^([0-9a-f]{64})\.(wasm|json)$`)
	count := map[string]int{}
	err := filepath.WalkDir(u.storage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/kline/indicators/") {
			return err
		}
		m := named.FindStringSubmatch(d.Name())
		if m == nil {
			count[d.Name()]++
			return nil
		}
		count[m[2]]++
		data, err := os.ReadFile(path)
		if m[2] == "wasm" && sumOf(data) != m[1] {
			u.t.Errorf("%s has other bytes than its name says", path)
		}
		return err
	})
	if err != nil {
		u.t.Fatal(err)
	}
	kinds := 1
	if n > 0 {
		kinds = 3
	}
	if count["wasm"] != n || count["json"] != n || count["revision"] != 1 || len(count) != kinds {
		u.t.Errorf("the storage has %v, want %d modules and records and one revision", count, n)
	}
}

func TestEmbeddedUploadByHTTP(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	wasm := summing(t, 100)
	var up struct{ Module, Version, SHA256, State string }
	if err := json.Unmarshal(u.must(201, "PUT", "/v1/modules/trial-sum", wasm), &up); err != nil || up.SHA256 != sumOf(wasm) || up.Version != "1.0.100" || up.State != "staged" {
		t.Fatalf("answer %+v, %v", up, err)
	}
	u.must(200, "PUT", "/v1/modules/trial-sum", wasm)
	u.must(422, "PUT", "/v1/modules/trial-sum", wasm[:300])
	u.must(409, "PUT", "/v1/modules/trial-sum", append(bytes.Clone(wasm), 0, 2, 1, 'x'))
	u.must(400, "PUT", "/v1/modules/Trial-Sum", wasm)
	u.must(422, "PUT", "/v1/modules/other-sum", wasm)
	if got := u.must(200, "GET", "/v1/modules/trial-sum/1.0.100.wasm", nil); !bytes.Equal(got, wasm) {
		t.Error("other bytes are served than were sent")
	}
	resp, err := http.Post(u.http+"/v1/modules/trial-sum/activate", "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a password: %v, %v", resp, err)
	}
	u.files(1)
	out, err := u.node.Command(t.Context(), "kline", "indicator", "list", "--config", u.node.ConfigFile(), "--adapter", "caddyfile")
	if err != nil || !strings.Contains(out, "trial-sum  1.0.100  staged") {
		t.Errorf("the command lists %s (%v)", out, err)
	}
	u.must(204, "DELETE", "/v1/modules/trial-sum", nil)
	if n := len(u.listed()); n != 0 {
		t.Errorf("%d versions are left", n)
	}
}

// The node is killed in the middle of uploads, again and again. What it has
// acknowledged is there, with the bytes that were sent; what was under way is
// there as a whole or not at all; and nothing is left over.
func TestEmbeddedKilledDuringUploads(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	acked := map[string]string{}
	rng := rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano()))) // #nosec G404 -- moments of kills
	version, whole, absent := 100, 0, 0
	rounds := max(3, kills(t)/3)
	for range rounds {
		// A lock of a process that was killed is free after ten seconds. This
		// upload waits for it, and removes what was left behind.
		version++
		acked[fmt.Sprintf("1.0.%d", version)] = sumOf(summing(t, version))
		u.must(201, "PUT", "/v1/modules/trial-sum", summing(t, version))
		u.files(len(acked))
		var pending atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				version++
				pending.Store(int64(version))
				wasm := summing(t, version)
				status, answer, err := u.ask("PUT", "/v1/modules/trial-sum", wasm)
				if err != nil {
					return // killed
				}
				if status != http.StatusCreated {
					t.Errorf("version %d: %d %.300s", version, status, answer)
					return
				}
				acked[fmt.Sprintf("1.0.%d", version)] = sumOf(wasm)
			}
		}()
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
		u.kill()
		<-done
		u.node.Restart()
		u.ready()
		got := u.listed()
		under := fmt.Sprintf("1.0.%d", pending.Load())
		if sum, ok := got[under]; ok && acked[under] == "" {
			whole++
			acked[under] = sumOf(summing(t, int(pending.Load())))
			if sum != acked[under] {
				t.Errorf("version %s, under way at the kill, has other bytes", under)
			}
		} else if !ok {
			absent++
		}
		for v, sum := range acked {
			if got[v] != sum {
				t.Fatalf("version %s was acknowledged with sum %s, the registry has %q", v, sum, got[v])
			}
		}
		if len(got) != len(acked) {
			t.Fatalf("%d versions are listed, %d were sent", len(got), len(acked))
		}
		for v := range got {
			if body := u.must(200, "GET", "/v1/modules/trial-sum/"+v+".wasm", nil); sumOf(body) != acked[v] {
				t.Fatalf("version %s is served with other bytes", v)
			}
		}
	}
	version++
	wasm := summing(t, version)
	u.must(201, "PUT", "/v1/modules/trial-sum", wasm)
	u.files(len(acked) + 1)
	t.Logf("%d kills: %d uploads under way were whole, %d absent; %d versions", rounds, whole, absent, len(acked)+1)
}

// Two nodes with one storage are one registry: of two uploads of one version one
// is created, and what a node stores is seen by the other within seconds.
func TestEmbeddedTwoNodesShareModules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nodes := []*uploads{newUploadsIn(t, dir), newUploadsIn(t, dir)}
	together := func(bodies [][]byte) []int {
		status := make([]int, 2)
		var both sync.WaitGroup
		for i, n := range nodes {
			both.Go(func() {
				var answer []byte
				var err error
				if status[i], answer, err = n.ask("PUT", "/v1/modules/trial-sum", bodies[i]); err != nil {
					t.Errorf("node %d: %v %.300s", i, err, answer)
				}
			})
		}
		both.Wait()
		return status
	}
	for version := 300; version < 303; version++ {
		status := together([][]byte{summing(t, version), summing(t, version)})
		if slices.Sort(status); !slices.Equal(status, []int{200, 201}) {
			t.Errorf("the same bytes at once: answers %v, want one 201 and one 200", status)
		}
	}
	for round := range 3 {
		version := 200 + round
		bodies := [][]byte{summing(t, version), append(summing(t, version), 0, 2, 1, 'x')}
		status := together(bodies)
		winner := 0
		if status[1] == http.StatusCreated {
			winner = 1
		}
		if status[winner] != http.StatusCreated || status[1-winner] != http.StatusConflict {
			t.Fatalf("version %d: answers %v, want one 201 and one 409", version, status)
		}
		for i, n := range nodes {
			if got := n.must(200, "GET", fmt.Sprintf("/v1/modules/trial-sum/1.0.%d.wasm", version), nil); !bytes.Equal(got, bodies[winner]) {
				t.Errorf("node %d serves other bytes than the one that won sent", i)
			}
		}
	}
}
