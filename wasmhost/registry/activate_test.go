package registry

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func threeVersions(t *testing.T, d *disk) *bed {
	t.Helper()
	b := newBed(d)
	for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
		b.put(t, upload("ann", "mine", module("mine", v, "")), "created")
	}
	return b
}

func TestActivationsTakeTurns(t *testing.T) {
	b := threeVersions(t, newDisk())
	rec, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0", Lead: time.Minute})
	if err != nil || rec.Turn != 1 || rec.From != 0 {
		t.Fatalf("the first version computes every bar: %+v, %v", rec, err)
	}
	rec, err = b.Activate(t.Context(), Switch{Module: "mine", Version: "1.1.0", Lead: time.Minute})
	if err != nil || rec.Turn != 2 || rec.From != epoch.Add(time.Minute).UnixMilli() {
		t.Fatalf("the second one begins later: %+v, %v", rec, err)
	}
	states := func() string {
		out := ""
		for _, r := range b.list(t) {
			out += fmt.Sprintf("%s:%s:%d ", r.Version, r.State, r.Turn)
		}
		return out
	}
	if got := states(); got != "1.0.0:retired:1 1.1.0:active:2 2.0.0:staged:0 " {
		t.Errorf("states %s", got)
	}
	if p := PreviousOf(b.list(t)); p == nil || p.Version != "1.0.0" {
		t.Errorf("the version before is %+v", p)
	}
	if again, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.1.0"}); err != nil || again.Turn != 2 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	_, err = b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0", Expect: "2.0.0"})
	var r *Refusal
	if !errors.As(err, &r) || r.Reason != Conflict {
		t.Errorf("a rollback of what is not active: %v", err)
	}
	rec, err = b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0", Expect: "1.1.0", Old: Quarantined})
	if err != nil || rec.Turn != 3 {
		t.Fatalf("rollback: %+v, %v", rec, err)
	}
	if got := states(); got != "1.0.0:active:3 1.1.0:quarantined:2 2.0.0:staged:0 " {
		t.Errorf("states %s", got)
	}
	if p := PreviousOf(b.list(t)); p != nil {
		t.Errorf("a quarantined version would be brought back: %+v", p)
	}
	if was, err := b.Deactivate(t.Context(), "mine", "1.1.0", Quarantined); err != nil || was || ActiveOf(b.list(t)) == nil {
		t.Errorf("deactivating what is not active: %v, %v", was, err)
	}
	if was, err := b.Deactivate(t.Context(), "mine", "", Retired); err != nil || !was {
		t.Errorf("deactivate: %v, %v", was, err)
	}
	if a := ActiveOf(b.list(t)); a != nil {
		t.Errorf("%s is still active", a.Version)
	}
	if _, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "9.9.9"}); !errors.As(err, &r) || r.Reason != NotFound {
		t.Errorf("a version that is not there: %v", err)
	}
}

// A process that is killed at any call of a switch leaves one version that
// counts: the one before or the one asked for.
func TestAKilledSwitchLeavesOneVersionThatCounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDisk()
		b := threeVersions(t, d)
		if _, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0"}); err != nil {
			rt.Fatal(err)
		}
		dying := newBed(d)
		dying.p.die, dying.p.after = rapid.IntRange(1, 30).Draw(rt, "dies"), rapid.Bool().Draw(rt, "after")
		_, err := dying.Activate(t.Context(), Switch{Module: "mine", Version: "2.0.0"})
		d.expire()
		next := newBed(d)
		active := ActiveOf(next.list(t))
		if active == nil || active.Version != "1.0.0" && active.Version != "2.0.0" || err == nil && active.Version != "2.0.0" {
			rt.Fatalf("after %v the active version is %+v", err, active)
		}
		if _, err := next.Activate(t.Context(), Switch{Module: "mine", Version: "1.1.0"}); err != nil {
			rt.Fatal(err)
		}
		if n := activeOnes(next.list(t)); n != 1 {
			rt.Errorf("%d versions are active", n)
		}
	})
}

func activeOnes(versions []Record) (n int) {
	for _, r := range versions {
		if r.State == Active {
			n++
		}
	}
	return n
}

// Whoever looks after a switch that was killed half way sees one active version,
// the other one can be deleted, and is not active again when that one ends.
func TestAHalfSwitchIsNeverSeen(t *testing.T) {
	halves := 0
	for dies := range 30 {
		for _, then := range []string{"", "sweep", "delete"} {
			d := newDisk()
			b := threeVersions(t, d)
			if _, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0"}); err != nil {
				t.Fatal(err)
			}
			dying := newBed(d)
			dying.p.die = dies + 1
			_, _ = dying.Activate(t.Context(), Switch{Module: "mine", Version: "2.0.0"})
			d.expire()
			if v, err := newBed(d).scan(t.Context(), ""); err != nil {
				t.Fatal(err)
			} else if len(v.outdone) > 0 {
				halves++
			}
			afterHalf(t, d, dies+1, then)
		}
	}
	if halves == 0 {
		t.Error("no switch was killed half way")
	}
}

func afterHalf(t *testing.T, d *disk, dies int, then string) {
	t.Helper()
	next := newBed(d)
	versions := next.list(t)
	if n := activeOnes(versions); n != 1 {
		t.Fatalf("killed at call %d: %d versions are active", dies, n)
	}
	switch then {
	case "sweep":
		if err := next.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v, err := newBed(d).scan(t.Context(), ""); err != nil || len(v.outdone) > 0 {
			t.Errorf("killed at call %d: a start leaves two versions active: %v", dies, err)
		}
	case "delete":
		if err := next.Delete(t.Context(), "mine", other(ActiveOf(versions).Version)); err != nil {
			t.Errorf("killed at call %d: the version that is not active cannot be deleted: %v", dies, err)
		}
	}
	if _, err := next.Deactivate(t.Context(), "mine", "", Retired); err != nil {
		t.Fatal(err)
	}
	if a := ActiveOf(newBed(d).list(t)); a != nil {
		t.Errorf("killed at call %d: version %s is active again", dies, a.Version)
	}
}

func other(version string) string {
	if version == "1.0.0" {
		return "2.0.0"
	}
	return "1.0.0"
}

// A switch that is killed half way, or has to begin anew because its lock may be lost,
// forgets neither that the version before is in quarantine nor that it was done.
func TestAHalfSwitchKeepsItsQuarantine(t *testing.T) {
	halves := 0
	for dies := range 30 {
		d := newDisk()
		b := threeVersions(t, d)
		for _, v := range []string{"1.0.0", "1.1.0"} {
			if _, err := b.Activate(t.Context(), Switch{Module: "mine", Version: v}); err != nil {
				t.Fatal(err)
			}
		}
		s := Switch{Module: "mine", Version: "1.0.0", Expect: "1.1.0", Old: Quarantined, Why: ActionQuarantine}
		dying := newBed(d)
		dying.p.die = dies + 1
		_, _ = dying.Activate(t.Context(), s)
		d.expire()
		if v, err := newBed(d).scan(t.Context(), ""); err != nil {
			t.Fatal(err)
		} else if len(v.outdone) > 0 {
			halves++
		}
		if _, err := newBed(d).Activate(t.Context(), s); err != nil {
			t.Errorf("killed at call %d, asked for again: %v", dies+1, err)
		}
		for _, r := range newBed(d).list(t) {
			if want := map[string]State{"1.0.0": Active, "1.1.0": Quarantined, "2.0.0": Staged}[r.Version]; r.State != want {
				t.Errorf("killed at call %d: %s is %s", dies+1, r.Version, r.State)
			}
		}
	}
	if halves == 0 {
		t.Error("no switch was killed half way")
	}
}
