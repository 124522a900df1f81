// Package view names what keeps a readable copy of klines outside the process.
//
// The central type is the Sink: a follower reads a partition of klines and
// hands over one contiguous range after the other. A sink answers with the
// position it really has, which may be further (somebody else was there) or
// further back (it lost data), and the follower goes on from that.
//
// A view is never trusted for state, offsets, duplicates or ownership: it can
// be thrown away and built again from klines at any time.
package view

import "context"

// Record is one record of the topic klines.
type Record struct {
	// Offset is the offset on klines.
	Offset int64
	// So and Sk are the position: input offset and ordinal.
	So, Sk int64
	// Kind is the header k: empty for klines, "ind" for restated values. Sinks
	// ignore kinds they do not know.
	Kind string
	// Value is the JSON; a sink does not keep it.
	Value []byte
}

// Sink applies klines to a view.
type Sink interface {
	// Name is the sink's name in metrics.
	Name() string
	// Apply applies the records of the offsets [from, to) of partition p, in
	// log order, and returns the next offset the view needs. If that is not to,
	// the follower seeks there. After an error nothing is known beyond have,
	// and the same call may be made again. An empty range asks for the position
	// alone; a follower that is idle asks once a second, which finds a view
	// that silently lost data.
	Apply(ctx context.Context, p int32, from, to int64, recs []Record) (have int64, err error)
}
