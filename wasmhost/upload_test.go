package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func uploadHost(t testing.TB, cfg Config) *Host {
	t.Helper()
	h, err := New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func upload(t testing.TB, h *Host, f *fixture, tenant string) *Module {
	t.Helper()
	m, err := h.LoadUpload(context.Background(), f.bytes(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func resolveUpload(t testing.TB, h *Host, m *Module, expr string) *Instance {
	t.Helper()
	inst, err := h.ResolveIn(m, expr)
	if err != nil {
		t.Fatal(err)
	}
	return inst
}

// doBusy is the number of trades of a bar that uses much of its fuel.
const doBusy = 77

// costly is a fixture with expensive bars, which traps on doTrap trades.
func costly() *fixture {
	busy := repeatedCode(join(i32c(0), i32c(0), i32c(1<<16), ops(0xfc, 11, 0)), 300)
	f := newFixture()
	return f.code("kl_update", join(when(tradesAre(doBusy), busy), updateCode()))
}

func TestVerdictsOfUploadsDoNotDependOnTheirCalls(t *testing.T) {
	h := uploadHost(t, Config{Shards: 1})
	m := upload(t, h, costly(), "a")
	inst := resolveUpload(t, h, m, "sum")
	s := h.Shard(0)
	rapid.Check(t, func(t *rapid.T) {
		bars := make([]Bar, rapid.IntRange(1, 200).Draw(t, "bars"))
		for i := range bars {
			trades := rapid.SampledFrom([]uint32{1, 1, 1, 1, 1, 1, doBusy, doBusy}).Draw(t, "trades")
			if rapid.IntRange(0, 150).Draw(t, "trap") == 0 {
				trades = doTrap
			}
			bars[i] = bar(i, float64(i), trades)
		}
		want := len(bars)
		if i := slices.IndexFunc(bars, func(b Bar) bool { return b.Trades == doTrap }); i >= 0 {
			want = i
		}
		slot, err := s.Open(inst, Series{IntervalMS: 60_000})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(slot); err != nil {
				t.Fatal(err)
			}
		}()
		out, done := make([]float64, len(bars)), 0
		for done < len(bars) {
			n := min(rapid.IntRange(1, 64).Draw(t, "piece"), len(bars)-done)
			did, err := s.Backfill(slot, bars[done:done+n], out[done:done+n], nil)
			done += did
			if err != nil {
				var f *SlotError
				if !errors.As(err, &f) || f.Shared || f.Fault != FaultTrap {
					t.Fatalf("failure %v", err)
				}
				break
			}
		}
		if done != want {
			t.Fatalf("%d bars were done, want %d: %v", done, want, s.Failure(slot))
		}
		sum := 0.0
		for i := range want {
			if sum += bars[i].Close; out[i] != sum && i > 0 {
				t.Fatalf("bar %d: %v, want %v", i, out[i], sum)
			}
		}
	})
	if m.Stats().Traps == 0 {
		t.Error("no call of many bars ended in a trap: the test shows nothing")
	}
}

func TestABarOfAnUploadHasItsOwnBudget(t *testing.T) {
	busy := repeatedCode(join(i32c(0), i32c(0), i32c(1<<16), ops(0xfc, 11, 0)), 600) // more than 800,000
	f := newFixture()
	f.code("kl_update", join(when(tradesAre(doBusy), busy), updateCode()))
	h := uploadHost(t, Config{Shards: 1})
	s, inst := h.Shard(0), resolveUpload(t, h, upload(t, h, f, "a"), "fixture/sum")
	slot := open(t, s, inst)
	bars := []Bar{bar(0, 1, 1), bar(1, 1, 1), bar(2, 1, doBusy), bar(3, 1, 1)}
	n, err := s.Backfill(slot, bars, make([]float64, 4), nil)
	var fault *SlotError
	if !errors.As(err, &fault) || fault.Fault != FaultFuel || n != 2 || !strings.Contains(fault.Text, "more than 800000 units") {
		t.Errorf("%d bars, %v", n, err)
	}
}

func TestUploadsOfATenantShareAnAccount(t *testing.T) {
	h := uploadHost(t, Config{Shards: 1, UploadMemory: 4 << 20, TenantMemory: 10 << 20, TotalUploadMemory: 16 << 20})
	s := h.Shard(0)
	fill := func(tenant, version string) (opened int, err error) {
		f := newFixture()
		f.manifest = strings.Replace(sumManifest, "1.2.3", version, 1)
		m, err := h.LoadUpload(context.Background(), f.bytes(), tenant)
		if err != nil {
			return 0, err
		}
		inst := resolveUpload(t, h, m, "sum")
		for ; opened < 1_000_000; opened++ {
			if _, err = s.Open(inst, Series{IntervalMS: 60_000}); err != nil {
				return opened, err
			}
		}
		return opened, nil
	}
	n, err := fill("a", "1.0.0")
	if !errors.Is(err, ErrMemory) || n == 0 {
		t.Fatalf("%d series, %v", n, err)
	}
	if used := h.Memory(); used > 10<<20 {
		t.Errorf("tenant a has %d bytes, its limit is 10 MiB", used)
	}
	if _, err := fill("a", "2.0.0"); !errors.Is(err, ErrMemory) {
		t.Errorf("another module of a full tenant: %v", err)
	}
	if n, err := fill("b", "1.0.0"); !errors.Is(err, ErrMemory) || n == 0 {
		t.Errorf("another tenant: %d series, %v", n, err)
	}
	if used := h.Memory(); used > 16<<20 {
		t.Errorf("uploads have %d bytes, their limit is 16 MiB", used)
	}
}

func TestTwoVersionsOfAnUploadRunBesideEachOther(t *testing.T) {
	h := uploadHost(t, Config{Shards: 1})
	one, two := newFixture(), newFixture()
	two.manifest = strings.Replace(sumManifest, "1.2.3", "1.2.4", 1)
	a, b := upload(t, h, one, "x"), upload(t, h, two, "x")
	if a == b || a.Name != b.Name || a.Ver() == b.Ver() {
		t.Fatalf("modules %v and %v", a, b)
	}
	if again := upload(t, h, one, "x"); again != a {
		t.Error("the same bytes are another module")
	}
	s := h.Shard(0)
	old, fresh := open(t, s, resolveUpload(t, h, a, "sum")), open(t, s, resolveUpload(t, h, b, "sum"))
	for i := range 3 {
		if _, err := s.Backfill(old, []Bar{bar(i, 1, 1)}, make([]float64, 1), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Unload(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backfill(old, []Bar{bar(3, 1, 1)}, make([]float64, 1), nil); err == nil {
		t.Error("a slot of an unloaded module still computes")
	}
	out := make([]float64, 2)
	if _, err := s.Backfill(fresh, []Bar{bar(0, 2, 1), bar(1, 3, 1)}, out, nil); err != nil || out[1] != 5 {
		t.Errorf("the other version: %v, %v", out, err)
	}
}

func TestUnloadingReturnsAllMemory(t *testing.T) {
	shards := min(2, runtime.GOMAXPROCS(0)) // a machine of one processor has no second
	h := uploadHost(t, Config{Shards: shards})
	for i := range 20 {
		f := newFixture()
		f.describe(strings.Replace(sumManifest, "1.2.3", fmt.Sprintf("1.2.%d", i), 1))
		m := upload(t, h, f, "x")
		inst := resolveUpload(t, h, m, "sum")
		for j := range shards {
			slot, err := h.Shard(j).Open(inst, Series{IntervalMS: 60_000})
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				if err := h.Shard(j).Close(slot); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := h.Unload(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.Memory(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}

func TestUploadsCannotTakeATrustedName(t *testing.T) {
	f := newFixture()
	h, _ := loadModule(t, Config{Shards: 1}, f.bytes())
	other := newFixture()
	other.manifest = strings.Replace(sumManifest, "1.2.3", "9.9.9", 1)
	if _, err := h.LoadUpload(context.Background(), other.bytes(), "x"); err == nil || !strings.Contains(err.Error(), "belongs to a module that the program brings") {
		t.Errorf("loading: %v", err)
	}
	if got := h.Memory(); got == 0 {
		t.Error("the trusted module has no memory any more")
	}
}

func TestModuleOfAnExpression(t *testing.T) {
	for expr, want := range map[string]string{"sma(20)": "", "mine/sma(20)": "mine", "mine/sma": "mine"} {
		if got, err := ModuleOf(expr); err != nil || got != want {
			t.Errorf("%s: %q, %v", expr, got, err)
		}
	}
	if _, err := ModuleOf("sma("); err == nil {
		t.Error("a broken expression is read")
	}
}
