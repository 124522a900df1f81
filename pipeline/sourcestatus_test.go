package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

func sourceAt(name string, event int64) core.SourceState {
	return core.SourceState{Name: name, EventMax: event, EventTimestamp: event, HasEvent: true}
}

func shownSources(list []SourceStatus) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%s %d %s %v", s.Source, s.Watermark, s.State, s.Counts))
	}
	return strings.Join(out, ", ")
}

// A source that sent one trade last month must not stand for the node: the
// watermark would be a month old for ever.
func TestASilentSourceDoesNotHoldTheWatermarkBack(t *testing.T) {
	var c sourceClock
	now := time.UnixMilli(1_700_000_000_000)
	live, old := sourceAt("live", 9_000), sourceAt("ingest/ann", 10)
	hb := core.SourceState{Name: "only heartbeats", Watermark: 1, HasWatermark: true}
	wm, shown := c.look([]core.SourceState{live, old, hb}, now)
	if got := shownSources(shown); wm != 10 || got != "ingest/ann 10 active true, live 9000 active true" {
		t.Errorf("at first: %d, %s", wm, got)
	}
	now = now.Add(silentAfter)
	live.EventMax, live.EventTimestamp = 69_000, 69_000
	if wm, shown = c.look([]core.SourceState{live, old}, now); wm != 10 {
		t.Errorf("after a minute: %d, %s", wm, shownSources(shown))
	}
	now = now.Add(time.Second)
	wm, shown = c.look([]core.SourceState{live, old}, now)
	if got := shownSources(shown); wm != 69_000 || got != "live 69000 active true, ingest/ann 10 silent false" {
		t.Errorf("behind a minute: %d, %s", wm, got)
	}
	// A heartbeat or a closing by the clock brings it back.
	old.Watermark, old.HasWatermark = 70_000, true
	if wm, shown = c.look([]core.SourceState{live, old}, now); wm != 69_000 || !shown[1].Counts {
		t.Errorf("heard again: %d, %s", wm, shownSources(shown))
	}
	// Where all are silent the watermark stands still, and does not fall back.
	now = now.Add(2 * silentAfter)
	if wm, shown = c.look([]core.SourceState{live, old}, now); wm != 70_000 || shown[0].Counts {
		t.Errorf("all silent: %d, %s", wm, shownSources(shown))
	}
}

// Of sources that the state has forgotten nothing stays in the worker, and what is
// known of the others does.
func TestForgottenSourcesAreForgottenEverywhere(t *testing.T) {
	now := time.UnixMilli(1e12)
	names, idle := sourceNames{}, newIdleWatch(now)
	var times sourceClock
	for i := range 5 * maxSources {
		name := fmt.Sprint("pod-", i)
		rec := core.Record{}
		names.headers(&kafka.Rec{Headers: []kafka.Header{{Key: wire.HeaderSource, Value: []byte(name)}}}, &rec)
		if rec.Source != name {
			t.Fatalf("source %q, want %q", rec.Source, name)
		}
		known := func(o string) bool { return o == "pod-0" || o == name }
		idle.heard(name, now.Add(time.Duration(i)), known)
		idle.decided[name] = now
		_, shown := times.look([]core.SourceState{{Name: "pod-0", HasEvent: true}, {Name: name, HasEvent: true}}, now)
		if len(shown) != 2 {
			t.Fatalf("%d sources are shown, want 2", len(shown))
		}
	}
	if most := 2*maxSources + 1; len(names) > most || len(idle.heardAt) > most || len(idle.decided) > most || len(times.moved) > most {
		t.Errorf("%d names, %d and %d heartbeats, %d times are kept", len(names), len(idle.heardAt), len(idle.decided), len(times.moved))
	}
	if idle.heardAt["pod-0"] != now {
		t.Error("a source that is known was forgotten")
	}
}

func TestSourcesSayWhatTheyAre(t *testing.T) {
	var c sourceClock
	down, replayed, declared := sourceAt("down", 5), sourceAt("replayed", 6), sourceAt("declared", 7)
	down.Down, declared.Historical = true, true
	replayed.EventTimestamp = replayed.EventMax + 3_600_000
	_, shown := c.look([]core.SourceState{replayed, down, declared}, time.UnixMilli(0))
	if got := shownSources(shown); got != "down 5 down true, replayed 6 replayed true, declared 7 replayed true" {
		t.Error(got)
	}
	var many []core.SourceState
	for i := range 100 {
		many = append(many, sourceAt(fmt.Sprint("s", i), int64(1000-i)))
	}
	if wm, shown := c.look(many, time.UnixMilli(0)); wm != 901 || len(shown) != maxSourcesShown || shown[0].Source != "s99" {
		t.Errorf("of 100: %d, %d shown, first %s", wm, len(shown), shown[0].Source)
	}
}

func TestTheNodesWatermarkLeavesOutPartitionsThatAreSilent(t *testing.T) {
	counting := func(wm int64, counts bool) PartitionStatus {
		return PartitionStatus{Watermark: wm, Sources: []SourceStatus{{Watermark: wm, Counts: counts}}}
	}
	for _, c := range []struct {
		ps   []PartitionStatus
		want int64
	}{
		{nil, 0},
		{[]PartitionStatus{{}, counting(9, true), counting(7, true)}, 7},
		{[]PartitionStatus{counting(3, false), counting(9, true), {}}, 9},
		{[]PartitionStatus{counting(3, false), counting(5, false)}, 5},
	} {
		if got := watermarkOf(c.ps); got != c.want {
			t.Errorf("%+v: %d, want %d", c.ps, got, c.want)
		}
	}
}
