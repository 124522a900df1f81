package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxAge is how long a scan is believed while the revision stays the same. It
// bounds how late a change is seen whose writer was killed before it could
// write the revision.
const maxAge = 30 * time.Second

// lookTimeout bounds what a reader waits for a storage that does not answer.
const lookTimeout = 10 * time.Second

// Problem is something in the storage that is not what it should be.
type Problem struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// view is the storage as one scan found it.
type view struct {
	revision string
	records  map[string]Record // by key
	bytes    map[string]bool   // by sum
	damaged  map[string]bool   // keys of records that cannot be read
	halves   []string          // keys of writes that were killed
	outdone  []string          // keys of records that say active and are not, see settle
	problems []Problem         // in the order of the keys
}

func (v *view) clone() *view {
	c := *v
	c.records, c.bytes = maps.Clone(v.records), maps.Clone(v.bytes)
	return &c
}

// sorted returns all records by module and version.
func (v *view) sorted() []Record {
	return slices.SortedFunc(maps.Values(v.records), func(a, b Record) int { return a.compare(&b) })
}

// versions returns those of one module, oldest first.
func (v *view) versions(module string) []Record {
	return slices.DeleteFunc(v.sorted(), func(r Record) bool { return r.Module != module })
}

// owner is the tenant that has a module, which is that of all its versions.
func (v *view) owner(module string) (tenant string, taken bool) {
	for _, r := range v.records {
		if r.Module == module {
			return r.Tenant, true
		}
	}
	return "", false
}

// modules counts the names that a tenant has.
func (v *view) modules(tenant string) int {
	names := make(map[string]bool)
	for _, r := range v.records {
		if r.Tenant == tenant {
			names[r.Module] = true
		}
	}
	return len(names)
}

// sums are the bytes that some record names.
func (v *view) sums() map[string]bool {
	used := make(map[string]bool)
	for _, r := range v.records {
		used[r.SHA256] = true
	}
	return used
}

// look returns the present state for readers. The revision is read before the
// scan: a change that ends between the two makes the next look scan again.
func (r *Registry) look(ctx context.Context) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	revision, err := r.revision(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	now := r.cfg.Now()
	r.mu.Lock()
	seen, at := r.seen, r.seenAt
	r.mu.Unlock()
	if seen != nil && revision != "" && seen.revision == revision && now.Sub(at) < maxAge {
		return seen, nil
	}
	v, err := r.scan(ctx, revision)
	if err != nil {
		return nil, unavailable(err)
	}
	r.remember(v, now)
	return v, nil
}

func (r *Registry) remember(v *view, now time.Time) {
	r.mu.Lock()
	r.seen, r.seenAt = v, now
	r.mu.Unlock()
	for _, p := range v.problems {
		r.report(p)
	}
}

// lastView is what was seen last, without asking the storage; empty before that.
func (r *Registry) lastView() *view {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		return new(view)
	}
	return r.seen
}

// revision is a random text that every change replaces; empty before the first.
func (r *Registry) revision(ctx context.Context) (string, error) {
	b, err := r.cfg.Storage.Load(ctx, revisionKey)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the revision of the registry: %w", err)
	}
	return string(b), nil
}

// scan reads all records. Their bytes are only listed: they are compared when
// they are opened.
func (r *Registry) scan(ctx context.Context, revision string) (*view, error) {
	keys, err := r.keys(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{revision: revision, records: make(map[string]Record), bytes: make(map[string]bool), damaged: make(map[string]bool)}
	slices.Sort(keys)
	var records []string
	for _, key := range keys {
		switch k, sum := classify(key); k {
		case kindBytes:
			v.bytes[sum] = true
		case kindRecord:
			records = append(records, key)
		case kindHalf:
			v.halves = append(v.halves, key)
		case kindRevision:
		case kindForeign:
			v.problems = append(v.problems, Problem{Key: key, Reason: "this file is not one of the registry: it is ignored"})
		}
	}
	if err := r.readAll(ctx, v, records); err != nil {
		return nil, err
	}
	v.settle()
	for _, rec := range v.sorted() {
		if !v.bytes[rec.SHA256] {
			v.problems = append(v.problems, Problem{
				Key:    bytesKey(rec.SHA256),
				Reason: fmt.Sprintf("the bytes of %s %s are missing: upload them again, or delete the version", rec.Module, rec.Version),
			})
		}
	}
	return v, nil
}

// settle leaves each module one active version. A process that was killed between
// the two records of an activation has left both so: the newer counts, for all who
// look, and the next change writes the other one down as retired.
func (v *view) settle() {
	newest := make(map[string]*Record)
	for _, rec := range v.records {
		if best := newest[rec.Module]; rec.State == Active && (best == nil || rec.Turn > best.Turn) {
			newest[rec.Module] = &rec
		}
	}
	for key, rec := range v.records {
		if best := newest[rec.Module]; rec.State == Active && rec.Version != best.Version {
			rec.State, rec.Since = Retired, best.Since
			if best.ousts(rec.Version) {
				rec.State = best.Ousted.State
			}
			v.records[key] = rec
			v.outdone = append(v.outdone, key)
		}
	}
}

// readers is how many records are read at once: a scan of a thousand from a
// storage that is 5 ms away must not take as long as a lock is believed.
const readers = 16

// readAll adds records to v. One that is gone was deleted after it was listed.
func (r *Registry) readAll(ctx context.Context, v *view, keys []string) error {
	values, errs := make([][]byte, len(keys)), make([]error, len(keys))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(readers, len(keys)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(keys)); i = next.Add(1) - 1 {
				values[i], errs[i] = r.load(ctx, keys[i])
			}
		})
	}
	all.Wait()
	for i, key := range keys {
		if errors.Is(errs[i], fs.ErrNotExist) {
			continue
		}
		if errs[i] != nil {
			return fmt.Errorf("reading a record of the registry: %w", errs[i])
		}
		rec, err := decodeRecord(key, values[i])
		if err != nil {
			v.damaged[key] = true
			v.problems = append(v.problems, Problem{Key: key, Reason: "this record is damaged and not used: " + err.Error()})
			continue
		}
		v.records[key] = rec
	}
	return nil
}

// load reads one value in a goroutine of ours: a storage that panics there would
// end the process.
func (r *Registry) load(ctx context.Context, key string) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the storage failed: %v", p)
		}
	}()
	return r.cfg.Storage.Load(ctx, key)
}
