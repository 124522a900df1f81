package core

// cascade says which bars are made of which. An interval is fed by the largest
// smaller one that divides it; those that none divides are roots and take
// trades. The first interval is always a root: the base.
type cascade struct {
	lens     []int64  // length in ms
	anchors  []int64  // an open time
	feeds    [][]int  // intervals fed by this one
	roots    []int    // intervals fed by trades
	inside   []uint64 // bit set of the intervals whose bars end up in this one, itself included
	overhang []int64  // how much later than its own end a trade of the base may still change a bar
}

func newCascade(itvs []Interval) cascade {
	c := cascade{feeds: make([][]int, len(itvs)), inside: make([]uint64, len(itvs)), overhang: make([]int64, len(itvs))}
	for i, itv := range itvs {
		c.lens = append(c.lens, itv.millis)
		c.anchors = append(c.anchors, itv.anchor)
		c.inside[i] |= 1 << i
		child := i - 1
		for child >= 0 && !itv.divides(itvs[child]) {
			child--
		}
		if child < 0 {
			c.roots = append(c.roots, i)
		} else {
			c.feeds[child] = append(c.feeds[child], i)
			c.inside[i] |= c.inside[child]
		}
		c.overhang[i] = itv.Overhang(itvs[0])
	}
	return c
}

// open returns the open time of the bar of interval i that holds ms.
func (c *cascade) open(i int, ms int64) int64 {
	r := (ms - c.anchors[i]) % c.lens[i]
	if r < 0 {
		r += c.lens[i]
	}
	return ms - r
}
