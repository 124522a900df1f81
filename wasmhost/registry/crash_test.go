package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// act is what one process does before it is killed.
type act func(b *bed) error

func acts(t *rapid.T) (name string, f act) {
	name = rapid.SampledFrom([]string{"upload", "again", "next", "delete", "activate", "sweep"}).Draw(t, "act")
	switch name {
	case "upload":
		return name, func(b *bed) error {
			_, err := b.Upload(ctx(t), upload("ann", "other", module("other", "1.0.0", "")))
			return err
		}
	case "again":
		return name, func(b *bed) error {
			_, err := b.Upload(ctx(t), upload("ann", "mine", module("mine", "1.0.0", "")))
			return err
		}
	case "next":
		return name, func(b *bed) error {
			_, err := b.Upload(ctx(t), upload("ann", "mine", module("mine", "1.1.0", "")))
			return err
		}
	case "delete":
		return name, func(b *bed) error { return b.Delete(ctx(t), "mine", "1.0.0") }
	case "activate":
		return name, func(b *bed) error { return b.SetState(ctx(t), "mine", "1.0.1", Active, nil) }
	default:
		return name, func(b *bed) error { return b.Sweep(ctx(t)) }
	}
}

// A process is killed at any call to the storage, before or after the call has
// its effect, or in the middle of a write. The next process finds the registry
// as it was before or as it is after, and nothing besides.
func TestRegistryIsWholeAfterAKillAtEveryCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDisk()
		first := newBed(d)
		for _, v := range []string{"1.0.0", "1.0.1"} {
			if _, err := first.Upload(ctx(t), upload("ann", "mine", module("mine", v, ""))); err != nil {
				t.Fatalf("preparing: %v", err)
			}
		}
		before := whole(t, d)
		name, f := acts(t)
		after := func() map[string]Record { // on a copy of the disk
			c := newDisk()
			for k, v := range d.copyOf() {
				c.values[k] = []byte(v)
			}
			if err := f(newBed(c)); err != nil {
				t.Fatalf("%s without a kill: %v", name, err)
			}
			return whole(t, c)
		}()

		killed := newBed(d)
		killed.p.die = rapid.IntRange(1, 32).Draw(t, "call")
		killed.p.after = rapid.Bool().Draw(t, "after its effect")
		killed.p.tear = rapid.Bool().Draw(t, "in the middle")
		err := f(killed)
		d.expire()

		next := newBed(d)
		if err := next.Sweep(ctx(t)); err != nil {
			t.Fatalf("sweeping: %v", err)
		}
		now := whole(t, d)
		switch {
		case reflect.DeepEqual(now, before), reflect.DeepEqual(now, after):
		default:
			t.Fatalf("%s killed at call %d: neither before nor after:\n%v", name, killed.p.die, now)
		}
		if err == nil && !reflect.DeepEqual(now, after) {
			t.Fatalf("%s was acknowledged and is not there", name)
		}
		if err := f(next); err != nil && reasonOf(err) != NotFound {
			t.Fatalf("%s after the restart: %v", name, err)
		}
		if got := whole(t, d); !reflect.DeepEqual(got, after) {
			t.Fatalf("%s done again: %v, want %v", name, got, after)
		}
	})
}

// A write that fails may have happened. Its bytes must not be swept away under
// a record that is there.
func TestAFailedWriteThatHappenedIsWhole(t *testing.T) {
	for _, suffix := range []string{bytesSuffix, recordSuffix, "revision"} {
		d := newDisk()
		b := newBed(d)
		b.p.fail = map[string]error{suffix: errors.New("connection reset")}
		_, err := b.Upload(t.Context(), upload("ann", "mine", module("mine", "1.0.0", "")))
		if suffix == "revision" {
			if err != nil {
				t.Errorf("the upload failed since the revision could not be written: %v", err)
			}
		} else if reasonOf(err) != Unavailable {
			t.Errorf("%s: %v, want unavailable", suffix, err)
		}
		b.p.fail = nil
		for _, rec := range newBed(d).list(t) {
			if _, err := b.Open(t.Context(), rec.SHA256); err != nil {
				t.Errorf("%s: a record is there without its bytes: %v", suffix, err)
			}
		}
		if _, err := b.Upload(t.Context(), upload("ann", "mine", module("mine", "1.0.0", ""))); err != nil {
			t.Errorf("%s: uploading again: %v", suffix, err)
		}
		whole(t, d)
	}
}

func ctx(t *rapid.T) context.Context { return t.Context() }

// Many clients upload to two processes at once. Each version has one creator,
// and the bytes that were answered as created are the ones that are there.
func TestConcurrentUploadsHaveOneWinner(t *testing.T) {
	const clients, versions = 12, 4
	d := newDisk()
	processes := []*bed{newBed(d), newBed(d)}
	type answer struct {
		version, salt string
		outcome       string
	}
	var mu sync.Mutex
	var answers []answer
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for v := range versions {
				a := answer{version: fmt.Sprintf("1.0.%d", v), salt: fmt.Sprint(i % 6)}
				for {
					res, err := processes[i%2].Upload(t.Context(), upload(fmt.Sprint(i), "mine", module("mine", a.version, a.salt)))
					a.outcome = string(res.Outcome) + string(reasonOf(err))
					if reasonOf(err) == Busy {
						continue
					}
					if a.outcome == "" {
						t.Errorf("client %d: %v", i, err)
					}
					break
				}
				mu.Lock()
				answers = append(answers, a)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, rec := range whole(t, d) {
		created := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.version != rec.Version || a.outcome != "created" })
		if len(created) != 1 {
			t.Fatalf("version %s was created %d times: %v", rec.Version, len(created), answers)
		}
		for _, a := range answers {
			want := "conflict"
			if a.salt == created[0].salt {
				want = "same"
			}
			if a.version == rec.Version && a.outcome != "created" && a.outcome != want {
				t.Errorf("version %s, bytes %s: %s, want %s", a.version, a.salt, a.outcome, want)
			}
		}
		got, err := processes[0].Open(t.Context(), rec.SHA256)
		if err != nil || !bytes.Equal(got, module("mine", rec.Version, created[0].salt)) {
			t.Errorf("version %s has other bytes than its creator sent: %v", rec.Version, err)
		}
	}
	if n := len(whole(t, d)); n != versions {
		t.Errorf("%d versions, want %d", n, versions)
	}
}

// A process that stood still while it held the lock may have lost it: it looks
// again instead of writing over what another one did meanwhile.
func TestAProcessThatStoodStillLooksAgain(t *testing.T) {
	d := newDisk()
	slow, other := newBed(d), newBed(d)
	stood := false
	slow.cfg.Storage = &stopper{process: slow.p, stop: func(key string) {
		if stood || !strings.HasSuffix(key, bytesSuffix) {
			return
		}
		stood = true
		slow.now = slow.now.Add(2 * lockBudget)
		d.expire()
		other.put(t, upload("bob", "mine", module("mine", "1.0.0", "bob's")), "created")
		d.lock(lockName) <- struct{}{} // what the slow one will unlock
	}}
	slow.put(t, upload("ann", "mine", module("mine", "1.0.0", "ann's")), "conflict")
	if !stood {
		t.Fatal("the process never stood still")
	}
	if rec := other.list(t)[0]; rec.Author != "bob" {
		t.Errorf("the version is %s's", rec.Author)
	}
}

// stopper calls stop behind every write.
type stopper struct {
	*process
	stop func(key string)
}

// Store implements Storage.
func (s *stopper) Store(ctx context.Context, key string, value []byte) error {
	err := s.process.Store(ctx, key, value)
	s.stop(key)
	return err
}
