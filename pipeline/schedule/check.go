package schedule

import (
	"bytes"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// check compares what a healed world has left with the replay and the recount.
func (w *world) check(res *Result) {
	for p := range w.plan.partitions {
		ref, decisions, err := w.replay(p)
		if err != nil {
			w.violate("replaying partition %d: %w", p, err)
			return
		}
		res.Ticks += len(w.logs[ticks][p].recs)
		outs := [numTopics][]*record{}
		for _, t := range [...]topic{klines, late, dlq} {
			outs[t] = w.read(p, t, res)
			w.compare(p, t, outs[t], ref.outs)
		}
		if w.err != nil {
			return
		}
		for _, r := range outs[klines] {
			res.Klines++
			if r.head != "" {
				res.Restated++
			}
		}
		for i := range decisions {
			if decisions[i].body != `[{"op":"start"}]` {
				res.Decisions++
			}
		}
		if !w.failed[p] {
			w.checkState(p, ref)
			w.recount(p, decisions, outs, ref)
		}
		w.checkView(p)
	}
}

// read returns the committed records of a topic as a reader sees them. In
// transactional mode there is nothing for the reader rule to drop; else what it
// drops must be equal byte for byte.
func (w *world) read(p int, t topic, res *Result) []*record {
	var out []*record
	log := w.logs[t][p]
	if log.stable() != log.end {
		w.violate("%s[%d] still waits for a marker", topicNames[t], p)
	}
	log.committed(0, log.end, func(r *record) {
		if len(out) == 0 || after(r, out[len(out)-1]) {
			out = append(out, r)
			return
		}
		res.Repeats++
		if w.plan.transactional {
			w.violate("I6: %s[%d] holds position %d.%d twice in transactional mode", topicNames[t], p, r.so, r.sk)
		}
		if first := find(out, r); first == nil {
			w.violate("I6: %s[%d] holds position %d.%d behind %d.%d", topicNames[t], p, r.so, r.sk, out[len(out)-1].so, out[len(out)-1].sk)
		} else if !first.same(r) {
			w.violate("I6: %s[%d] holds position %d.%d with two contents:\n%s\n%s", topicNames[t], p, r.so, r.sk, first.value, r.value)
		}
	})
	return out
}

// find returns the record with the position of r.
func find(sorted []*record, r *record) *record {
	lo, hi := 0, len(sorted)
	for lo < hi {
		if mid := (lo + hi) / 2; after(r, sorted[mid]) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(sorted) && sorted[lo].so == r.so && sorted[lo].sk == r.sk {
		return sorted[lo]
	}
	return nil
}

// compare checks that the log holds the outputs of the replay, byte for byte; of
// a partition that has failed, the first of them.
func (w *world) compare(p int, t topic, got []*record, ref []output) {
	i := 0
	for j := range ref {
		if ref[j].topic != t {
			continue
		}
		want := &ref[j].rec
		switch {
		case i == len(got) && w.failed[p]:
			return
		case i == len(got):
			w.violate("I1: %s[%d] lacks %d.%d %s", topicNames[t], p, want.so, want.sk, want.value)
			return
		case !got[i].same(want):
			w.violate("I2: record %d of %s[%d] is\n%d.%d %s %s\nthe replay has\n%d.%d %s %s", i, topicNames[t], p,
				got[i].so, got[i].sk, got[i].head, got[i].value, want.so, want.sk, want.head, want.value)
			return
		}
		i++
	}
	if i < len(got) {
		w.violate("I2: %s[%d] holds %d.%d, which the replay does not have: %s", topicNames[t], p, got[i].so, got[i].sk, got[i].value)
	}
}

// checkState compares the owner's state with that of the replay.
func (w *world) checkState(p int, ref *machine) {
	m := w.finalWorker(p).m
	if !bytes.Equal(m.snapshot(), ref.snapshot()) {
		w.violate("the state of partition %d differs from that of the replay: counters %+v and %+v", p, m.eng.Counters(), ref.eng.Counters())
	}
	c := m.eng.Counters()
	if c.Trades != c.Applied+c.Restated+c.Duplicate+c.Late+c.Rejected {
		w.violate("I7: trades of partition %d are lost in the sums: %+v", p, c)
	}
	sum := int64(0)
	for r := range core.NumReasons {
		sum += c.ByReason[r]
	}
	if sum != c.Rejected+c.Late+c.Undecodable+c.BadHeartbeats {
		w.violate("I7: reasons of partition %d do not add up: %+v", p, c)
	}
}

// checkView checks that the view is what the reader rule makes of klines up to
// the view's position, neither newer nor older.
func (w *world) checkView(p int) {
	x := &w.view.parts[p]
	if x.next < 0 {
		return
	}
	want := map[string]*record{}
	w.logs[klines][p].committed(0, x.next, func(r *record) {
		if r.head != "" {
			return
		}
		if old := want[r.key]; old == nil || after(r, old) {
			want[r.key] = r
		}
	})
	if len(want) != len(x.fields) {
		w.violate("the view of partition %d at %d has %d bars, klines has %d", p, x.next, len(x.fields), len(want))
		return
	}
	w.logs[klines][p].committed(0, x.next, func(r *record) {
		if want[r.key] == r && x.fields[r.key].value != r.value {
			w.violate("the view of partition %d at %d shows\n%s\nklines says\n%s", p, x.next, x.fields[r.key].value, r.value)
		}
	})
}
