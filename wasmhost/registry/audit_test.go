package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// verify reads the log as somebody who has kept an anchor.
func verify(t fataler, d *disk, a Anchor) Chain {
	c, err := newBed(d).Verify(context.Background(), a, nil)
	if err != nil {
		t.Fatalf("verifying: %v", err)
	}
	return c
}

func TestEveryChangeStandsInTheAuditLog(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	as := func(id string) context.Context { return By(t.Context(), Actor{ID: id, Address: "192.0.2.7"}) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []string{"1.0.0", "1.1.0"} {
		_, err := b.Upload(as("ann"), upload("ann", "mine", module("mine", v, "")))
		must(err)
	}
	_, err := b.Activate(as("pub"), Switch{Module: "mine", Version: "1.0.0"})
	must(err)
	must(b.SetState(as("pub"), "mine", "1.1.0", Shadow, nil))
	_, err = b.Activate(as("pub"), Switch{Module: "mine", Version: "1.1.0"})
	must(err)
	_, err = b.Activate(as("watchdog"), Switch{Module: "mine", Version: "1.0.0", Old: Quarantined, Why: ActionRollback})
	must(err)
	must(b.Strike(t.Context(), Strike{Module: "mine", Version: "1.0.0", Tenant: "default", Fault: "trap", Where: "BTC 1m"}))
	_, err = b.Deactivate(as("pub"), "mine", "", Retired)
	must(err)
	must(b.Stop(as("op"), Kill{Scope: ScopeModule, Name: "mine", Reason: "smells"}))
	must(b.Lift(as("op"), ScopeModule, "mine"))
	must(b.Delete(as("pub"), "mine", "1.0.0"))
	must(b.Record(t.Context(), Entry{Action: ActionRefused, Result: "forbidden", Actor: "eve", Note: "module_upload", Count: 7}))

	var got []string
	for _, e := range unbroken(t, d) {
		got = append(got, fmt.Sprintf("%d %s %s by %s %s %s", e.Seq, e.Action, e.Result, e.Actor, e.Module, e.Version))
		if e.Module == "mine" && e.Action != ActionKill && e.Action != ActionLift && e.Tenant != "default" {
			t.Errorf("%s has tenant %q", e.Action, e.Tenant)
		}
		if e.Action == ActionUpload && (e.Address != "192.0.2.7" || len(e.ModuleSHA256) != 64) {
			t.Errorf("upload: %+v", e)
		}
	}
	want := []string{
		"1 upload done by ann mine 1.0.0", "2 upload done by ann mine 1.1.0", "3 activate done by pub mine 1.0.0", "4 shadow done by pub mine 1.1.0",
		"5 activate done by pub mine 1.1.0", "6 rollback done by watchdog mine 1.0.0", "7 strike trap by engine mine 1.0.0", "8 deactivate done by pub mine 1.0.0",
		"9 kill done by op mine ", "10 lift done by op mine ", "11 delete done by pub mine 1.0.0", "12 refused forbidden by eve  ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Without its entry no change happens, and reads go on.
func TestWhatCannotBeAuditedIsRefused(t *testing.T) {
	d := newDisk()
	b := newBed(d)
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
	before := len(whole(t, d))
	b.p.fail = map[string]error{segmentSuffix: errors.New("read-only file system")}
	ask := map[string]func() error{
		"upload": func() error {
			_, err := b.Upload(t.Context(), upload("ann", "mine", module("mine", "1.0.1", "")))
			return err
		},
		"activate": func() error {
			_, err := b.Activate(t.Context(), Switch{Module: "mine", Version: "1.0.0"})
			return err
		},
		"delete": func() error { return b.Delete(t.Context(), "mine", "1.0.0") },
		"kill":   func() error { return b.Stop(t.Context(), Kill{Scope: ScopeAll}) },
	}
	for name, f := range ask {
		if err := f(); reasonOf(err) != Unavailable {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	b.p.fail = nil
	if records := b.list(t); len(records) != before || records[0].State != Staged {
		t.Errorf("the registry has %v", records)
	}
	if k, err := b.Kills(t.Context()); err != nil || len(k) > 0 {
		t.Errorf("kills %v, %v", k, err)
	}
}

// Several processes write at once and are killed anywhere. The chain stays one,
// and what was acknowledged stands in it.
func TestTheChainIsOneUnderWritersAndKills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDisk()
		var mu sync.Mutex
		acked := map[string]bool{}
		for round := range rapid.IntRange(1, 3).Draw(t, "rounds") {
			writers := rapid.IntRange(1, 3).Draw(t, "writers")
			dies := rapid.SliceOfN(rapid.IntRange(0, 30), writers, writers).Draw(t, "calls")
			tear, after := rapid.Bool().Draw(t, "in the middle"), rapid.Bool().Draw(t, "after its effect")
			var wg sync.WaitGroup
			for w := range writers {
				b := newBed(d)
				b.p.die, b.p.tear, b.p.after = dies[w], tear, after
				wg.Go(func() {
					defer b.p.release() // the lock of a killed process is free after a while
					for i := range 4 {
						note := fmt.Sprintf("%d-%d-%d", round, w, i)
						err := b.Record(context.Background(), Entry{Action: ActionRefused, Result: "forbidden", Actor: "w", Note: note})
						if err != nil {
							return
						}
						mu.Lock()
						acked[note] = true
						mu.Unlock()
					}
				})
			}
			wg.Wait()
		}
		for _, e := range unbroken(t, d) {
			delete(acked, e.Note)
		}
		if len(acked) > 0 {
			t.Fatalf("acknowledged and not in the log: %v", acked)
		}
	})
}

// filled is a log of several segments.
func filled(t *testing.T, entries int) (*disk, *bed) {
	t.Helper()
	d := newDisk()
	b := newBed(d)
	for i := 0; i < entries; i += 50 {
		batch := make([]Entry, 50)
		for k := range batch {
			batch[k] = Entry{Action: ActionRefused, Result: "forbidden", Actor: "eve", Note: strings.Repeat("x", 200)}
		}
		if err := b.Record(t.Context(), batch...); err != nil {
			t.Fatal(err)
		}
	}
	if c := verify(t, d, Anchor{}); c.Broken != nil || c.Entries != entries || c.Segments < 3 || c.First != 1 || c.Last != int64(entries) {
		t.Fatalf("chain %+v", c)
	}
	return d, b
}

// Whatever is done to the log behind its back, the first place is named.
func TestTamperingIsFound(t *testing.T) {
	lines := func(d *disk, n int64) [][]byte { return bytes.SplitAfter(d.values[segmentKey(n)], []byte("\n")) }
	put := func(d *disk, n int64, l [][]byte) { d.values[segmentKey(n)] = bytes.Join(l, nil) }
	// forge writes a line anew with the sum that its content has.
	forge := func(line []byte, change func(e *Entry)) []byte {
		e, _, err := decodeLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		change(&e)
		out, _, err := e.line()
		if err != nil {
			t.Fatal(err)
		}
		return append(out, '\n')
	}
	for name, c := range map[string]struct {
		tamper func(d *disk)
		line   int // in segment 2; 0: not looked at
		says   string
	}{
		"a letter changed": {func(d *disk) {
			l := lines(d, 2)
			l[4] = bytes.Replace(l[4], []byte("eve"), []byte("ann"), 1)
			put(d, 2, l)
		}, 5, "sum at its end"},
		"a line forged with its sum": {func(d *disk) { l := lines(d, 2); l[4] = forge(l[4], func(e *Entry) { e.Actor = "ann" }); put(d, 2, l) }, 6, "another entry before it"},
		"a line removed":             {func(d *disk) { put(d, 2, slices.Delete(lines(d, 2), 4, 5)) }, 5, "follows entry"},
		"two lines exchanged":        {func(d *disk) { l := lines(d, 2); l[4], l[5] = l[5], l[4]; put(d, 2, l) }, 5, "follows entry"},
		"a line doubled":             {func(d *disk) { l := lines(d, 2); put(d, 2, slices.Insert(l, 4, l[4])) }, 6, "follows entry"},
		"a segment removed":          {func(d *disk) { delete(d.values, segmentKey(2)) }, 0, "missing"},
		"the first segment removed":  {func(d *disk) { delete(d.values, segmentKey(1)) }, 0, "too few others"},
		"a segment emptied":          {func(d *disk) { d.values[segmentKey(2)] = nil }, 0, "empty"},
		"two segments exchanged": {func(d *disk) {
			d.values[segmentKey(1)], d.values[segmentKey(2)] = d.values[segmentKey(2)], d.values[segmentKey(1)]
		}, 1, "names another entry before it"},
	} {
		d, _ := filled(t, 600)
		c.tamper(d)
		got := verify(t, d, Anchor{}).Broken
		if name == "two segments exchanged" {
			// The one that is first now begins behind entry 1; nothing is wrong before
			// the second.
			if got == nil || got.Line != 1 {
				t.Errorf("%s: %v", name, got)
			}
			continue
		}
		if got == nil || !strings.Contains(got.Reason, c.says) || c.line > 0 && (got.Line != c.line || got.Key != segmentKey(2)) {
			t.Errorf("%s: %v, want line %d and %q", name, got, c.line, c.says)
		}
	}
}

// A chain cannot know its end. Who has kept one of its sums can.
func TestACutEndIsFoundByAnAnchor(t *testing.T) {
	d, b := filled(t, 600)
	head := verify(t, d, Anchor{})
	anchor := Anchor{Seq: head.Last, SHA256: head.Head}
	if err := b.Record(t.Context(), Entry{Action: ActionRefused}); err != nil {
		t.Fatal(err)
	}
	if c := verify(t, d, anchor); c.Broken != nil || c.Last != 601 {
		t.Fatalf("an honest log: %+v", c.Broken)
	}
	key := segmentKey(int64(head.Segments))
	delete(d.values, segmentKey(int64(head.Segments)+1))
	body := d.values[key]
	d.values[key] = bytes.Join(bytes.SplitAfter(body, []byte("\n"))[:3], nil)
	if c := verify(t, d, Anchor{}); c.Broken != nil {
		t.Errorf("without an anchor: %v", c.Broken)
	}
	if c := verify(t, d, anchor); c.Broken == nil || !strings.Contains(c.Broken.Reason, "was cut") {
		t.Errorf("cut: %v", c.Broken)
	}
	// Cut, and filled up by other entries.
	for range 50 {
		if err := newBed(d).Record(t.Context(), Entry{Action: ActionRefused, Note: "forged"}, Entry{Action: ActionRefused}); err != nil {
			t.Fatal(err)
		}
	}
	if c := verify(t, d, anchor); c.Broken == nil || !strings.Contains(c.Broken.Reason, "kept elsewhere") {
		t.Errorf("filled up: %v", c.Broken)
	}
}

// A damaged end must not stop every change for good, and nobody takes it for
// whole afterwards.
func TestTheLogGoesOnBehindADamagedEntry(t *testing.T) {
	d, b := filled(t, 600)
	chain := verify(t, d, Anchor{})
	key := segmentKey(int64(chain.Segments))
	body := bytes.Clone(d.values[key])
	body[len(body)-200] ^= 1
	d.values[key] = body
	b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
	next, ok := d.values[segmentKey(int64(chain.Segments)+1)]
	if !ok {
		t.Fatal("no segment follows the damaged one")
	}
	first, _, err := decodeLine(next[:bytes.IndexByte(next, '\n')])
	if err != nil || first.Action != ActionChain || first.Seq != 601 || first.Prev != sumOf(body) {
		t.Errorf("the first entry behind it: %+v, %v", first, err)
	}
	if c := verify(t, d, Anchor{}); c.Broken == nil || c.Broken.Key != key {
		t.Errorf("broken: %v", c.Broken)
	}
	if len(b.logs) == 0 {
		t.Error("the operator was not told")
	}
}

// A power failure may leave a segment empty, or full of zeros. The numbers go on: of two
// entries with one number that were copied elsewhere nobody could say which is which.
func TestTheNumbersGoOnBehindASegmentOfWhichNothingIsLeft(t *testing.T) {
	for name, left := range map[string][]byte{"empty": {}, "zeros": make([]byte, 4096)} {
		d, b := filled(t, 600)
		chain := verify(t, d, Anchor{})
		if chain.Segments < 2 {
			t.Fatalf("%d segments", chain.Segments)
		}
		lines := bytes.Split(bytes.TrimSuffix(d.values[segmentKey(int64(chain.Segments)-1)], []byte("\n")), []byte("\n"))
		before, _, err := decodeLine(lines[len(lines)-1])
		if err != nil {
			t.Fatal(err)
		}
		d.values[segmentKey(int64(chain.Segments))] = left
		b.put(t, upload("ann", "mine", module("mine", "1.0.0", "")), "created")
		next := d.values[segmentKey(int64(chain.Segments)+1)]
		first, _, err := decodeLine(next[:bytes.IndexByte(next, '\n')])
		if err != nil || first.Seq <= before.Seq {
			t.Errorf("%s: entry %d stands before it, behind it %d (%v)", name, before.Seq, first.Seq, err)
		}
	}
}

func TestTheLogIsBounded(t *testing.T) {
	d, b := filled(t, 600)
	// As if many segments were there: a longer list of numbers, the oldest of them
	// these.
	old := segmentKey(1)
	list := make([]int64, maxSegments+2)
	for i := range list {
		list[i] = int64(i + 1)
	}
	b.prune(t.Context(), list)
	for _, n := range []int64{1, 2} {
		if _, ok := d.values[segmentKey(n)]; ok {
			t.Errorf("segment %d was not removed", n)
		}
	}
	if _, ok := d.values[segmentKey(3)]; !ok {
		t.Errorf("segment 3 was removed, %s alone was too much", old)
	}
	if broken := order(list[2:], 0); broken != nil {
		t.Errorf("what retention leaves is called broken: %v", broken)
	}
	if broken := order(list[3:], 0); broken == nil {
		t.Error("one segment fewer than retention leaves is not noticed")
	}
}

// Whatever a user writes stays one line, and bounded.
func FuzzEntry(f *testing.F) {
	f.Add("eve", `"},"sha256":"`, "a\nb")
	f.Add(strings.Repeat("y", 1000), "\x00\xff", "\u2028")
	f.Fuzz(func(t *testing.T, actor, note, module string) {
		e := Entry{Seq: 7, Action: ActionRefused, Actor: actor, Note: note, Module: module, Prev: genesis}
		line, sum, err := e.line()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(line, "\n\r") || len(line) > 16<<10 {
			t.Fatalf("%d bytes: %q", len(line), line)
		}
		got, again, err := decodeLine(line)
		if err != nil || again != sum || got.Seq != 7 || got.Prev != genesis {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}
