package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// threeVersions is a registry with the versions 1.0.0, 1.1.0 and 1.2.0 of a
// module, whose checks pass everything.
func threeVersions(t *rapid.T, c *clock.Fake, dir string) *registry.Registry {
	version := ""
	r := registry.New(registry.Config{Storage: &fileStore{dir: dir}, Gate: registry.NewGate(), Now: c.Now,
		Vet: func(context.Context, []byte, []byte) (*registry.Report, error) {
			return &registry.Report{Module: "my-sum", Version: version, Indicators: []string{"running_sum"}}, nil
		}})
	for i := range 3 {
		version = fmt.Sprintf("1.%d.0", i)
		body := sumModule("my-sum", version, "")
		if _, err := r.Upload(t.Context(), registry.Upload{Who: registry.Who{ID: "ann", Tenant: "default"}, Module: "my-sum", Body: bytes.NewReader(body), Length: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// happened is an activation, or an end of all, in the order in which it was asked for.
type happened struct {
	version string // empty: an end
	from    int64
}

// ownerOf is who has the bar that opens at t: of what had begun by then, what was
// asked for last.
func ownerOf(all []happened, t int64) string {
	owner := ""
	for _, h := range all {
		if h.from <= t {
			owner = h.version
		}
	}
	return owner
}

// The records say who computes each bar, whatever was activated, rolled back and
// ended in which order: a node that starts knows as much as one that saw it all.
func TestRecordsSayWhoComputesEachBar(t *testing.T) {
	root := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		c := clock.NewFake(time.UnixMilli(1_800_000_000_000))
		r := threeVersions(t, c, filepath.Join(root, fmt.Sprint(runs)))
		var all []happened
		quarantined := map[string]bool{}
		active := ""
		for range rapid.IntRange(1, maxTurns-1).Draw(t, "changes") {
			c.Advance(time.Duration(rapid.IntRange(1, 15).Draw(t, "seconds")) * time.Second)
			now := c.Now().UnixMilli()
			version := fmt.Sprintf("1.%d.0", rapid.IntRange(0, 2).Draw(t, "version"))
			old := rapid.SampledFrom([]registry.State{registry.Retired, registry.Retired, registry.Quarantined}).Draw(t, "old")
			if rapid.IntRange(0, 4).Draw(t, "end") == 0 && active != "" {
				if _, err := r.Deactivate(t.Context(), "my-sum", "", old); err != nil {
					t.Fatal(err)
				}
				quarantined[active] = old == registry.Quarantined
				all, active = append(all, happened{"", now}), ""
				continue
			}
			if version == active {
				continue
			}
			lead := int64(rapid.IntRange(0, 10).Draw(t, "lead"))
			if _, err := r.Activate(t.Context(), registry.Switch{Module: "my-sum", Version: version, Lead: time.Duration(lead) * time.Second, Old: old}); err != nil {
				t.Fatal(err)
			}
			from := int64(0)
			if active != "" {
				from = now + lead*1000
				quarantined[active] = old == registry.Quarantined
			}
			quarantined[version] = false
			all, active = append(all, happened{version, from}), version
		}
		records, err := r.Get(t.Context(), "my-sum")
		if err != nil {
			t.Fatal(err)
		}
		turns := turnsOf(records, 0)
		for second := int64(-5); second < 200; second++ {
			at := time.UnixMilli(1_800_000_000_000).UnixMilli() + second*1000
			got := ""
			for _, d := range turns { // ascending
				if d.from > at {
					break
				}
				if got = d.rec.Version; d.err != nil {
					got = ""
				}
			}
			want := ownerOf(all, at)
			if quarantined[want] {
				want = ""
			}
			if got != want {
				t.Fatalf("bars of second %d are of %q, the records say %q: %+v", second, want, got, all)
			}
		}
		_ = os.RemoveAll(filepath.Join(root, fmt.Sprint(runs)))
	})
}

func TestTurnsWhoseBarsHaveEndedAreForgotten(t *testing.T) {
	records := []registry.Record{
		{Version: "1.0.0", State: registry.Active, Turn: 3, From: 300, Earlier: []registry.Turn{{Turn: 1}}},
		{Version: "1.1.0", State: registry.Retired, Turn: 2, From: 200},
	}
	for before, want := range map[int64]string{199: "[0 200 300]", 200: "[200 300]", 299: "[200 300]", 300: "[300]", 9999: "[300]"} {
		var froms []int64
		for _, d := range turnsOf(records, before) {
			froms = append(froms, d.from)
		}
		if fmt.Sprint(froms) != want {
			t.Errorf("before %d: turns from %v, want %s", before, froms, want)
		}
	}
}

// otherNode reads the registry of a bed anew, with a hub of its own: another node,
// or this one after a restart.
func (b *turnBed) otherNode() (*serve.Hub, *demand) {
	b.t.Helper()
	a := b.nodeOn(b.engine.compute.turns.store)
	return a.hub(), a.demand
}

// nodeOn is another node, which reads a registry of its own.
func (b *turnBed) nodeOn(store *registry.Registry) *activation {
	b.t.Helper()
	d := newDemand(filepath.Join(b.t.TempDir(), "wasm"))
	b.t.Cleanup(d.stop)
	hub := serve.NewHub(serve.HubConfig{LogID: "other", Partitions: 1, Intervals: []string{"1m"}, Clock: b.clock})
	hub.SetComputer(d)
	hub.Loaded()
	turns := b.engine.compute.turns
	a := newActivation(b.t.Context(), store, d, b.clock)
	a.hub, a.log, a.listed, a.open = func() *serve.Hub { return hub }, turns.log, func() {}, turns.open
	if _, err := a.refresh(b.t.Context(), "my-sum"); err != nil {
		b.t.Fatal(err)
	}
	return a
}

func hubValues(t *testing.T, hub *serve.Hub) string {
	t.Helper()
	q, p := hub.ParseValues(t.Context(), url.Values{"sym": {"BTCUSD"}, "itv": {"1m"}, "closed": {"1"}, "ind": {"my-sum/running_sum"}}, 0)
	if p != nil {
		t.Fatal(p)
	}
	answer, err := hub.Values(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer.Body)
}

// A node that starts while a change of version lies ahead computes the bars before
// it by the old version, as does one that was never asked for them so far.
func TestANodeThatStartsBeforeAChangeKnowsTheOldVersion(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	b.post("activate", `{"version":"1.1.0","now":true}`)
	old, fresh := b.record("1.0.0"), b.record("1.1.0")
	if got := b.values(); !strings.Contains(got, verOf(old)) {
		t.Errorf("first asked for before the change: %s, want %s", got, verOf(old))
	}
	hub, d := b.otherNode()
	ctx, cancel := context.WithCancel(t.Context())
	tended := make(chan struct{})
	go func() { defer close(tended); hub.Tend(ctx) }()
	t.Cleanup(func() { cancel(); <-tended })
	first := (fresh.From-begin)/60_000 - 2 // the bar that holds the change is of the old version
	for n := first; n < first+3; n++ {
		hub.Apply(0, []serve.Record{bar(n)})
		if got := hubValues(t, hub); !strings.Contains(got, verOf(old)) {
			t.Errorf("bar %d, %d s before the change: %s, want %s", n, (fresh.From-begin)/1000-n*60, got, verOf(old))
		}
	}
	hub.Apply(0, []serve.Record{bar(first + 3)})
	got := ""
	if !soon(func() bool { got = hubValues(t, hub); return strings.Contains(got, verOf(fresh)) }) {
		t.Errorf("behind the change: %s, want %s", got, verOf(fresh))
	}
	if turns, err := d.Turns(t.Context(), "my-sum/running_sum"); err != nil || len(turns) != 2 || turns[1].From != fresh.From {
		t.Errorf("turns %+v, %v", turns, err)
	}
}
