package history

import (
	"context"
	"errors"
)

// ErrMoved means that the database holds another position than the one that was
// read from it: another follower was faster, or somebody put an older database
// back. The next turn begins where the database stands.
var ErrMoved = errors.New("the position in the database was moved by somebody else")

// Sink is one table of a database. Its methods are called from one goroutine.
// Every error but those of single rows ends the turn of the follower, which
// opens the sink again after a pause.
type Sink interface {
	// Open connects, makes what is missing and returns the position of each of
	// n partitions of the topic: the next offset to write. A partition without
	// an entry was never written.
	Open(ctx context.Context, topic string, n int32) (map[int32]int64, error)
	// Write stores the rows of b and moves the positions. When it has returned
	// nil both outlive a crash of the server as far as the server promises it.
	// A row whose content the database refuses is handed to b.Refuse, the
	// others are stored.
	Write(ctx context.Context, b *Batch) error
	// Close ends the connection.
	Close()
}

// Batch is what is written at once: the rows between two positions of some
// partitions. Only the rows of the sink's stream are set.
type Batch struct {
	// Topic is the name under which the positions are kept.
	Topic  string
	Trades []Trade
	Klines []Kline
	Moves  []Move
	// Refuse puts rows into the dead-letter topic and returns when they are
	// acknowledged. It comes before the positions are moved: a crash between the
	// two writes a dead letter twice, never none. index is the row's.
	Refuse func(ctx context.Context, refused []Refusal) error
}

// Rows is the number of rows.
func (b *Batch) Rows() int { return len(b.Trades) + len(b.Klines) }

// Move takes the position of a partition from From to To. From is what the
// database held when it was asked, or what the last batch left there; -1 means
// nothing.
type Move struct {
	P        int32
	From, To int64
}

// Refusal is a row that the database does not take because of what is in it.
type Refusal struct {
	// Row is its index in the batch.
	Row int
	// Cause is what the database says; it may quote the row.
	Cause error
}
