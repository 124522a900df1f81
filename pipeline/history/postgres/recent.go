package postgres

import (
	"hash/maphash"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

const (
	// recentSets times recentWays is how many trades are remembered at most. Of the
	// hash a few bits choose the set, which forgets its oldest: nearly everything
	// that came within half as many trades is known. With a place for each hash, and
	// no choice, one in fifty would be displaced within a single batch.
	recentSets = 1 << 15
	recentWays = 8
)

// recent remembers which trades came lately, by a hash of symbol and id. A venue
// sends most repeats soon after the trade. What it says decides how a row goes
// into the table and never whether: two trades of one hash only cost time, and so
// does a repeat that is not known any more.
//
// It takes 2 MiB, is made with the first batch, and is not safe for concurrent use.
type recent struct {
	seed maphash.Seed
	sets [][recentWays]uint64 // hashes, the newest first; 0: none
	key  []byte               // reused
	// fresh and seen are the result of split, used again.
	fresh, seen []int
}

// split returns the indexes of the trades that did not come lately, and of those
// that did, each in the order of trades. From now on all of them did. The slices
// are valid until the next call.
func (r *recent) split(trades []history.Trade) (fresh, seen []int) {
	if r.sets == nil {
		r.seed, r.sets = maphash.MakeSeed(), make([][recentWays]uint64, recentSets)
	}
	r.fresh, r.seen = r.fresh[:0], r.seen[:0]
	for i := range trades {
		if r.came(&trades[i]) {
			r.seen = append(r.seen, i)
		} else {
			r.fresh = append(r.fresh, i)
		}
	}
	return r.fresh, r.seen
}

// came notes a trade and tells whether it was noted before.
func (r *recent) came(t *history.Trade) bool {
	r.key = append(append(r.key[:0], t.Symbol...), '\t') // no symbol has one
	r.key = t.AppendID(r.key)
	hash := maphash.Bytes(r.seed, r.key) | 1
	set := &r.sets[hash>>1%recentSets]
	if slices.Contains(set[:], hash) {
		return true
	}
	copy(set[1:], set[:])
	set[0] = hash
	return false
}

// forget is for when it is not known what became of the trades that came.
func (r *recent) forget() { clear(r.sets) }
