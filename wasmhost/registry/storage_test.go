package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// errKilled is what a killed process gets from every further call.
var errKilled = errors.New("the process was killed")

// disk is a storage in memory that outlives the processes which use it.
type disk struct {
	mu     sync.Mutex
	values map[string][]byte
	locks  map[string]chan struct{}
}

func newDisk() *disk {
	return &disk{values: make(map[string][]byte), locks: make(map[string]chan struct{})}
}

func (d *disk) lock(name string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[name] == nil {
		d.locks[name] = make(chan struct{}, 1)
	}
	return d.locks[name]
}

// expire frees the locks of killed processes, as a storage does after a while.
func (d *disk) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.locks)
}

func (d *disk) copyOf() map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]string)
	for k, v := range d.values {
		out[k] = string(v)
	}
	return out
}

// process is a disk as one process sees it. It is killed at the call with the
// number die, before or after that call has its effect; tear leaves half of a
// write under a name of its own, as a storage of files does.
type process struct {
	*disk
	mu    sync.Mutex
	calls int
	die   int // 0: never
	after bool
	tear  bool
	dead  bool
	holds bool             // the lock
	fail  map[string]error // by the suffix of a key: Store fails, after its effect
}

// step counts a call and tells whether it happens.
func (p *process) step() (happens bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false, errKilled
	}
	p.calls++
	if p.calls != p.die {
		return true, nil
	}
	p.dead = true
	return p.after, errKilled
}

func (p *process) Store(_ context.Context, key string, value []byte) error {
	happens, err := p.step()
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	switch {
	case happens:
		p.values[key] = bytes.Clone(value)
	case err != nil && p.tear && p.calls == p.die:
		p.values[path.Dir(key)+"/4242424242"] = bytes.Clone(value[:len(value)/2])
	}
	for suffix, fail := range p.fail {
		if err == nil && strings.HasSuffix(key, suffix) {
			err = fail
		}
	}
	return err
}

func (p *process) Load(_ context.Context, key string) ([]byte, error) {
	if _, err := p.step(); err != nil {
		return nil, err
	}
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	v, ok := p.values[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return bytes.Clone(v), nil
}

func (p *process) Delete(_ context.Context, key string) error {
	happens, err := p.step()
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	if happens {
		delete(p.values, key)
	}
	return err
}

func (p *process) List(_ context.Context, path string, _ bool) ([]string, error) {
	if _, err := p.step(); err != nil {
		return nil, err
	}
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	keys := slices.Sorted(maps.Keys(p.values))
	keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, path+"/") })
	if len(keys) == 0 {
		return nil, fs.ErrNotExist
	}
	return keys, nil
}

func (p *process) Lock(ctx context.Context, name string) error {
	if happens, err := p.step(); !happens {
		return err
	}
	select {
	case p.lock(name) <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds = true
	if p.dead {
		return errKilled
	}
	return nil
}

// release frees the lock that a killed process held, and no other.
func (p *process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds {
		p.holds = false
		<-p.lock(lockName)
	}
}

func (p *process) Unlock(_ context.Context, name string) error {
	happens, err := p.step()
	if happens {
		p.mu.Lock()
		p.holds = false
		p.mu.Unlock()
		select {
		case <-p.lock(name):
		default:
			return errors.New("unlocking what is not locked")
		}
	}
	return err
}

// bed is one registry on a process.
type bed struct {
	*Registry
	p    *process
	gate *Gate
	vets int
	now  time.Time
	logs []string
	mu   sync.Mutex // protects vets and logs
}

// epoch is when tests begin.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newBed(d *disk) *bed {
	b := &bed{p: &process{disk: d}, gate: NewGate(), now: epoch}
	b.Registry = New(Config{
		Storage: b.p, Vet: b.vet, Gate: b.gate, Now: func() time.Time { return b.now }, Reserved: []string{"builtin"},
		Log: func(msg string, kv ...any) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.logs = append(b.logs, msg+fmt.Sprint(kv...))
		},
	})
	return b
}

// tag begins the custom section in which test modules say what they are.
const tag = "|kline-test|"

// module is an indicator that passes the guard and says its name and version.
func module(name, version, salt string) []byte {
	return badwasm.Join(badwasm.Indicator().Bytes(), badwasm.Section(0, badwasm.Name("t"), []byte(tag+name+"|"+version+"|"+salt)))
}

func (b *bed) vet(_ context.Context, wasm, _ []byte) (*Report, error) {
	b.mu.Lock()
	b.vets++
	b.mu.Unlock()
	_, text, ok := strings.Cut(string(wasm), tag)
	if !ok {
		return &Report{Findings: []Finding{{Stage: "vet", Check: "V1", Code: "no_tag", Severity: SeverityError, Message: "no tag"}}}, nil
	}
	parts := strings.Split(text, "|")
	return &Report{
		Module: parts[0], Version: parts[1], Indicators: []string{"sma"},
		Findings: []Finding{{Stage: "vet", Check: "V2", Code: "slow", Severity: SeverityWarning, Message: "it could be faster"}},
		Figures:  []Figure{{Indicator: "sma", FuelPerBar: 1028, NsPerBar: 7}},
	}, nil
}

// unlimited has no limits by number.
var unlimited = Limits{PerHour: -1, PerDay: -1, AtOnce: -1, Modules: -1, Versions: -1}

func upload(who, name string, wasm []byte) Upload {
	return Upload{Who: Who{ID: who, Tenant: "default"}, Module: name, Body: bytes.NewReader(wasm), Length: int64(len(wasm)), Limits: unlimited}
}

// put uploads and expects an outcome, or a reason of refusal.
func (b *bed) put(t *testing.T, u Upload, want string) Result {
	t.Helper()
	res, err := b.Upload(t.Context(), u)
	got := string(res.Outcome)
	if r, ok := errors.AsType[*Refusal](err); ok {
		got = string(r.Reason)
	} else if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Fatalf("uploading to %s: %s (%v), want %s", u.Module, got, err, want)
	}
	return res
}

func (b *bed) list(t *testing.T) []Record {
	t.Helper()
	records, _, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func reasonOf(err error) Reason {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason
	}
	return ""
}

// whole checks a storage from outside: each record has bytes with its sum, and
// there is nothing else.
func whole(t fataler, d *disk) map[string]Record {
	v := make(map[string]Record)
	used := map[string]bool{}
	values := d.copyOf()
	for key, value := range values {
		if !strings.HasSuffix(key, recordSuffix) {
			continue
		}
		rec, err := decodeRecord(key, []byte(value))
		if err != nil {
			t.Fatalf("record %s: %v", key, err)
		}
		if _, ok := values[bytesKey(rec.SHA256)]; !ok {
			t.Fatalf("%s %s has no bytes", rec.Module, rec.Version)
		}
		used[bytesKey(rec.SHA256)], used[key] = true, true
		v[key] = rec
	}
	for key := range values {
		if strings.HasPrefix(key, folder+"/") && key != revisionKey && !used[key] {
			t.Fatalf("%s is a leftover", key)
		}
	}
	unbroken(t, d)
	return v
}

// unbroken checks the audit log from outside and returns its entries.
func unbroken(t fataler, d *disk) []Entry {
	var entries []Entry
	chain, err := newBed(d).Verify(context.Background(), Anchor{}, func(e *Entry, _ string) { entries = append(entries, *e) })
	if err != nil || chain.Broken != nil {
		t.Fatalf("the audit log: %v, %v", chain.Broken, err)
	}
	return entries
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// document is any JSON.
func document(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
