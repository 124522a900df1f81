package verify

import (
	"hash/fnv"
	"slices"
	"strconv"
)

// tail remembers the newest bars of a series as they stand on klines, for the
// comparison with the views: 40 bytes a bar.
type tail struct {
	bars []tailBar // by open time
}

type tailBar struct {
	open   int64
	sum    uint64
	record int64 // offset on klines
	rev    int64
	seq    int64
}

// put takes a revision, and forgets the oldest bar beyond limit.
func (t *tail) put(k *published, limit int) {
	b := tailBar{open: k.t, sum: k.digest(), record: k.record, rev: k.rev, seq: k.seq}
	i, found := slices.BinarySearchFunc(t.bars, k.t, func(b tailBar, open int64) int { return int(b.open - open) })
	if found {
		t.bars[i] = b
		return
	}
	t.bars = slices.Insert(t.bars, i, b)
	if len(t.bars) >= 2*limit { // in pieces: a copy for each bar would cost more than it
		t.bars = append(t.bars[:0], t.bars[len(t.bars)-limit:]...)
	}
}

// digest condenses all that a view shows of a bar.
func (k *published) digest() uint64 {
	h := fnv.New64a()
	var buf [24]byte
	for _, text := range [...][]byte{k.o, k.h, k.l, k.c, k.v, k.qv, k.bv, k.bqv, k.vwap, k.first, k.last} {
		_, _ = h.Write(text) // never fails
		_, _ = h.Write([]byte{0})
	}
	for _, n := range [...]int64{k.end, k.n, k.rev, k.seq} {
		_, _ = h.Write(append(strconv.AppendInt(buf[:0], n, 10), 0))
	}
	return h.Sum64()
}
