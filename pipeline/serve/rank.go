package serve

import "github.com/cespare/xxhash/v2"

// firstRank is behind every place of an event that the record itself gives.
const firstRank = 1 << 30

// rankOf is the rank of a new series on demand. It is made of the name alone: the id
// of an event says how much of a record a client has, also to another node, which
// computes other series beside it and numbers them as they were asked for. The caller
// holds mu.
func (g *group) rankOf(name string) int32 {
	r := firstRank | int32(xxhash.Sum64String(name)&(firstRank-1)) // #nosec G115 -- 30 bits
	for g.ranked(r) {
		r = firstRank | (r+1)&(firstRank-1)
	}
	return r
}

func (g *group) ranked(r int32) bool {
	for _, x := range g.extras {
		if x.series.rank == r {
			return true
		}
	}
	return false
}

// partial is the position of an event of x in a record: that of the whole record if it
// is the last one.
func (x *extra) partial(at point, last bool) point {
	if !last {
		at.sub = x.series.rank
	}
	return at
}
