package history

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
