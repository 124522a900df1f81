package history

import "context"

// Store writes the rows of b with write, which gets the indexes of some of them.
// A row that check refuses, and one whose content the database refuses (an error
// of write for which content is true), is handed to b.Refuse; the others are
// stored. Any other failure is returned as it is.
func (b *Batch) Store(ctx context.Context, check func(row int) error, write func(rows []int) error, content func(error) bool) error {
	good := make([]int, 0, b.Rows())
	var refused []Refusal
	for row := range b.Rows() {
		if err := check(row); err != nil {
			refused = append(refused, Refusal{Row: row, Cause: err})
			continue
		}
		good = append(good, row)
	}
	if len(good) > 0 {
		more, err := Split(0, len(good), func(lo, hi int) error { return write(good[lo:hi]) }, content)
		if err != nil {
			return err
		}
		for _, r := range more {
			refused = append(refused, Refusal{Row: good[r.Row], Cause: r.Cause})
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return b.Refuse(ctx, refused)
}

// Split stores rows [lo, hi) with store. When that fails because of what is in
// them, it halves them until the rows that do it are alone, stores the rest and
// returns those. Any other failure is returned as it is.
//
// n rows of which k are refused take at most about 2k x log2(n) calls: one bad
// row among 20,000 costs thirty smaller batches, not twenty thousand.
func Split(lo, hi int, store func(lo, hi int) error, content func(error) bool) ([]Refusal, error) {
	err := store(lo, hi)
	switch {
	case err == nil:
		return nil, nil
	case !content(err):
		return nil, err
	case hi-lo == 1:
		return []Refusal{{Row: lo, Cause: err}}, nil
	}
	mid := lo + (hi-lo)/2
	left, err := Split(lo, mid, store, content)
	if err != nil {
		return nil, err
	}
	right, err := Split(mid, hi, store, content)
	return append(left, right...), err
}
