package registry

import (
	"bytes"
	"context"
	"fmt"
)

// Chain is what [Registry.Verify] found.
type Chain struct {
	Entries  int
	Segments int
	First    int64  // number of the oldest entry that is there, 0 without one
	Last     int64  // number of the newest
	Head     string // sum of the newest line: keep it elsewhere to notice a cut
	Broken   *Broken
}

// Broken is the first place where the chain does not hold.
type Broken struct { //nolint:errname // it is a place first, and an error second
	Key    string // of the segment
	Line   int    // in it, from 1; 0: the whole segment
	Seq    int64  // of the entry, 0 if it cannot be read
	Reason string
}

// Error makes it an error for those who want one.
func (b *Broken) Error() string {
	if b.Line == 0 {
		return fmt.Sprintf("%s: %s", b.Key, b.Reason)
	}
	return fmt.Sprintf("%s, line %d: %s", b.Key, b.Line, b.Reason)
}

// Anchor is an entry that somebody has kept outside of the storage.
type Anchor struct {
	Seq    int64
	SHA256 string
}

// Verify reads the audit log from its oldest entry and stops where the chain is
// broken. each, if it is not nil, is called with every entry up to there. An
// anchor has to be in the chain, unless retention has removed it; the zero
// Anchor is none. The error is that of a storage which does not answer.
func (r *Registry) Verify(ctx context.Context, anchor Anchor, each func(e *Entry, sum string)) (Chain, error) {
	list, err := r.segments(ctx)
	if err != nil {
		return Chain{}, err
	}
	w := &walk{chain: Chain{Segments: len(list)}, anchor: anchor, each: each, sum: genesis}
	for i, n := range list {
		if w.chain.Broken = order(list, i); w.chain.Broken != nil {
			break
		}
		body, err := r.cfg.Storage.Load(ctx, segmentKey(n))
		if err != nil {
			return w.chain, fmt.Errorf("reading the audit log: %w", err)
		}
		if w.chain.Broken = w.segment(segmentKey(n), body); w.chain.Broken != nil {
			break
		}
	}
	if w.chain.Broken == nil {
		w.chain.Broken = w.missed()
	}
	return w.chain, nil
}

// walk is a way along the chain.
type walk struct {
	chain  Chain
	anchor Anchor
	each   func(e *Entry, sum string)
	sum    string // of the line before
	met    bool   // the anchor was met
}

// order looks at the numbers of segments. Retention removes the oldest, and
// leaves as many as it may.
func order(list []int64, i int) *Broken {
	switch n := list[i]; {
	case i > 0 && n != list[i-1]+1:
		return &Broken{Key: segmentKey(list[i-1] + 1), Reason: "the segment is missing"}
	case i == 0 && n > 1 && len(list) < maxSegments:
		return &Broken{Key: segmentKey(n - 1), Reason: fmt.Sprintf("the segments before %d are missing, and there are too few others for retention to have removed them", n)}
	}
	return nil
}

func (w *walk) segment(key string, body []byte) *Broken {
	if !bytes.HasSuffix(body, []byte("\n")) {
		return &Broken{Key: key, Reason: "it is empty or does not end with a line"}
	}
	for i, line := range bytes.Split(body[:len(body)-1], []byte("\n")) {
		e, sum, err := decodeLine(line)
		if err == nil {
			err = w.link(&e, sum)
		}
		if err != nil {
			return &Broken{Key: key, Line: i + 1, Seq: e.Seq, Reason: err.Error()}
		}
		if w.each != nil {
			w.each(&e, sum)
		}
	}
	return nil
}

// link holds an entry against the one before.
func (w *walk) link(e *Entry, sum string) error {
	begins := w.chain.Entries == 0
	switch {
	case begins && e.Seq == 1 && e.Prev != genesis:
		return fmt.Errorf("entry 1 names an entry before it")
	case !begins && e.Seq != w.chain.Last+1:
		return fmt.Errorf("entry %d follows entry %d", e.Seq, w.chain.Last)
	case !begins && e.Prev != w.sum:
		return fmt.Errorf("entry %d names another entry before it than the one that stands there: entries were changed, removed or inserted", e.Seq)
	}
	if e.Seq == w.anchor.Seq {
		if sum != w.anchor.SHA256 {
			return fmt.Errorf("entry %d is not the one that was kept elsewhere: the log was written anew", e.Seq)
		}
		w.met = true
	}
	if begins {
		w.chain.First = e.Seq
	}
	w.chain.Entries++
	w.chain.Last, w.chain.Head, w.sum = e.Seq, sum, sum
	return nil
}

// missed tells that the chain ends before the anchor.
func (w *walk) missed() *Broken {
	if w.anchor.Seq == 0 || w.met || w.anchor.Seq < w.chain.First {
		return nil
	}
	return &Broken{Key: auditFolder, Reason: fmt.Sprintf("entry %d, which was kept elsewhere, is missing: the log ends with entry %d and was cut", w.anchor.Seq, w.chain.Last)}
}
