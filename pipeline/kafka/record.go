package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"
)

// Header is one header of a record: a Key and a Value. It is an alias so that
// the headers of a fetched record are handed on without a copy.
type Header = kgo.RecordHeader

// Rec is one record of a topic. Its slices belong to the fetch that brought it
// and are never reused: they may be kept.
type Rec struct {
	// Offset in the partition.
	Offset int64
	// Timestamp is Kafka's, ms since 1970.
	Timestamp int64
	// Key is nil if the record has none.
	Key []byte
	// Value may be nil.
	Value []byte
	// Headers in the order of the record.
	Headers []Header
	// Oversized: the record stands for a batch that unpacks to more than 64 MiB and
	// was not read. Only Offset, that of its first record, is set.
	Oversized bool
}

// Header returns the value of the first header of that name, and whether there
// is one.
func (r *Rec) Header(key string) ([]byte, bool) {
	return headerOf(r.Headers, key)
}

func headerOf(hs []Header, key string) ([]byte, bool) {
	for i := range hs {
		if hs[i].Key == key {
			return hs[i].Value, true
		}
	}
	return nil, false
}

// size is what a record counts for when batches are cut.
func (r *Rec) size() int {
	n := len(r.Key) + len(r.Value) + 32
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

func viewOf(r *kgo.Record) Rec {
	return Rec{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: r.Headers}
}
