package serve

import "context"

// Kinds of records on the topic klines.
const (
	// KindKline is a closed or restated bar with its values.
	KindKline = ""
	// KindRestated carries the values that a restated bar changed.
	KindRestated = "ind"
)

// Record is one record of the topic klines as a follower hands it over.
type Record struct {
	// P is the partition, Offset the offset on klines.
	P      int32
	Offset int64
	// So and Sk are the position: input offset and ordinal.
	So, Sk int64
	// Kind is the header k; records of a kind that this package does not know
	// only move the position.
	Kind string
	// Value is the JSON. The Hub keeps no reference to it.
	Value []byte
	// Timestamp is the Kafka timestamp, ms.
	Timestamp int64
}

// LogReader reads a range of klines again, for bars that are no longer kept in
// memory.
type LogReader interface {
	// Read calls fn for the records with offsets in [from, to) of partition p
	// in log order until fn returns false. A to beyond the end means the end.
	Read(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error
}
