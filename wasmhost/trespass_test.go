package wasmhost

import (
	"errors"
	"strings"
	"testing"
)

// doAsk is the number of trades of a bar on which an update asks the system.
const doAsk = 88

// asking is a fixture whose update asks for the time on bars of doAsk trades,
// and adds what it hears to nothing.
func asking() *fixture {
	f := newFixture()
	f.imports = []fixtureImport{{wasiModule, "clock_time_get", []byte{tI32, tI64, tI32}, []byte{tI32}}}
	f.replace("kl_update_batch", func(fn *fixtureFunc) { fn.code = batchCode(6) }) // the import comes first
	return f.code("kl_update", join(when(tradesAre(doAsk), i32c(0), i64c(0), i32c(300), ops(0x10, 0, 0x1a)), updateCode()))
}

// trespasses are what an update of an upload must not do though it comes back.
var trespasses = []struct {
	name   string
	module func() *fixture
	trades uint32
	fault  Fault
	word   string
	text   string
}{
	{"calls the system", asking, doAsk, FaultSystem, "system", "system call: the update calls clock_time_get"},
	{"makes its memory grow", newFixture, doGrow, FaultGrowth, "growth", "memory growth: the update makes the memory grow from "},
}

func TestAnUpdateThatTouchesTheOutsideIsAFaultThatSaysWhat(t *testing.T) {
	for _, tt := range trespasses {
		t.Run(tt.name, func(t *testing.T) {
			h := uploadHost(t, Config{Shards: 1})
			m := upload(t, h, tt.module(), "a")
			s, inst := h.Shard(0), resolveUpload(t, h, m, "sum")
			slot, other := open(t, s, inst), open(t, s, inst)
			if _, err := s.Backfill(other, []Bar{bar(0, 3, 1)}, make([]float64, 1), nil); err != nil {
				t.Fatal(err)
			}
			out := make([]float64, 4)
			n, err := s.Backfill(slot, []Bar{bar(0, 1, 1), bar(1, 2, 1), bar(2, 4, tt.trades), bar(3, 8, 1)}, out, nil)
			var f *SlotError
			if !errors.As(err, &f) || n != 2 || f.Fault != tt.fault || f.Fault.String() != tt.word || f.Shared || !strings.HasPrefix(f.Text, tt.text) {
				t.Fatalf("%d bars, %+v", n, f)
			}
			if out[1] != 3 || out[2] == out[2] || out[3] == out[3] {
				t.Errorf("values %v: those before the fault stay, none comes behind", out)
			}
			if c := f.Case; c == nil || c.Bar.Trades != tt.trades || len(c.State) != 16 || c.IntervalMS != minute.IntervalMS {
				t.Errorf("case %+v", f.Case)
			}
			if got := m.Stats(); got.Traps == 0 || got.NoFuel+got.NoStack != 0 {
				t.Errorf("counted %+v", got)
			}
			// Another series of the instance goes on where it was.
			if _, err := s.Backfill(other, []Bar{bar(1, 4, 1)}, out[:1], nil); err != nil || out[0] != 7 {
				t.Errorf("another series: %v, %v", out[0], err)
			}
		})
	}
}

// The values of built-in indicators stand in the log: whether one is there must
// not depend on what else its instance has done.
func TestTrustedModulesAreOnlyCounted(t *testing.T) {
	for _, tt := range trespasses {
		h, m := loadModule(t, Config{Shards: 1}, tt.module().bytes())
		s := h.Shard(0)
		slot := open(t, s, resolve(t, h, "sum"))
		if j := one(t, s, slot, bar(0, 5, tt.trades), false); j.RC < 0 || s.Failure(slot) != nil {
			t.Errorf("%s: %+v", tt.name, j)
		}
		if got := m.Stats(); got.StubCalls+got.Growths != 1 || got.Traps != 0 {
			t.Errorf("%s: counted %+v", tt.name, got)
		}
	}
}

// A preview may be asked for by chance: it says nothing about the closed bars.
func TestATrespassInAPreviewHasNoValueAndFailsNothing(t *testing.T) {
	for _, tt := range trespasses {
		h := uploadHost(t, Config{Shards: 1})
		s := h.Shard(0)
		slot := open(t, s, resolveUpload(t, h, upload(t, h, tt.module(), "a"), "sum"))
		if j := one(t, s, slot, bar(0, 5, tt.trades), true); j.RC != RCTrap {
			t.Errorf("%s: preview %+v", tt.name, j)
		}
		if _, err := s.Backfill(slot, []Bar{bar(0, 5, 1), bar(1, 6, 1)}, make([]float64, 2), nil); err != nil {
			t.Errorf("%s: the closed bars: %v", tt.name, err)
		}
	}
}

// Memory that fills up over many bars never holds more than one instance may
// grow by in a call: the instance that grew is replaced.
func TestMemoryOfAnUploadDoesNotGrowWithItsBars(t *testing.T) {
	h := uploadHost(t, Config{Shards: 1})
	s := h.Shard(0)
	slot := open(t, s, resolveUpload(t, h, upload(t, h, newFixture(), "a"), "sum"))
	before := h.Memory()
	for i := range 20 {
		if _, err := s.Backfill(slot, []Bar{bar(i, 1, doGrow)}, make([]float64, 1), nil); err == nil {
			t.Fatalf("bar %d is no fault", i)
		}
		if err := s.Write(slot, make([]byte, 16)); err != nil {
			t.Fatal(err)
		}
	}
	if now := h.Memory(); now != before {
		t.Errorf("%d bytes, before the growths %d", now, before)
	}
}

// What an instance printed while it was set up is not why it traps later.
func TestOldWordsAreNotTheReasonOfALaterTrap(t *testing.T) {
	f := newFixture()
	f.imports = []fixtureImport{{wasiModule, "fd_write", repeated(tI32, 4), []byte{tI32}}}
	const vector = 256
	f.replace("kl_update_batch", func(fn *fixtureFunc) { fn.code = batchCode(6) })
	f.replace("kl_init", func(fn *fixtureFunc) {
		fn.code = join(i32c(vector), i32c(errorAt), store(0x36, 0), i32c(vector), i32c(8), store(0x36, 4),
			i32c(2), i32c(vector), i32c(1), i32c(300), ops(0x10, 0, 0x1a), fn.code)
	})
	h, _ := loadModule(t, Config{Shards: 1}, f.bytes())
	s := h.Shard(0)
	slot := open(t, s, resolve(t, h, "sum"))
	one(t, s, slot, bar(0, 1, doTrap), false)
	if err := s.Failure(slot); err == nil || !strings.HasPrefix(err.Error(), "trap: ") {
		t.Errorf("failure: %v", err)
	}
}
