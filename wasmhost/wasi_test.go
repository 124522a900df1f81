package wasmhost

import (
	"errors"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// stubGuest returns the memory of an idle guest for stubs to work on, and a
// console that pays from its fuel.
func stubGuest(t *testing.T) (api.Memory, *console) {
	t.Helper()
	h, m := loadModule(t, Config{Shards: 1}, newFixture().bytes())
	g := h.Shard(0).guests[m][0]
	return g.mem, &console{meter: g.meter}
}

func stubNamed(t *testing.T, name string) stub {
	t.Helper()
	i := slices.IndexFunc(stubs(), func(s stub) bool { return s.name == name })
	if i < 0 {
		t.Fatalf("no stub %s", name)
	}
	return stubs()[i]
}

func TestStubsAnswerWithConstants(t *testing.T) {
	mem, c := stubGuest(t)
	do := func(name string, args ...uint64) uint64 { return stubNamed(t, name).fn(c, mem, args) }
	word := func(at uint32) uint32 { v, _ := mem.ReadUint32Le(at); return v }

	if do("args_sizes_get", 64, 68) != 0 || word(64) != 0 || word(68) != 0 {
		t.Error("there are arguments")
	}
	if do("environ_sizes_get", 64, 68) != 0 || word(64) != 1 || do("environ_get", 64, 128) != 0 || word(64) != 128 {
		t.Error("environment")
	}
	if env, _ := mem.Read(128, uint32(len(guestEnviron))); string(env) != "GOGC=off\x00" {
		t.Errorf("environment %q", env)
	}
	for want := uint64(1); want < 4; want++ {
		if do("clock_time_get", 0, 0, 64) != 0 || uint64(word(64)) != want {
			t.Errorf("clock %d, want %d", word(64), want)
		}
	}
	if do("poll_oneoff", 0, 0, 3, 64) != 0 || word(64) != 3 {
		t.Error("poll")
	}
	do("random_get", 64, 8)
	a := word(64)
	if do("random_get", 96, 8) != 0 || word(96) != a {
		t.Error("random bytes are random")
	}
	for _, name := range []string{"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_get", "fd_prestat_dir_name"} {
		if do(name, 0, 0, 0) != errnoBadf {
			t.Errorf("%s finds a file", name)
		}
	}
}

func TestStubsBoundEverything(t *testing.T) {
	mem, c := stubGuest(t)
	end := uint64(mem.Size())
	vectors := func(n int, ptr, size uint32) {
		for i := range n {
			mem.WriteUint32Le(uint32(1024+i*8), ptr)
			mem.WriteUint32Le(uint32(1024+i*8+4), size)
		}
	}
	for _, tt := range []struct {
		name string
		stub string
		prep func()
		args []uint64
		want uint64
	}{
		{"random at the limit", "random_get", nil, []uint64{4096, maxRandom}, 0},
		{"random above it", "random_get", nil, []uint64{4096, maxRandom + 1}, errnoInval},
		{"random outside", "random_get", nil, []uint64{end - 4, 8}, errnoFault},
		{"clock outside", "clock_time_get", nil, []uint64{0, 0, end - 4}, errnoFault},
		{"poll outside", "poll_oneoff", nil, []uint64{0, 0, 1, end}, errnoFault},
		{"environment outside", "environ_get", nil, []uint64{64, end - 2}, errnoFault},
		{"64 vectors", "fd_write", func() { vectors(64, 64, 1) }, []uint64{2, 1024, maxVectors, 8192}, 0},
		{"65 vectors", "fd_write", func() { vectors(65, 64, 1) }, []uint64{2, 1024, maxVectors + 1, 8192}, errnoInval},
		{"64 KiB", "fd_write", func() { vectors(2, 64, maxWriteBytes/2) }, []uint64{2, 1024, 2, 8192}, 0},
		{"64 KiB and 2", "fd_write", func() { vectors(2, 64, maxWriteBytes/2+1) }, []uint64{2, 1024, 2, 8192}, errnoInval},
		{"lengths that wrap", "fd_write", func() { vectors(3, 64, 1<<31) }, []uint64{2, 1024, 3, 8192}, errnoInval},
		{"vectors outside", "fd_write", nil, []uint64{2, end - 4, 1, 8192}, errnoFault},
		{"text outside", "fd_write", func() { vectors(1, uint32(end)-1, 2) }, []uint64{2, 1024, 1, 8192}, errnoFault},
		{"result outside", "fd_write", func() { vectors(1, 64, 1) }, []uint64{2, 1024, 1, end}, errnoFault},
	} {
		if tt.prep != nil {
			tt.prep()
		}
		if got := stubNamed(t, tt.stub).fn(c, mem, slices.Clone(tt.args)); got != tt.want {
			t.Errorf("%s: errno %d, want %d", tt.name, got, tt.want)
		}
	}
	if len(c.text) != maxConsole {
		t.Errorf("%d bytes of output kept, want %d", len(c.text), maxConsole)
	}
}

// A guest that says something before it dies is quoted, escaped.
func TestLastWordsOfAGuestAreKept(t *testing.T) {
	f := newFixture()
	f.imports = []fixtureImport{
		{wasiModule, "fd_write", repeated(tI32, 4), []byte{tI32}},
		{wasiModule, "proc_exit", []byte{tI32}, nil},
	}
	const vector = 256 // of the text at errorAt, written by kl_init
	f.code("kl_init", join(i32c(vector), i32c(errorAt), store(0x36, 0), i32c(vector), i32c(8), store(0x36, 4), i32c(0)))
	f.replace("kl_update_batch", func(fn *fixtureFunc) { fn.code = batchCode(7) }) // two imports come first
	f.code("kl_update", join(i32c(2), i32c(vector), i32c(1), i32c(300), ops(0x10, 0, 0x1a), i32c(2), ops(0x10, 1), i32c(1)))
	h, m := loadModule(t, Config{Shards: 1}, f.bytes())
	s := h.Shard(0)
	slot := open(t, s, resolve(t, h, "sum"))
	if j := one(t, s, slot, bar(0, 1, 1), false); j.RC != RCTrap {
		t.Fatalf("%+v", j)
	}
	if err := s.Failure(slot); err == nil || err.Error() != `guest panic: "no luck\n"` {
		t.Errorf("failure: %v", err)
	}
	if got := m.Stats(); got.StubCalls != 2 || got.Traps != 1 {
		t.Errorf("counted %+v", got)
	}
}

// The guard passes what the host provides: one name too many would fail at
// every start of an instance, one too few refuses modules.
func TestStubsAreTheImportsOfTheGuard(t *testing.T) {
	letters := map[api.ValueType]string{api.ValueTypeI32: "i", api.ValueTypeI64: "l"}
	var have, want []string
	for _, s := range stubs() {
		params := ""
		for _, p := range s.params {
			params += letters[p]
		}
		have = append(have, wasiModule+"."+s.name+" "+params)
	}
	for _, f := range guard.KL1().Imports {
		want = append(want, f.Module+"."+f.Name+" "+f.Params)
		if result := f.Results; (result == "i") == (f.Name == "proc_exit") {
			t.Errorf("%s has results %q", f.Name, result)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) || len(have) != 15 {
		t.Errorf("the host has\n%v\nthe guard passes\n%v", have, want)
	}
}

// A stub whose price is more than what is left does nothing and ends the call.
func TestStubWithoutFuelEndsTheCall(t *testing.T) {
	mem, c := stubGuest(t)
	mem.WriteUint32Le(64, 7)
	c.meter.fill(4000)
	defer func() {
		p := recover()
		if err, ok := p.(error); !ok || !errors.Is(err, errNoFuel) || c.meter.left() != 4000-4096 {
			t.Errorf("ended with %v, %d units left", p, c.meter.left())
		}
		if v, _ := mem.ReadUint32Le(64); v != 7 {
			t.Error("the stub did what was not paid for")
		}
	}()
	stubNamed(t, "random_get").fn(c, mem, []uint64{64, 4096})
	t.Error("it returned")
}
