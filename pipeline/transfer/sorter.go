package transfer

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

const (
	// sortBytes is how much of the rows is held in memory; more is sorted and
	// put aside in files.
	sortBytes = 64 << 20
	// maxRuns is how many files are merged at once, each with a buffer of 64 KiB.
	maxRuns = 64
)

// sorter sorts pairs of a key and a value by the bytes of the key. Equal keys
// keep the order in which they came. Its memory is bounded, its files are as
// large as what is sorted.
type sorter struct {
	dir   string
	limit int
	arena []byte
	pairs []pair
	runs  []*os.File
	buf   []byte
}

// pair is a place in the arena: key, then value.
type pair struct{ at, key, end int }

func newSorter(dir string) *sorter { return &sorter{dir: dir, limit: sortBytes} }

func (s *sorter) add(key, value []byte) error {
	at := len(s.arena)
	s.arena = append(append(s.arena, key...), value...)
	s.pairs = append(s.pairs, pair{at, at + len(key), len(s.arena)})
	// 24 bytes is a pair's own weight.
	if len(s.arena)+24*len(s.pairs) < s.limit {
		return nil
	}
	return s.spill()
}

func (s *sorter) order() {
	slices.SortStableFunc(s.pairs, func(a, b pair) int { return bytes.Compare(s.arena[a.at:a.key], s.arena[b.at:b.key]) })
}

// spill writes what is in memory as a run.
func (s *sorter) spill() error {
	s.order()
	err := s.run(func(put func(key, value []byte) error) error {
		for _, p := range s.pairs {
			if err := put(s.arena[p.at:p.key], s.arena[p.key:p.end]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.arena, s.pairs = s.arena[:0], s.pairs[:0]
	if len(s.runs) < maxRuns {
		return nil
	}
	old := s.runs
	s.runs = nil
	err = s.run(func(put func(key, value []byte) error) error { return merge(old, put) })
	closeAll(old)
	return err
}

// run writes a sorted file. Its name is removed at once: nothing of it is left
// behind by a process that is killed.
func (s *sorter) run(fill func(put func(key, value []byte) error) error) error {
	f, err := os.CreateTemp(s.dir, ".kline-sort-*")
	if err != nil {
		return fmt.Errorf("sorting on the disk: %w", err)
	}
	_ = os.Remove(f.Name()) // where a file in use cannot be removed it stays
	w := bufio.NewWriterSize(f, 1<<20)
	err = fill(func(key, value []byte) error {
		s.buf = binary.AppendUvarint(s.buf[:0], uint64(len(key)))
		s.buf = binary.AppendUvarint(s.buf, uint64(len(value)))
		s.buf = append(append(s.buf, key...), value...)
		_, err := w.Write(s.buf)
		return err
	})
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("sorting on the disk: %w", err), f.Close())
	}
	s.runs = append(s.runs, f)
	return nil
}

// each hands out all pairs in order.
func (s *sorter) each(put func(key, value []byte) error) error {
	if len(s.runs) > 0 {
		if err := s.spill(); err != nil {
			return err
		}
		return merge(s.runs, put)
	}
	s.order()
	for _, p := range s.pairs {
		if err := put(s.arena[p.at:p.key], s.arena[p.key:p.end]); err != nil {
			return err
		}
	}
	return nil
}

func (s *sorter) close() { closeAll(s.runs) }

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // its name is gone, and with it the file
	}
}

// head is the next pair of a run.
type head struct {
	in         *bufio.Reader
	key, value []byte
	n          int // of the run: of equal keys the older run's comes first
}

func (h *head) next() error {
	k, err := binary.ReadUvarint(h.in)
	if err != nil {
		return err
	}
	v, err := binary.ReadUvarint(h.in)
	if err != nil {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	h.key = slices.Grow(h.key[:0], int(k))[:k]     // #nosec G115 -- written by run
	h.value = slices.Grow(h.value[:0], int(v))[:v] // #nosec G115 -- likewise
	if _, err := io.ReadFull(h.in, h.key); err != nil {
		return err
	}
	_, err = io.ReadFull(h.in, h.value)
	return err
}

type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	c := bytes.Compare(h[i].key, h[j].key)
	return c < 0 || c == 0 && h[i].n < h[j].n
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) }
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// merge hands out the pairs of sorted files in order.
func merge(files []*os.File, put func(key, value []byte) error) error {
	var all heads
	for n, f := range files {
		h := &head{in: bufio.NewReaderSize(f, 1<<16), n: n}
		if err := h.next(); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return fmt.Errorf("sorting on the disk: %w", err)
		}
		all = append(all, h)
	}
	heap.Init(&all)
	for len(all) > 0 {
		h := all[0]
		if err := put(h.key, h.value); err != nil {
			return err
		}
		switch err := h.next(); {
		case err == nil:
			heap.Fix(&all, 0)
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			heap.Pop(&all)
		default:
			return fmt.Errorf("sorting on the disk: %w", err)
		}
	}
	return nil
}
