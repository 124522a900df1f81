// Package registry keeps the indicator modules that people upload. It lets in
// only what the guard and the conformance checks have passed, never changes a
// version once it is there, and gives bytes back only if they are still the
// ones that were checked.
//
// The central type is the [Registry], made with [New] over a [Storage] that
// several processes may share. [Registry.Upload] takes a module through all
// stages, each of which can only refuse, and ends with two writes under the
// storage's lock: the bytes under their SHA-256, then a [Record] under the hash
// of name and version. A process that is killed between any two steps leaves
// the registry as it was before or as it is after; what it left behind is found
// and removed by the next one that changes something. [Registry.Changes] tells
// other processes what is new.
//
// The package activates nothing: the state of a record mirrors what the engine
// decided and is set by [Registry.SetState]. It starts no goroutine, knows no
// Caddy and no HTTP, and trusts nothing it finds in the storage: a record whose
// checksum does not fit, or a file that is none of its own, is reported as a
// [Problem] and otherwise left alone.
package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of an upload that a caller does not set.
const (
	DefaultMaxSize  = 4 << 20 // bytes: Go with fmt and encoding/json has 3.3 MB
	DefaultPerHour  = 10
	DefaultPerDay   = 50
	DefaultAtOnce   = 2
	DefaultModules  = 50
	DefaultVersions = 20
)

// Config is what a [Registry] works with. All fields but Reserved, Log, Trust and Audited are
// required, and Vet and Gate only for uploads.
type Config struct {
	// Storage holds the bytes and the records. Processes that share it share
	// the registry.
	Storage Storage

	// Vet runs the conformance checks on bytes that the guard has passed.
	Vet Vet

	// Gate counts and queues the uploads of this process.
	Gate *Gate

	// Now is the wall clock.
	Now func() time.Time

	// Reserved are names that nobody may upload, such as that of the built-in
	// module.
	Reserved []string

	// Trust tells which signatures a tenant's modules need now. Without it none.
	Trust func(tenant string) Trust

	// Audited is told of entries that were written to the audit log, and the sum
	// of the last of them, under the storage's lock: it must not wait.
	Audited func(entries []Entry, head string)

	// Log is told once about each problem found in the storage, as a message
	// and pairs of key and value.
	Log func(msg string, kv ...any)
}

// Registry is the set of uploaded modules. Its methods may be called from any
// goroutine.
type Registry struct {
	cfg Config

	changing chan struct{} // holds one token while this process holds the storage's lock

	mu       sync.Mutex // protects all below
	seen     *view      // the newest complete scan
	seenAt   time.Time
	told     map[string]Record // what Changes has reported, by key
	reported map[string]string // problems that were logged, by key
	examined *examination      // nil: none is under way
}

// New makes a registry. It touches nothing: an empty storage is an empty
// registry.
func New(cfg Config) *Registry {
	return &Registry{
		cfg: cfg, changing: make(chan struct{}, 1),
		told: make(map[string]Record), reported: make(map[string]string),
	}
}

// List returns all records, sorted by module and version, and what is wrong in
// the storage.
func (r *Registry) List(ctx context.Context) ([]Record, []Problem, error) {
	v, err := r.look(ctx)
	if err != nil {
		return nil, nil, err
	}
	return v.sorted(), slices.Clone(v.problems), nil
}

// Get returns the versions of one module, oldest first; none is no error.
func (r *Registry) Get(ctx context.Context, module string) ([]Record, error) {
	v, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return v.versions(module), nil
}

// Open returns the bytes of a record, compared with its SHA-256. What does not
// fit is refused with [ErrDamaged].
func (r *Registry) Open(ctx context.Context, sum string) ([]byte, error) {
	if !validSum(sum) {
		return nil, errors.New("opening a module: the sum is not that of a SHA-256 in lower-case hex")
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	b, err := r.bytes(ctx, sum)
	switch {
	case errors.Is(err, ErrDamaged):
		r.report(Problem{Key: bytesKey(sum), Reason: "the bytes are not those that were uploaded"})
	case err != nil:
		return nil, unavailable(err)
	}
	return b, err
}

// Change is one record as it is now.
type Change struct {
	Record
	Gone bool // it was deleted; Record is what it was
}

// Changes returns what is different since the last call, the first time all
// records, sorted by module and version. A process that polls it every few
// seconds learns of the uploads of others.
func (r *Registry) Changes(ctx context.Context) ([]Change, error) {
	v, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Change
	for key, rec := range v.records {
		if old, ok := r.told[key]; !ok || !old.same(&rec) {
			out = append(out, Change{Record: rec})
		}
	}
	for key, rec := range r.told {
		if _, ok := v.records[key]; !ok {
			out = append(out, Change{Record: rec, Gone: true})
		}
	}
	r.told = v.clone().records
	slices.SortFunc(out, func(a, b Change) int { return a.compare(&b.Record) })
	return out, nil
}

// report logs a problem once, and again when it has become another one.
func (r *Registry) report(p Problem) {
	r.mu.Lock()
	known := r.reported[p.Key] == p.Reason
	r.reported[p.Key] = p.Reason
	r.mu.Unlock()
	if !known && r.cfg.Log != nil {
		r.cfg.Log("the registry of modules has a problem", "key", cut(p.Key), "reason", p.Reason)
	}
}

// cut bounds foreign text for a log line.
func cut(s string) string {
	const limit = 128
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}
