package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
)

// database is a server of the tests. Like a real one it keeps what it has
// acknowledged, and may fail before or after it has done what it was asked.
type database struct {
	// transactional keeps rows and positions in one step; else rows come first.
	transactional bool

	mu        sync.Mutex // protects the rest
	random    *rand.Rand // nil: never fails
	down      bool
	rows      map[string]int // how often each was stored, by its place
	positions map[int32]int64
	bad       func(row string) bool
	largest   int
	opened    int
	writes    int
}

var (
	errDown  = errors.New("the server is away")
	errBad   = errors.New("the row is refused")
	errReply = errors.New("the answer was lost")
)

func newDatabase(transactional bool) *database {
	return &database{transactional: transactional, rows: map[string]int{}, positions: map[int32]int64{}}
}

func (d *database) sink(Stream) Sink { return &memorySink{d} }

func (d *database) setDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

// stored are the rows, and whether one is there more than once.
func (d *database) stored() (n int, twice []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for row, times := range d.rows {
		if times > 1 {
			twice = append(twice, row)
		}
	}
	return len(d.rows), twice
}

// at is where the partitions stand. A write whose answer was lost may be under way again.
func (d *database) at() map[int32]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.positions)
}

// most is the size of the largest batch.
func (d *database) most() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.largest
}

type memorySink struct{ d *database }

// Open implements Sink.
func (s *memorySink) Open(context.Context, string, int32) (map[int32]int64, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.d.opened++
	if s.d.down || s.d.fails(12) {
		return nil, errDown
	}
	have := map[int32]int64{}
	for p, next := range s.d.positions {
		have[p] = next
	}
	return have, nil
}

// fails is true once in n times. The caller holds mu.
func (d *database) fails(n int) bool { return d.random != nil && d.random.IntN(n) == 0 }

// Write implements Sink.
func (s *memorySink) Write(ctx context.Context, b *Batch) error {
	d := s.d
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	d.largest = max(d.largest, b.Rows())
	if d.down || d.fails(10) {
		return errDown
	}
	if d.transactional {
		for _, m := range b.Moves {
			if have, ok := d.positions[m.P]; ok && have != m.From || !ok && m.From != -1 {
				return ErrMoved
			}
		}
	}
	places := places(b)
	good := map[string]bool{}
	refused, err := Split(0, len(places), func(lo, hi int) error {
		for _, at := range places[lo:hi] {
			if d.bad != nil && d.bad(at) {
				return errBad
			}
		}
		for _, at := range places[lo:hi] {
			good[at] = true
		}
		return nil
	}, func(err error) bool { return errors.Is(err, errBad) })
	if err != nil {
		return err
	}
	if len(refused) > 0 {
		if err := b.Refuse(ctx, refused); err != nil {
			return err
		}
	}
	for at := range good {
		if d.transactional {
			d.rows[at]++
		} else {
			d.rows[at] = 1 // by key
		}
	}
	if !d.transactional && d.fails(10) {
		return errReply // rows without their position
	}
	for _, m := range b.Moves {
		d.positions[m.P] = m.To
	}
	if d.fails(10) {
		return errReply
	}
	return nil
}

// places name the rows of a batch.
func places(b *Batch) []string {
	var all []string
	for i := range b.Trades {
		all = append(all, place(&b.Trades[i].Origin))
	}
	for i := range b.Klines {
		all = append(all, place(&b.Klines[i].Origin))
	}
	return all
}

func place(o *Origin) string { return fmt.Sprintf("%d/%d/%d", o.P, o.Offset, o.Index) }

// Close implements Sink.
func (*memorySink) Close() {}

// narrow is a server that is too slow for large batches.
type narrow struct {
	Sink
	most     int
	tooLarge *int
}

// Write implements Sink.
func (n *narrow) Write(ctx context.Context, b *Batch) error {
	if b.Rows() > n.most {
		*n.tooLarge++
		return context.DeadlineExceeded
	}
	return n.Sink.Write(ctx, b)
}
