package kafka

import "sync"

// maxBatchBytes cuts what one fetch brought into pieces: 256 KiB of keys,
// values and headers, so that four of them in a worker's queue are a known amount.
const maxBatchBytes = 256 << 10

// Batch is a piece of the input partition P. The receiver owns it until it
// calls Release.
type Batch struct {
	// P is the partition.
	P int32
	// Records in order of offset. Empty if the log moved on without data
	// (markers of a producer's transaction): then only Next counts.
	Records []Rec
	// Next is the offset behind the batch. Next >= HighWatermark means that the
	// end of the partition is reached.
	Next int64
	// HighWatermark and LogStart are the ends of the partition as the broker
	// gave them with the fetch. -1: unknown.
	HighWatermark, LogStart int64
	// AtEnd tells that the batch was fetched while waiting at the end of P:
	// nothing of it was in the log when the batch before it was answered.
	AtEnd bool

	bytes int
}

var batchPool = sync.Pool{New: func() any { return new(Batch) }}

// Release gives the batch back. The records' bytes stay valid.
func (b *Batch) Release() {
	clear(b.Records)
	*b = Batch{Records: b.Records[:0]}
	batchPool.Put(b)
}
