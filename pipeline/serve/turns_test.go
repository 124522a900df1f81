package serve

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// versionBed is a node under changes of version: what its stream was told is
// held against who should have computed each bar.
type versionBed struct {
	t      *rapid.T
	hub    *Hub
	stream *Subscriber
}

const decayName = "mine/decay(0.25)"

// oracleOf is the version of a bar by the letter of the rule: the newest turn
// that begins at or before it, of those that no newer one has overtaken.
func oracleOf(plan []decayTurn, open int64) string {
	version := plan[0].version
	for _, turn := range plan {
		if turn.from <= open {
			version = turn.version
		}
	}
	return version
}

// valuesOf computes all bars of a hub by hand.
func valuesOf(h *Hub, version string) map[int64]string {
	out := map[int64]string{}
	g := h.find("BTC", "1m")
	if g == nil {
		return out
	}
	last := 0.0
	for _, b := range g.closedBars() {
		last = last/2 + float64(0.25*factorOf(version)*b.Close)
		out[b.OpenTime] = fmt.Sprint(last)
	}
	return out
}

type toldDecay struct {
	T     int64 `json:"t"`
	End   int64 `json:"T"` // exact, or it would be taken for t
	Ver   string
	Final bool
	V     struct{ Value any }
}

// check reads what the stream was told of bars since the last time.
func (b *versionBed) check(plan []decayTurn) {
	b.t.Helper()
	if b.stream == nil {
		return
	}
	text, err := drainNow(b.stream)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, data := range dataOf(string(text), "indicator") {
		e := decode[toldDecay](b.t, data)
		want := oracleOf(plan, e.T)
		if e.Ver != want {
			b.t.Fatalf("bar %d (final %v) was told by version %s, it is of %s: plan %v", e.T/minute, e.Final, e.Ver, want, plan)
		}
		if value := valuesOf(b.hub, want)[e.T]; e.Final && fmt.Sprint(e.V.Value) != value {
			b.t.Fatalf("bar %d of version %s is %v, want %s", e.T/minute, want, e.V.Value, value)
		}
	}
	b.rows(plan)
}

// rows holds what a read would say against the version of the newest bar.
func (b *versionBed) rows(plan []decayTurn) {
	b.t.Helper()
	n, ok := b.hub.number(decayName)
	g := b.hub.find("BTC", "1m")
	if !ok || g == nil || g.extras[n] == nil || g.extras[n].lapsed.Load() {
		return
	}
	version := oracleOf(plan, g.lastT)
	if got := g.extras[n].meta.Load().Version; got != version && g.lastT != never {
		b.t.Fatalf("version %s is shown behind bar %d, want %s: plan %v", got, g.lastT/minute, version, plan)
	}
	want := valuesOf(b.hub, version)
	r := &g.value(n).rows
	for i := range r.len() {
		if got := string(cells(nil, r.row(i))[1]); got != want[r.at(i)] {
			b.t.Fatalf("bar %d is kept as %s, want %s of version %s", r.at(i)/minute, got, want[r.at(i)], version)
		}
	}
}

// ask opens a stream, if there is none yet.
func (b *versionBed) ask() {
	if b.stream == nil {
		b.stream = stream(b.t, b.hub, "s=BTC@1m:"+decayName+"&snapshot=100", "")
	}
}

// Whatever the order of changes of version, restarts and first requests: the bars
// before a change are of the old version and those from it on of the new one, on
// every node.
func TestEveryBarIsOfOneVersionOnEveryNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := []decayTurn{{0, "00000001"}}
		var recs []Record
		newest := int64(10)
		node := func() *versionBed {
			h, c := demandHub(nil)
			c.plan = append([]decayTurn(nil), plan...)
			h.Apply(0, recs)
			return &versionBed{t: t, hub: h}
		}
		nodes := []*versionBed{node(), node()}
		versions := 1
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := nodes[rapid.IntRange(0, 1).Draw(t, "node")]
			switch rapid.SampledFrom([]string{"bars", "bars", "change", "restart", "ask", "tend", "tend", "forming"}).Draw(t, "step") {
			case "bars":
				var batch []Record
				for range rapid.IntRange(1, 3).Draw(t, "count") {
					newest++
					m := bare("BTC", newest, 0, newest)
					m.close = fmt.Sprint(rapid.IntRange(1, 1000).Draw(t, "close"))
					batch = append(batch, m.record(newest, newest, 0))
				}
				recs = append(recs, batch...)
				for _, n := range nodes {
					n.hub.Apply(0, batch)
				}
			case "change":
				versions++
				from := (newest+1+rapid.Int64Range(0, 4).Draw(t, "lead"))*minute - rapid.Int64Range(0, minute-1).Draw(t, "within")
				version := fmt.Sprintf("%08d", versions)
				for _, n := range nodes {
					n.hub.dyn.computer.(*decays).supersede(n.hub, from, version)
				}
				plan = nodes[0].hub.dyn.computer.(*decays).plan
			case "restart":
				*n = *node()
			case "ask":
				n.ask()
			case "tend":
				n.hub.mend(context.Background())
			case "forming":
				m := bare("BTC", newest+1, 0, newest)
				m.final = false
				n.hub.Forming(0, [][]byte{m.json()})
				for g := range n.hub.wakes.take() {
					n.hub.previewGroup(g)
				}
				fake(n.hub).Advance(50 * time.Millisecond)
			}
			for _, n := range nodes {
				n.check(plan)
			}
		}
		for _, n := range nodes {
			n.hub.mend(context.Background())
			n.ask()
			n.check(plan)
			if _, body := get(t, n.hub, "/v1/values?sym=BTC&itv=1m&closed=1&ind="+decayName); newest > 10 && !strings.Contains(body, `"ver":"`+oracleOf(plan, newest*minute)+`"`) {
				t.Fatalf("the answer is %s, want that of version %s", body, oracleOf(plan, newest*minute))
			}
			n.rows(plan)
		}
	})
}
