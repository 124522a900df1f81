package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The audit log is a chain of lines in segments. Each line has the sum of the
// one before, so that nobody can change, insert or remove one in the middle
// without writing all behind it anew. Whoever can write the storage can do that,
// or cut the end: against it helps a sum that was kept elsewhere, which
// [Registry.Verify] compares.
const (
	auditFolder   = "kline/audit"
	segmentSuffix = ".jsonl"

	// segmentSize is when a new segment begins, in bytes: every entry writes its
	// segment again.
	segmentSize = 64 << 10
	// maxSegments bounds the log. Beyond it the oldest segment is removed: 64 MiB
	// are some 160,000 entries.
	maxSegments = 1024
)

func segmentKey(n int64) string { return fmt.Sprintf("%s/%08d%s", auditFolder, n, segmentSuffix) }

// segmentOf is the number of a key, 0 if it is none of a segment.
func segmentOf(key string) int64 {
	digits, ok := strings.CutSuffix(path.Base(key), segmentSuffix)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 1 || segmentKey(n) != key {
		return 0
	}
	return n
}

// segments lists the numbers, ascending.
func (r *Registry) segments(ctx context.Context) ([]int64, error) {
	keys, err := r.listing(ctx, auditFolder)
	if err != nil {
		return nil, fmt.Errorf("listing the audit log: %w", err)
	}
	var out []int64
	for _, key := range keys {
		if n := segmentOf(key); n > 0 {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// listing lists a folder that may not be there. A storage of files says so as
// well when a file is renamed while it looks, so it is asked again.
func (r *Registry) listing(ctx context.Context, folder string) (keys []string, err error) {
	for range 8 {
		keys, err = r.cfg.Storage.List(ctx, folder, false)
		if !errors.Is(err, fs.ErrNotExist) {
			return keys, err
		}
	}
	return nil, nil
}

// tail is the end of the chain.
type tail struct {
	segments []int64
	body     []byte // of the last segment
	seq      int64
	sum      string
	broken   string // why the last line cannot be read; empty: it can
}

func (r *Registry) tail(ctx context.Context) (*tail, error) {
	list, err := r.segments(ctx)
	if err != nil {
		return nil, err
	}
	t := &tail{segments: list, sum: genesis}
	if len(list) == 0 {
		return t, nil
	}
	if t.body, err = r.cfg.Storage.Load(ctx, segmentKey(list[len(list)-1])); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	lines := bytes.Split(bytes.TrimSuffix(t.body, []byte("\n")), []byte("\n"))
	for i, line := range slices.Backward(lines) {
		e, sum, err := decodeLine(line)
		if err == nil {
			t.seq += e.Seq
			if t.broken == "" {
				t.sum = sum
			}
			return t, nil
		}
		// The log goes on: a damaged line must not stop every change for good. It
		// stays where it is, and the next entry pins all bytes of its segment.
		t.seq++
		if i == len(lines)-1 {
			t.broken, t.sum = err.Error(), sumOf(t.body)
		}
	}
	last, err := r.lastBefore(ctx, list[:len(list)-1])
	t.seq += last
	return t, err
}

// lastBefore is the number of the newest entry that can be read in the segments before
// one of which nothing is left, 0 without any: numbers that begin anew would be those of
// other entries.
func (r *Registry) lastBefore(ctx context.Context, list []int64) (int64, error) {
	for _, n := range slices.Backward(list) {
		body, err := r.cfg.Storage.Load(ctx, segmentKey(n))
		if err != nil {
			return 0, fmt.Errorf("reading the audit log: %w", err)
		}
		lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
		for i, line := range slices.Backward(lines) {
			if e, _, err := decodeLine(line); err == nil {
				return e.Seq + int64(len(lines)-1-i), nil
			}
		}
	}
	return 0, nil
}

// record appends entries. The caller holds the lock.
func (r *Registry) record(ctx context.Context, entries ...Entry) error {
	t, err := r.tail(ctx)
	if err != nil {
		return err
	}
	number, fresh := int64(1), len(t.segments) == 0
	if !fresh {
		number = t.segments[len(t.segments)-1]
	}
	if t.broken != "" || len(t.body) >= segmentSize {
		number, fresh, t.body = number+1, true, nil
	}
	if t.broken != "" {
		r.report(Problem{Key: segmentKey(number - 1), Reason: "the last entry of the audit log is damaged: " + t.broken})
		entries = slices.Insert(slices.Clone(entries), 0, Entry{Action: ActionChain, Result: "damaged", Actor: unknownActor,
			Note: "the entry before this one cannot be read; prev_sha256 is that of its whole segment"})
	}
	for i := range entries {
		e := &entries[i]
		e.Seq, e.Time, e.Prev = t.seq+1, r.cfg.Now().UTC(), t.sum
		line, sum, err := e.line()
		if err != nil {
			return err
		}
		t.body, t.seq, t.sum = append(append(t.body, line...), '\n'), e.Seq, sum
	}
	if err := r.cfg.Storage.Store(ctx, segmentKey(number), t.body); err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	r.tellHead(t, entries)
	if fresh {
		r.prune(ctx, append(t.segments, number))
	}
	return nil
}

// prune removes the oldest segments. One that cannot be removed is tried again
// with the next new segment.
func (r *Registry) prune(ctx context.Context, list []int64) {
	for len(list) > maxSegments {
		if err := r.cfg.Storage.Delete(ctx, segmentKey(list[0])); err != nil {
			r.report(Problem{Key: segmentKey(list[0]), Reason: "an old segment of the audit log could not be removed: " + err.Error()})
			return
		}
		list = list[1:]
	}
}

// tellHead hands out where the chain ends, for a copy outside of the storage.
func (r *Registry) tellHead(t *tail, entries []Entry) {
	if r.cfg.Audited != nil {
		r.cfg.Audited(entries, t.sum)
	}
}

// Record writes entries that are about no change of the registry: strikes, and
// requests that were refused. Seq, Time and Prev are filled in.
func (r *Registry) Record(ctx context.Context, entries ...Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return r.locked(ctx, func(ctx context.Context) error {
		if err := r.record(ctx, entries...); err != nil {
			return unavailable(err)
		}
		return nil
	})
}
