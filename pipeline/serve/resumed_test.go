package serve

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// firstBars are there before anybody listens: a symbol without bars is forgotten with
// its last listener.
func firstBars() []Record {
	return []Record{testBar("A", 1, 1).record(0, 0, 0), testBar("BTC", 1, 1).record(1, 1, 0)}
}

// someRecords are bars of two symbols behind these, with all that an event can have: values or
// none, revisions, restated values, ids that have to be escaped, instances that are
// not configured.
func someRecords(t *rapid.T) (recs []Record) {
	open := map[string]int64{"A": 1, "BTC": 1}
	for i := range rapid.Int64Range(2, 20).Draw(t, "records") {
		i += 2
		sym := rapid.SampledFrom([]string{"A", "BTC"}).Draw(t, "symbol")
		if rapid.IntRange(0, 3).Draw(t, "restated values") == 0 {
			ind := rapid.SampledFrom([]string{"ema(3)", "macd(2,3,2)"}).Draw(t, "of")
			value := restatedJSON(sym, ind, 1, i+1, open[sym])
			recs = append(recs, Record{Offset: i, So: i, Kind: KindRestated, Value: value})
			continue
		}
		if rapid.Bool().Draw(t, "a new bar") {
			open[sym]++
		}
		m := testBar(sym, open[sym], i+1)
		m.values = rapid.IntRange(0, len(testInstances)).Draw(t, "values")
		m.rev = rapid.IntRange(0, 1).Draw(t, "revision")
		m.foreign = rapid.SampledFrom([]string{"", "sma(9)"}).Draw(t, "of another configuration")
		m.id = rapid.SampledFrom([]string{"1", `"<b>"`, `"x y"`}).Draw(t, "id")
		recs = append(recs, m.record(i, i, 0))
	}
	return recs
}

// itemOf is what an event is of, as a selection names it.
func itemOf(t fataler, m message) string {
	t.Helper()
	if ind := decode[struct{ Ind string }](t, m.data).Ind; ind != "" {
		return ind
	}
	return "kline"
}

// A client that comes back gets what a listener was sent, whether somebody listened
// then or nobody did, of the series it asks for, and from the middle of a record.
func TestWhoComesBackGetsWhatListenersWereSent(t *testing.T) {
	items := []string{"kline", "ema(3)", "macd(2,3,2)", "mine/decay(0.25)"}
	query := func(items []string) string { return "s=A,BTC@1m:" + strings.Join(items, ",") }
	rapid.Check(t, func(t *rapid.T) {
		recs := someRecords(t)
		heard, _ := demandHub(nil)
		alone, _ := demandHub(nil)
		heard.Apply(0, firstBars())
		alone.Apply(0, firstBars())
		listener, gone := stream(t, heard, query(items)+"&snapshot=0", ""), stream(t, alone, query(items), "")
		defer listener.Close()
		id := read(t, listener)[0].id
		read(t, gone) // what it asked for is kept up to date for some minutes
		gone.Close()
		heard.Apply(0, recs)
		alone.Apply(0, recs)
		live := read(t, listener)
		from := rapid.IntRange(0, len(live)).Draw(t, "events that arrived")
		if from > 0 {
			id = live[from-1].id
		}
		wanted := rapid.SliceOfNDistinct(rapid.SampledFrom(items), 1, len(items), rapid.ID).Draw(t, "wanted")
		want := slices.DeleteFunc(slices.Clone(live[from:]), func(m message) bool { return !slices.Contains(wanted, itemOf(t, m)) })
		for name, h := range map[string]*Hub{"somebody": heard, "nobody": alone} {
			s := stream(t, h, query(wanted), id)
			got := read(t, s)
			s.Close()
			if got[0].event != eventPos || !slices.Equal(got[1:], want) {
				t.Fatalf("%s listened. Behind %s came\n%v\nwant\n%v", name, id, got, want)
			}
		}
	})
}

// What the ring keeps of a record's events is in memory of its own: the events that
// its record gives again would be kept with them, beyond its bound.
func TestTheRingKeepsNoEventThatItsRecordGives(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:kline,mine/decay(1)", "")
	defer s.Close()
	read(t, s)
	closeBars(h, 20, 21)
	kept := h.ring.get(h.find("BTC", "1m").newestEntry).events
	if len(kept) != 1 || len(s.queue) != 2 {
		t.Fatalf("%d events are kept, %d were sent", len(kept), len(s.queue))
	}
	if sent := s.queue[1].event; !bytes.Equal(kept[0].event, sent) || &kept[0].event[0] == &sent[0] {
		t.Error("the event shares the memory of the others")
	}
}
