package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

func TestUploadKeepsWhatItWasGiven(t *testing.T) {
	b := newBed(newDisk())
	wasm := module("mine", "1.2.3", "")
	res := b.put(t, upload("ann", "mine", wasm), "created")
	rec := res.Record
	if rec.Version != "1.2.3" || rec.State != Staged || rec.Author != "ann" || rec.Tenant != "default" || !rec.Time.Equal(epoch) || rec.Size != len(wasm) {
		t.Errorf("record %+v", rec)
	}
	if !slices.Equal(rec.Indicators, []string{"sma"}) || rec.Vet == nil || len(rec.Vet.Findings) != 1 || rec.Vet.Figures[0].FuelPerBar != 1028 {
		t.Errorf("what the checks found is not in the record: %+v", rec.Vet)
	}
	got, err := b.Open(t.Context(), rec.SHA256)
	if err != nil || !bytes.Equal(got, wasm) {
		t.Errorf("opening gave %d bytes, %v", len(got), err)
	}
	other := newBed(b.p.disk)
	if l := other.list(t); len(l) != 1 || l[0].SHA256 != rec.SHA256 || l[0].Vet.Findings[0].Code != "slow" {
		t.Errorf("another process sees %+v", l)
	}
}

func TestVersionsAreNeverChanged(t *testing.T) {
	b := newBed(newDisk())
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "a")), "created")
	before := b.p.copyOf()
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "b")), "conflict")
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "a")), "same")
	if !maps.Equal(before, b.p.copyOf()) {
		t.Error("the storage has changed")
	}
	if b.vets != 2 {
		t.Errorf("%d checks, want 2: bytes that have passed need none", b.vets)
	}
}

func TestUploadRefusals(t *testing.T) {
	whole := module("mine", "1.0.0", "")
	body := func(change func(u *Upload)) Upload {
		u := upload("ann", "mine", whole)
		change(&u)
		return u
	}
	for _, tc := range []struct {
		name string
		u    Upload
		want Reason
		code string
	}{
		{"name with a slash", body(func(u *Upload) { u.Module = "../mine" }), BadName, ""},
		{"name with a newline", body(func(u *Upload) { u.Module = "mine\n" }), BadName, ""},
		{"upper case", body(func(u *Upload) { u.Module = "Mine" }), BadName, ""},
		{"one character", body(func(u *Upload) { u.Module = "m" }), BadName, ""},
		{"42 characters", body(func(u *Upload) { u.Module = strings.Repeat("m", 42) }), BadName, ""},
		{"look-alike", body(func(u *Upload) { u.Module = "mіne" }), BadName, ""},
		{"built-in", body(func(u *Upload) { u.Module = "builtin" }), Conflict, ""},
		{"other tenant", body(func(u *Upload) { u.Module, u.Who.Tenant = "theirs", "b" }), Forbidden, ""},
		{"another name", body(func(u *Upload) { u.Module = "yours" }), Findings, "name_mismatch"},
		{"version", upload("ann", "mine", module("mine", "1.0", "")), Findings, "version_malformed"},
		{"not wasm", upload("ann", "mine", []byte("GIF89a")), Findings, "not_wasm"},
		{"empty", upload("ann", "mine", nil), Findings, "not_wasm"},
		{"checks", upload("ann", "mine", badwasm.Indicator().Bytes()), Findings, "no_tag"},
		{"too large", body(func(u *Upload) { u.Limits.Size, u.Length = int64(len(whole)-1), -1 }), TooLarge, ""},
		{"too large as promised", body(func(u *Upload) { u.Limits.Size, u.Body = int64(len(whole)-1), nil }), TooLarge, ""},
		{"shorter than promised", body(func(u *Upload) { u.Length++ }), Incomplete, ""},
		{"longer than promised", body(func(u *Upload) { u.Length-- }), Incomplete, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBed(newDisk())
			b.put(t, upload("bob", "theirs", module("theirs", "1.0.0", "")), "created")
			before := b.p.copyOf()
			_, err := b.Upload(t.Context(), tc.u)
			r, ok := errors.AsType[*Refusal](err)
			if !ok || r.Reason != tc.want {
				t.Fatalf("%v, want %s", err, tc.want)
			}
			if tc.code != "" && !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Code == tc.code && f.Message != "" && f.Stage != "" }) {
				t.Errorf("findings %+v, want code %s", r.Findings, tc.code)
			}
			if !maps.Equal(before, b.p.copyOf()) {
				t.Error("a refused upload has changed the storage")
			}
		})
	}
}

func TestUploadAtTheSizeLimitPasses(t *testing.T) {
	b := newBed(newDisk())
	wasm := module("mine", "1.0.0", "")
	u := upload("ann", "mine", wasm)
	u.Limits.Size = int64(len(wasm))
	b.put(t, u, "created")
}

// What the guard refuses never gets to the checks, and so to the compiler.
func TestCheckersSeeOnlyWhatTheGuardPassed(t *testing.T) {
	b := newBed(newDisk())
	n := 0
	for a := range badwasm.Catalogue("W02", "W03", "W20", "W21", "W21b", "W22") {
		if a.Want == badwasm.Refused {
			n++
			b.put(t, upload("ann", "mine", a.Bytes), "findings")
		}
	}
	if b.vets != 0 || n < 100 {
		t.Errorf("%d of %d bad modules were checked", b.vets, n)
	}
	if len(b.p.copyOf()) != 0 {
		t.Error("something was stored")
	}
}

func TestLimitsOfTenantsAndModules(t *testing.T) {
	b := newBed(newDisk())
	u := func(name, version string) Upload {
		u := upload("ann", name, module(name, version, ""))
		u.Limits.Modules, u.Limits.Versions = 2, 2
		return u
	}
	b.put(t, u("mod-a", "1.0.0"), "created")
	b.put(t, u("mod-b", "1.0.0"), "created")
	b.put(t, u("mod-c", "1.0.0"), "full")
	b.put(t, u("mod-a", "1.0.1"), "created")
	b.put(t, u("mod-a", "1.0.2"), "full")
	b.put(t, u("mod-a", "1.0.1"), "same")
	if err := b.Delete(t.Context(), "mod-a", "1.0.0"); err != nil {
		t.Fatal(err)
	}
	b.put(t, u("mod-a", "1.0.2"), "created")
	foreign := u("mod-d", "1.0.0")
	foreign.Who.Tenant = "b"
	b.put(t, foreign, "created")
}

func TestDamageIsReportedAndNeverTrusted(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	good := b.put(t, upload("ann", "good", module("good", "1.0.0", "")), "created").Record
	bad := b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created").Record
	flip := func(key string, at int) { d.values[key][at] ^= 1 }
	for _, tc := range []struct {
		name     string
		damage   func()
		key      string
		records  int
		openable bool
	}{
		{"a bit of a record", func() { flip(bad.key(), len(recordHead)+90) }, bad.key(), 1, true},
		{"a bit of a record's first line", func() { flip(bad.key(), 3) }, bad.key(), 1, true},
		{"an empty record", func() { d.values[bad.key()] = nil }, bad.key(), 1, true},
		{"a record under another name", func() { d.values[recordKey("x-y", "1.0.0")] = bytes.Clone(d.values[bad.key()]) }, recordKey("x-y", "1.0.0"), 2, true},
		{"missing bytes", func() { delete(d.values, bytesKey(bad.SHA256)) }, bytesKey(bad.SHA256), 2, false},
		{"a bit of the bytes", func() { flip(bytesKey(bad.SHA256), 100) }, "", 2, false},
		{"a foreign file", func() { d.values[folder+"/README.md"] = []byte("hello") }, folder + "/README.md", 2, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			saved := map[string][]byte{}
			for k, v := range d.values {
				saved[k] = bytes.Clone(v)
			}
			defer func() { d.values = saved }()
			tc.damage()
			next := newBed(d)
			records, problems, err := next.List(t.Context())
			if err != nil || len(records) != tc.records {
				t.Fatalf("%d records, %v", len(records), err)
			}
			if tc.key != "" && (len(problems) != 1 || problems[0].Key != tc.key || problems[0].Reason == "") {
				t.Errorf("problems %+v, want one of %s", problems, tc.key)
			}
			_, _, _ = next.List(t.Context())
			if tc.key != "" && len(next.logs) != 1 {
				t.Errorf("log %q, want one line", next.logs)
			}
			if _, err := next.Open(t.Context(), bad.SHA256); (err == nil) != tc.openable || !tc.openable && !errors.Is(err, ErrDamaged) {
				t.Errorf("opening: %v", err)
			}
			if _, err := next.Open(t.Context(), good.SHA256); err != nil {
				t.Errorf("the other module does not open: %v", err)
			}
			before := d.copyOf()
			if err := next.Sweep(t.Context()); err != nil || !maps.Equal(before, d.copyOf()) {
				t.Errorf("sweeping touched what it does not know (%v)", err)
			}
		})
	}
}

func (b *bed) breakRecord(rec *Record) { b.p.values[rec.key()][3] ^= 1 }

func TestADamagedVersionIsNotReplaced(t *testing.T) {
	b := newBed(newDisk())
	rec := b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created").Record
	b.breakRecord(&rec)
	b.now = b.now.Add(maxAge)
	b.put(t, upload("eve", "mine", module("mine", "1.0.0", "eve's")), "damaged-there")
	if err := b.Delete(t.Context(), "mine", "1.0.0"); reasonOf(err) != DamagedThere {
		t.Errorf("deleting it: %v", err)
	}
}

func TestUploadingAgainHealsBytes(t *testing.T) {
	for name, damage := range map[string]func(d *disk, key string){
		"missing": func(d *disk, key string) { delete(d.values, key) },
		"damaged": func(d *disk, key string) { d.values[key][50] ^= 1 },
	} {
		b := newBed(newDisk())
		rec := b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created").Record
		damage(b.p.disk, bytesKey(rec.SHA256))
		b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "same")
		if _, err := b.Open(t.Context(), rec.SHA256); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChangesReachOtherProcesses(t *testing.T) {
	d := newDisk()
	a, b := newBed(d), newBed(d)
	expect := func(want ...string) {
		t.Helper()
		changes, err := b.Changes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range changes {
			got = append(got, fmt.Sprintf("%s %s %s %v", c.Module, c.Version, c.State, c.Gone))
		}
		if !slices.Equal(got, want) {
			t.Errorf("changes %q, want %q", got, want)
		}
	}
	expect()
	a.put(t, upload("ann", "mine", module("mine", "1.10.0", "")), "created")
	a.put(t, upload("ann", "mine", module("mine", "1.9.0", "")), "created")
	expect("mine 1.9.0 staged false", "mine 1.10.0 staged false")
	expect()
	if err := a.SetState(t.Context(), "mine", "1.9.0", Active, nil); err != nil {
		t.Fatal(err)
	}
	expect("mine 1.9.0 active false")
	if err := a.Delete(t.Context(), "mine", "1.10.0"); err != nil {
		t.Fatal(err)
	}
	expect("mine 1.10.0 staged true")
	calls := b.p.calls
	expect()
	if b.p.calls != calls+1 {
		t.Errorf("looking at an unchanged registry took %d calls, want 1", b.p.calls-calls)
	}
}

// A writer that was killed between record and revision is seen nevertheless.
func TestAChangeWithoutItsRevisionIsSeenLater(t *testing.T) {
	d := newDisk()
	a, b := newBed(d), newBed(d)
	a.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
	if len(b.list(t)) != 1 {
		t.Fatal("the first version is not there")
	}
	old := bytes.Clone(d.values[revisionKey])
	a.put(t, upload("ann", "mine", module("mine", "1.1.0", "")), "created")
	d.values[revisionKey] = old
	if len(b.list(t)) != 1 {
		t.Fatal("the scan was made again without a new revision")
	}
	b.now = b.now.Add(maxAge)
	if len(b.list(t)) != 2 {
		t.Error("the second version is never seen")
	}
}

func TestStates(t *testing.T) {
	b := newBed(newDisk())
	for _, v := range []string{"1.0.0", "1.1.0"} {
		b.put(t, upload("ann", "mine", module("mine", v, "")), "created")
	}
	set := func(v string, s State, comparison any) {
		t.Helper()
		b.now = b.now.Add(time.Minute)
		doc := document(t, comparison)
		if comparison == nil {
			doc = nil
		}
		if err := b.SetState(t.Context(), "mine", v, s, doc); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string) {
		t.Helper()
		var got []string
		for _, r := range b.list(t) {
			got = append(got, r.Version+" "+string(r.State)+" "+string(compact(r.Comparison)))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("states %q, want %q", s, want)
		}
	}
	set("1.0.0", Active, nil)
	set("1.1.0", Shadow, map[string]int{"bars": 3})
	expect(`1.0.0 active , 1.1.0 shadow {"bars":3}`)
	if err := b.Delete(t.Context(), "mine", ""); reasonOf(err) != Conflict {
		t.Errorf("deleting what is in use: %v", err)
	}
	set("1.1.0", Active, nil)
	expect(`1.0.0 retired , 1.1.0 active {"bars":3}`)
	calls := b.p.calls
	set("1.1.0", Active, nil)
	if b.p.calls > calls+5 { // a look, since a minute has passed; no lock, no write
		t.Errorf("setting the same state took %d calls", b.p.calls-calls)
	}
	if err := b.Delete(t.Context(), "mine", "1.0.0"); err != nil {
		t.Error(err)
	}
	if err := b.SetState(t.Context(), "mine", "1.0.0", Active, nil); reasonOf(err) != NotFound {
		t.Errorf("activating what is gone: %v", err)
	}
	if err := b.SetState(t.Context(), "mine", "1.1.0", "great", nil); err == nil {
		t.Error("an unknown state was taken")
	}
	expect(`1.1.0 active {"bars":3}`)
}

func TestStorageThatIsAwayChangesNothing(t *testing.T) {
	b := newBed(newDisk())
	b.p.dead = true
	if _, err := b.Upload(t.Context(), upload("ann", "mine", module("mine", "1.0.0", ""))); reasonOf(err) != Unavailable {
		t.Errorf("uploading: %v", err)
	}
	if _, _, err := b.List(t.Context()); reasonOf(err) != Unavailable || !errors.Is(err, errKilled) {
		t.Errorf("listing: %v", err)
	}
}

func FuzzRecord(f *testing.F) {
	rec := Record{Module: "mine", Version: "1.0.0", SHA256: strings.Repeat("a", 64), State: Staged}
	good, err := rec.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(recordHead))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeRecord(rec.key(), b)
		if err != nil {
			return
		}
		again, err := got.encode()
		if err != nil || !ValidName(got.Module) || !ValidVersion(got.Version) {
			t.Fatalf("accepted %q as %+v (%v)", b, got, err)
		}
		if _, err := decodeRecord(rec.key(), again); err != nil {
			t.Fatalf("its own encoding is refused: %v", err)
		}
	})
}

// Two tenants upload the same bytes under a name that nobody has. The one whose checks
// end later is not told of the other's record, nor lets it be activated.
func TestANameThatIsTakenDuringTheChecksIsForbidden(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	for _, salt := range []string{"", "other bytes"} {
		name := "mine" + strings.ReplaceAll(salt, " ", "-")
		vet := b.cfg.Vet
		b.cfg.Vet = func(ctx context.Context, wasm, previous []byte) (*Report, error) {
			newBed(d).put(t, upload("bob", name, module(name, "1.0.0", salt)), "created")
			return vet(ctx, wasm, previous)
		}
		late := upload("ann", name, module(name, "1.0.0", ""))
		late.Who.Tenant = "rivals"
		b.put(t, late, "forbidden")
		b.cfg.Vet = vet
	}
}
