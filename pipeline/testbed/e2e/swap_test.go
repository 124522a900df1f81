package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// toldValue is the final value of one bar as a stream told it.
type toldValue struct {
	Sym   string
	T     int64 `json:"t"`
	End   int64 `json:"T"` // exact, or it would be taken for t
	Ver   string
	Final bool
	V     json.RawMessage // of an indicator {"value":number or null}
}

// valueStream notes the final values that a client of one stream was told.
type valueStream struct {
	mu     sync.Mutex // protects all below
	values map[string]map[int64][]toldValue
	bars   map[string]map[int64]bool
	odd    []string // events that should not be there
}

func (v *valueStream) take(e oracle.Event) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var d toldValue
	switch e.Type {
	case "indicator", "kline":
		if err := json.Unmarshal([]byte(e.Data), &d); err != nil {
			return err
		}
	case "reset", "bye":
		v.odd = append(v.odd, e.Type+" "+e.Data)
	}
	switch {
	case !d.Final:
	case e.Type == "kline":
		put(v.bars, d.Sym)[d.T] = true
	case e.Type == "indicator":
		m := put(v.values, d.Sym)
		m[d.T] = append(m[d.T], d)
	}
	return nil
}

func put[V any](m map[string]map[int64]V, sym string) map[int64]V {
	if m[sym] == nil {
		m[sym] = map[int64]V{}
	}
	return m[sym]
}

// check holds what was told against what has to be: each bar has one value, of
// the version that all symbols have for that time.
func (v *valueStream) check(t *testing.T) (bars int, versions []string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, odd := range v.odd {
		t.Errorf("the stream said %s", odd)
	}
	at := map[int64]string{}
	var times []int64
	for sym, closed := range v.bars {
		for open := range closed {
			bars++
			got := v.values[sym][open]
			if len(got) != 1 || strings.Contains(string(got[0].V), "null") {
				t.Errorf("bar %d of %s has %d values: %+v", open, sym, len(got), got)
				continue
			}
			if at[open] == "" {
				at[open] = got[0].Ver
				times = append(times, open)
			}
			if at[open] != got[0].Ver {
				t.Errorf("bar %d of %s is of version %s, that of another symbol of %s", open, sym, got[0].Ver, at[open])
			}
		}
	}
	slices.Sort(times)
	for _, open := range times {
		if n := len(versions); n == 0 || versions[n-1] != at[open] {
			versions = append(versions, at[open])
		}
	}
	return bars, versions
}

// An uploaded indicator changes its version while trades flow: no bar is without
// a value, none has two, and all symbols change at the same bar.
func TestEmbeddedVersionsChangeUnderLoad(t *testing.T) {
	u := newUploads(t)
	for v := 100; v < 102; v++ {
		u.must(201, "PUT", "/v1/modules/trial-sum", summing(t, v))
	}
	u.must(202, "POST", "/v1/modules/trial-sum/activate", []byte(`{"version":"1.0.100"}`))
	f := startFlow(t, u.bed, 400, 1)
	v := &valueStream{values: map[string]map[int64][]toldValue{}, bars: map[string]map[int64]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := oracle.Stream(ctx, http.DefaultClient, u.http+"/v1/stream?s=S0000,S0001,S0002,S0003,S0004@1s:kline,trial-sum/running_sum", "", v.take)
		ended <- err
	}()
	swaps := 5
	for i := range swaps {
		time.Sleep(4 * time.Second) // longer than the lead of 3 s
		if i == swaps-1 {
			u.must(202, "POST", "/v1/modules/trial-sum/rollback", nil)
			continue
		}
		u.must(202, "POST", "/v1/modules/trial-sum/activate", fmt.Appendf(nil, `{"version":"1.0.%d","now":true}`, 101-i%2))
	}
	time.Sleep(6 * time.Second)
	f.stop()
	f.done.Wait()
	time.Sleep(4 * time.Second) // the clock closes the last seconds
	select {
	case err := <-ended:
		t.Errorf("the stream ended: %v", err)
		cancel()
	default:
		cancel()
		<-ended
	}
	bars, versions := v.check(t)
	t.Logf("%d bars of 5 symbols, versions %s", bars, strings.Join(versions, " "))
	if len(versions) != swaps+1 {
		t.Errorf("the versions changed %d times, want %d", len(versions)-1, swaps)
	}
	if bars < 100 {
		t.Errorf("only %d bars were told", bars)
	}
}

// A node that is killed while a change of version lies ahead, and asked for the
// indicator for the first time when it is back, still knows the old version: the
// bars before the change are that one's.
func TestEmbeddedARestartBeforeAChangeKeepsTheOldVersion(t *testing.T) {
	u := newUploads(t)
	sums := map[int]string{}
	for v := 100; v < 102; v++ {
		wasm := summing(t, v)
		sums[v] = fmt.Sprintf("%x", sha256.Sum256(wasm))[:8]
		u.must(201, "PUT", "/v1/modules/trial-sum", wasm)
	}
	u.must(202, "POST", "/v1/modules/trial-sum/activate", []byte(`{"version":"1.0.100"}`))
	f := startFlow(t, u.bed, 400, 1)
	time.Sleep(4 * time.Second)
	f.hold.Store(true)
	const lead = 3000 // ms: twice sync_interval and a second
	before := time.Now().UnixMilli() + lead
	u.must(202, "POST", "/v1/modules/trial-sum/activate", []byte(`{"version":"1.0.101","now":true}`))
	after := time.Now().UnixMilli() + lead
	u.kill()
	u.node.Restart()
	u.ready()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) { // until it has read the modules
		if status, _, _ := u.ask("GET", "/v1/values?sym=S0000&itv=1s&ind=trial-sum/running_sum", nil); status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("waiting for the indicator: the node does not know it 20 s after its restart")
		}
	}
	f.hold.Store(false)
	v := &valueStream{values: map[string]map[int64][]toldValue{}, bars: map[string]map[int64]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = oracle.Stream(ctx, http.DefaultClient, u.http+"/v1/stream?s=S0000,S0001,S0002,S0003,S0004@1s:kline,trial-sum/running_sum", "", v.take)
	}()
	time.Sleep(8 * time.Second)
	cancel()
	<-ended
	told := map[string]int{}
	for sym, bars := range v.values {
		for open, values := range bars {
			for _, value := range values {
				told[value.Ver]++
				if open < before && value.Ver != sums[100] || open >= after && value.Ver != sums[101] {
					t.Errorf("bar %d of %s, %d ms before the change, is of version %s", open, sym, before-open, value.Ver)
				}
			}
		}
	}
	t.Logf("values by version: %v", told)
	if told[sums[100]] == 0 || told[sums[101]] == 0 {
		t.Errorf("values by version are %v, want some of %s and %s", told, sums[100], sums[101])
	}
}
