package kafka

import "time"

// Observer counts what happens. Its methods are called from several goroutines
// and must return at once. p is a partition.
type Observer interface {
	// Fetched: a batch was handed over; lag is what is left behind it.
	Fetched(p int32, records, bytes int, lag int64)
	// FetchFailed: a poll returned an error for p (-1: for the whole client).
	FetchFailed(p int32, err error)
	// Restored: the handler has restored p and the client seeks.
	Restored(p int32, took time.Duration)
	// Published: a unit is acknowledged; checkpoint is its size in bytes as
	// written, 0 without one.
	Published(p int32, outputs, checkpoint int, took time.Duration)
	// Decided: a journal record is acknowledged.
	Decided(p int32, took time.Duration)
	// Transaction: one has ended; took is the time from the last unit to its end.
	Transaction(result TransactionResult, took time.Duration)
	// CommitFailed: an offset commit failed; the next one covers it.
	CommitFailed(p int32, err error)
	// Throttled: a broker told us to wait.
	Throttled(interval time.Duration)
}

// NopObserver counts nothing.
type NopObserver struct{}

// Fetched does nothing.
func (NopObserver) Fetched(int32, int, int, int64) {}

// FetchFailed does nothing.
func (NopObserver) FetchFailed(int32, error) {}

// Restored does nothing.
func (NopObserver) Restored(int32, time.Duration) {}

// Published does nothing.
func (NopObserver) Published(int32, int, int, time.Duration) {}

// Decided does nothing.
func (NopObserver) Decided(int32, time.Duration) {}

// Transaction does nothing.
func (NopObserver) Transaction(TransactionResult, time.Duration) {}

// CommitFailed does nothing.
func (NopObserver) CommitFailed(int32, error) {}

// Throttled does nothing.
func (NopObserver) Throttled(time.Duration) {}

var _ Observer = NopObserver{}
