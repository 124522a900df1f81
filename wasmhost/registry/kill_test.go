package registry

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAKillStopsWhatItNames(t *testing.T) {
	for _, c := range []struct {
		kill     Kill
		mine, by bool // is mine of the tenant default stopped, and other of rivals
	}{
		{Kill{Scope: ScopeModule, Name: "mine"}, true, false},
		{Kill{Scope: ScopeTenant, Name: "rivals"}, false, true},
		{Kill{Scope: ScopeTenant, Name: "default"}, true, false},
		{Kill{Scope: ScopeAll}, true, true},
		{Kill{Scope: ScopeModule, Name: "default"}, false, false},
	} {
		d := newDisk()
		b := newBed(d)
		b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
		rival := func(version string) Upload {
			u := upload("bob", "other", module("other", version, ""))
			u.Who.Tenant = "rivals"
			return u
		}
		b.put(t, rival("1.0.0"), "created")
		if err := b.Stop(By(t.Context(), Actor{ID: "op"}), c.kill); err != nil {
			t.Fatal(err)
		}
		// Another process knows it at once, and after a restart.
		n := newBed(d)
		kills, err := n.Kills(t.Context())
		if err != nil || len(kills) != 1 || kills[0].By != "op" || !kills[0].Since.Equal(epoch) {
			t.Fatalf("kills %+v, %v", kills, err)
		}
		if got := kills.Of("mine", "default") != nil; got != c.mine {
			t.Errorf("%+v: mine is stopped: %v", c.kill, got)
		}
		if got := kills.Of("other", "rivals") != nil; got != c.by {
			t.Errorf("%+v: other is stopped: %v", c.kill, got)
		}
		want := map[bool]string{true: "stopped", false: "created"}
		vets := n.vets
		n.put(t, upload("ann", "mine", module("mine", "1.1.0", "")), want[c.mine])
		n.put(t, rival("1.1.0"), want[c.by])
		if c.mine && c.by && n.vets != vets {
			t.Error("what is stopped was run to be examined")
		}
		_, err = n.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0"})
		if (reasonOf(err) == Stopped) != c.mine {
			t.Errorf("%+v: activating: %v", c.kill, err)
		}
		err = n.SetState(t.Context(), "other", "1.0.0", Shadow, nil)
		if (reasonOf(err) == Stopped) != c.by {
			t.Errorf("%+v: a shadow run: %v", c.kill, err)
		}
		if err := n.Lift(t.Context(), c.kill.Scope, c.kill.Name); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0"}); err != nil {
			t.Errorf("%+v: lifted: %v", c.kill, err)
		}
		if err := b.Lift(t.Context(), c.kill.Scope, c.kill.Name); reasonOf(err) != NotFound {
			t.Errorf("lifted twice: %v", err)
		}
	}
}

func TestAKillIsBoundedAndChecked(t *testing.T) {
	b := newBed(newDisk())
	for _, k := range []Kill{{}, {Scope: "world"}, {Scope: ScopeAll, Name: "x"}, {Scope: ScopeModule, Name: "../x"}, {Scope: ScopeTenant}} {
		if err := b.Stop(t.Context(), k); reasonOf(err) != BadName {
			t.Errorf("%+v: %v", k, err)
		}
	}
	long := Kill{Scope: ScopeAll, Reason: strings.Repeat("because ", 1000)}
	for range 2 { // the second changes nothing
		if err := b.Stop(t.Context(), long); err != nil {
			t.Fatal(err)
		}
	}
	k, _ := b.Kills(t.Context())
	if len(k) != 1 || len(k[0].Reason) > maxNote+3 {
		t.Errorf("%d kills, a reason of %d bytes", len(k), len(k[0].Reason))
	}
}

// Nobody knows what a damaged list said, so nothing runs until an operator says
// so.
func TestADamagedListOfKillsStopsEverything(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	if err := b.Stop(t.Context(), Kill{Scope: ScopeModule, Name: "mine"}); err != nil {
		t.Fatal(err)
	}
	d.values[killsKey][len(d.values[killsKey])-5] ^= 1
	k, err := b.Kills(t.Context())
	if err != nil || k.Of("any", "body") == nil || len(b.logs) == 0 {
		t.Fatalf("%+v, %v, logs %q", k, err, b.logs)
	}
	if err := b.Stop(t.Context(), Kill{Scope: ScopeModule, Name: "other"}); reasonOf(err) != DamagedThere {
		t.Errorf("adding to it: %v", err)
	}
	if err := b.Lift(t.Context(), ScopeAll, ""); err != nil {
		t.Fatal(err)
	}
	if k, err := b.Kills(t.Context()); err != nil || len(k) != 0 {
		t.Errorf("lifted: %+v, %v", k, err)
	}
}

// recordless is a storage in which nothing of the records can be read or written.
type recordless struct{ *process }

var errUnreadable = errors.New("input/output error")

func (s recordless) Store(ctx context.Context, key string, value []byte) error {
	if strings.HasPrefix(key, folder) {
		return errUnreadable
	}
	return s.process.Store(ctx, key, value)
}

func (s recordless) Load(ctx context.Context, key string) ([]byte, error) {
	if strings.HasPrefix(key, folder) {
		return nil, errUnreadable
	}
	return s.process.Load(ctx, key)
}

func (s recordless) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	if strings.HasPrefix(path, folder) {
		return nil, errUnreadable
	}
	return s.process.List(ctx, path, recursive)
}

// The record that cannot be read may be that of the module that has to stop.
func TestAKillNeedsNoRecord(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
	b.cfg.Storage = recordless{b.p}
	for _, k := range []Kill{{Scope: ScopeModule, Name: "mine"}, {Scope: ScopeTenant, Name: "default"}, {Scope: ScopeAll}} {
		if err := b.Stop(t.Context(), k); err != nil {
			t.Errorf("stopping %+v: %v", k, err)
		}
	}
	if k, err := newBed(d).Kills(t.Context()); err != nil || len(k) != 3 {
		t.Errorf("another process knows of %+v, %v", k, err)
	}
	for _, k := range []Kill{{Scope: ScopeModule, Name: "mine"}, {Scope: ScopeTenant, Name: "default"}, {Scope: ScopeAll}} {
		if err := b.Lift(t.Context(), k.Scope, k.Name); err != nil {
			t.Errorf("lifting %+v: %v", k, err)
		}
	}
	if k, err := newBed(d).Kills(t.Context()); err != nil || len(k) > 0 {
		t.Errorf("lifted: %+v, %v", k, err)
	}
	if n := len(unbroken(t, d)); n != 1+6 {
		t.Errorf("%d entries, want 7", n)
	}
}

// The list may have been written after all: the log says that nobody knows.
func TestAKillWhoseWriteFailedIsInDoubt(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	b.p.fail = map[string]error{killsKey: errors.New("connection reset")}
	if err := b.Stop(t.Context(), Kill{Scope: ScopeAll}); reasonOf(err) != Unavailable {
		t.Errorf("stopping: %v, want unavailable", err)
	}
	entries := unbroken(t, d)
	if len(entries) != 2 || entries[1].Action != ActionKill || entries[1].Result != ResultUnsure {
		t.Errorf("the log has %+v", entries)
	}
}

// A process is killed at any call while it stops or lifts: the list is the one
// before or the one after, and an effect has its entry.
func TestKillsAreWholeAfterAKillAtEveryCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDisk()
		ctx := context.Background()
		if err := newBed(d).Stop(ctx, Kill{Scope: ScopeModule, Name: "mine"}); err != nil {
			t.Fatalf("preparing: %v", err)
		}
		p := newBed(d)
		p.p.die, p.p.after, p.p.tear = rapid.IntRange(1, 16).Draw(t, "call"), rapid.Bool().Draw(t, "after"), rapid.Bool().Draw(t, "tear")
		lift := rapid.Bool().Draw(t, "lift")
		var err error
		if lift {
			err = p.Lift(ctx, ScopeModule, "mine")
		} else {
			err = p.Stop(ctx, Kill{Scope: ScopeAll})
		}
		d.expire()
		got, kerr := newBed(d).Kills(ctx)
		if kerr != nil {
			t.Fatalf("reading: %v", kerr)
		}
		var scopes []Scope
		for _, k := range got {
			scopes = append(scopes, k.Scope)
		}
		before, after, action := []Scope{ScopeModule}, []Scope{ScopeModule, ScopeAll}, ActionKill
		if lift {
			after, action = nil, ActionLift
		}
		done := reflect.DeepEqual(scopes, after)
		if !done && !reflect.DeepEqual(scopes, before) {
			t.Fatalf("neither before nor after: %v", scopes)
		}
		if err == nil && !done {
			t.Fatal("acknowledged and not there")
		}
		entries := unbroken(t, d)
		if last := entries[len(entries)-1]; done && (last.Seq < 2 || last.Action != action) {
			t.Fatalf("it happened without an entry: %+v", last)
		}
	})
}

func TestReprosAreBoundedAndOfTheirVersion(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	id := func(n int) string {
		return strings.Repeat("0", 14) + string("0123456789abcdef"[n/16]) + string("0123456789abcdef"[n%16])
	}
	var sums []string
	for i := range 10 {
		b.now = epoch.Add(time.Duration(i) * time.Hour)
		version := "1.0." + string(rune('0'+i))
		rec := b.put(t, upload("ann", "mine", module("mine", version, "")), "created").Record
		sums = append(sums, rec.SHA256)
		for n := range 6 {
			err := b.Strike(t.Context(), Strike{Module: "mine", Version: version, SHA256: rec.SHA256, Tenant: "default", Fault: "trap", ReproID: id(n), Repro: []byte(`{"n":1}`)})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	total := 0
	for i, sum := range sums {
		ids, err := b.Repros(t.Context(), sum)
		if err != nil || len(ids) > maxVersionRepros {
			t.Errorf("version %d: %v, %v", i, ids, err)
		}
		total += len(ids)
	}
	if total > maxTenantRepros {
		t.Errorf("%d repros of a tenant", total)
	}
	if ids, _ := b.Repros(t.Context(), sums[9]); len(ids) != maxVersionRepros {
		t.Errorf("the newest version has %v: those of the oldest make room", ids)
	}
	if got, err := b.Repro(t.Context(), sums[9], id(0)); err != nil || string(got) != `{"n":1}` {
		t.Errorf("%s, %v", got, err)
	}
	for _, c := range [][2]string{{sums[9], "../../x"}, {"..", id(0)}, {sums[9], id(200)}, {sums[9], strings.ToUpper(id(10))}} {
		if _, err := b.Repro(t.Context(), c[0], c[1]); reasonOf(err) != NotFound {
			t.Errorf("%q: %v", c, err)
		}
	}
	// What is too large, or of nobody's version, is not kept; the strike is noted.
	before := len(unbroken(t, d))
	for _, s := range []Strike{{SHA256: sums[0], ReproID: id(9), Repro: make([]byte, MaxRepro+1)}, {SHA256: sumOf(nil), ReproID: id(9), Repro: []byte("{}")}} {
		if err := b.Strike(t.Context(), s); err != nil {
			t.Error(err)
		}
		if ids, _ := b.Repros(t.Context(), s.SHA256); len(ids) > maxVersionRepros || strings.Contains(strings.Join(ids, " "), id(9)) {
			t.Errorf("kept: %v", ids)
		}
	}
	if n := len(unbroken(t, d)); n != before+2 {
		t.Errorf("%d entries, want %d", n, before+2)
	}
	if err := b.Delete(t.Context(), "mine", "1.0.9"); err != nil {
		t.Fatal(err)
	}
	if ids, _ := b.Repros(t.Context(), sums[9]); len(ids) > 0 {
		t.Errorf("a deleted version keeps %v", ids)
	}
}
