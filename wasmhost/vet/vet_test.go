package vet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// The modules of the catalogue that nothing else refuses are refused here,
// except those that wait for what no test can guess.
func TestCatalogueIsRefused(t *testing.T) {
	hidden := map[string]bool{ // a bar that they wait for, or a lie that is a number like others
		"W39-traps-on-falling-closes": true, "W49-loops-on-falling-closes": true,
		"W49-lies-on-falling-closes": true, "W49-lies-above-a-price": true, "W49-lies-at-a-price": true,
		"W49-lies-at-a-time": true, "W49-lies-on-an-empty-bar": true,
		"W39-traps-from-2026-to-2100": true, "W49-loops-from-2026-to-2100": true, "W49-lies-from-2026-to-2100": true,
		"W39-traps-between-two-prices": true, "W49-loops-between-two-prices": true, "W49-lies-between-two-prices": true,
	}
	found := 0
	for a := range Catalogue("W39", "W43", "W44", "W45", "W49") {
		if found++; found%stride != 0 {
			continue
		}
		r := run(t, a.Bytes, Options{})
		if r.OK() != hidden[a.Name] {
			t.Errorf("%s:%s", a.Name, list(r))
		}
	}
	if found < 20 {
		t.Errorf("only %d modules", found)
	}
}

// The modules that the guard, the runtime or the host ends are all refused,
// and none of them ends the test.
func TestHostileModulesAreRefused(t *testing.T) {
	n := 0
	for a := range Catalogue("W02", "W03", "W18", "W19", "W20", "W21", "W21b", "W22", "W25", "W30", "W31", "W32", "W33", "W34", "W35", "W37", "W41", "W42") {
		if n++; n%stride != 0 {
			continue
		}
		r := run(t, a.Bytes, Options{})
		if r.OK() && a.Want != Harmless && a.Want != Survives {
			t.Errorf("%s (%s) is accepted:%s", a.Name, a.Want, list(r))
		}
	}
}

// What attacks are made of has no error of its own: each is refused for what it
// does, or for nothing.
func TestHarmlessModulesAreAccepted(t *testing.T) {
	n := 0
	for a := range Catalogue("W02", "W13", "W22", "W24", "W25", "W36", "W41") {
		if a.Want != Harmless {
			continue
		}
		if n++; n%stride != 0 {
			continue
		}
		if r := run(t, a.Bytes, Options{}); !r.OK() {
			t.Errorf("%s:%s", a.Name, list(r))
		}
	}
	if n < 15 {
		t.Errorf("only %d modules", n)
	}
}

// The program's own modules keep to what every author's may use, but for the name.
func TestBuiltinPassesAsAnUpload(t *testing.T) {
	renamed := bytes.Replace(indicators.Module(), []byte(`"builtin"`), []byte(`"shipped"`), 1)
	r := run(t, renamed, Options{Timeout: 10 * time.Minute})
	if !r.OK() {
		t.Errorf("findings:%s", list(r))
	}
	if len(r.Indicators) < 10 {
		t.Errorf("%d indicators", len(r.Indicators))
	}
}

// The same bytes give the same report, but for the times.
func TestReportIsTheSameEachTime(t *testing.T) {
	module := fixture(first("kl_update", Get(1), Get(1), Store(0x36, 8)))
	var docs [2][]byte
	for i := range docs {
		r, err := Run(t.Context(), module, Options{}) // no clock: no times
		if err != nil {
			t.Fatal(err)
		}
		if docs[i], err = json.Marshal(r); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(docs[0], docs[1]) {
		t.Errorf("reports differ:\n%s\n%s", docs[0], docs[1])
	}
}

func TestEndOfContextIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Run(ctx, fixture(nil), Options{}); !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("report %v, error %v", r, err)
	}
}

// What shows after hundreds of thousands of bars is found by a soak, and by
// nothing shorter.
func TestSoakFindsWhatComesLate(t *testing.T) {
	if stride > 1 {
		return // two million bars under the race detector
	}
	// A count in the state: of bars of this series, as a module may keep one.
	late := func(do ...[]byte) []byte {
		return fixture(first("kl_update", Get(1), Get(1), Load(0x2b, 8), F64(1), Op(0xa0), Store(0x39, 8),
			Get(1), Load(0x2b, 8), F64(900_000), Op(0x61), If(do...)))
	}
	for name, c := range map[string]struct {
		module []byte
		check  string
		code   Code
	}{
		"grows":                {late(I32(1), Op(0x40, 0, Drop)), "V13", CodeGrew},
		"depends on addresses": {late(addToSum(Get(1), Op(0xb8))), "V5", CodeRepeat},
	} {
		if r := run(t, c.module, Options{}); !r.OK() {
			t.Errorf("%s: found without a soak:%s", name, list(r))
		}
		if r := run(t, c.module, Options{Soak: true}); !has(r, c.check, c.code, Error) {
			t.Errorf("%s: not found:%s", name, list(r))
		}
	}
}

// toiling is a fixture whose bars use most of the fuel that they may.
func toiling() []byte {
	return fixture(func(m *Module) {
		first("kl_update", I32(60_000), Set(4), Loop(Get(4), I32(1), Op(0x6b), Tee(4), BrIf(0)))(m)
		m.Func("kl_update").Locals = "i"
	})
}

// jumping is a clock on which each question takes long.
func jumping(step time.Duration, asked *int) func() time.Time {
	at := time.Unix(0, 0)
	return func() time.Time { at = at.Add(step); *asked++; return at }
}

// Nobody waits for the end of all checks when bars are slow: neither when the
// first ones are, nor when all together are.
func TestSlowModulesAreFoundEarly(t *testing.T) {
	asked := 0
	r := run(t, toiling(), Options{Now: jumping(200*time.Millisecond, &asked), Timeout: time.Hour})
	if !has(r, "", CodeSlow, Error) || !strings.Contains(list(r), "longer than 2ms on the mean of 64") || asked > 200 {
		t.Errorf("%d times asked:%s", asked, list(r))
	}
	r = run(t, toiling(), Options{Now: jumping(20*time.Millisecond, &asked), Timeout: 3 * time.Second})
	if !has(r, "", CodeSlow, Error) || !strings.Contains(list(r), "longer than 3s") {
		t.Errorf("findings:%s", list(r))
	}
}

// A cheap module is never slow, however busy the machine is: after a while
// that is an error, and no finding.
func TestBusyMachineIsNoFinding(t *testing.T) {
	asked := 0
	if r := run(t, fixture(nil), Options{Now: jumping(20*time.Millisecond, &asked), Timeout: 10 * time.Second}); !r.OK() {
		t.Errorf("findings:%s", list(r))
	}
	if r, err := Run(t.Context(), fixture(nil), Options{Now: jumping(time.Second, &asked), Timeout: 10 * time.Second}); !errors.Is(err, ErrBusy) {
		t.Errorf("report %v, error %v", r, err)
	}
}

// Whatever a module does, its memory goes with the examination.
func TestNothingIsLeftBehind(t *testing.T) {
	mapped := func() int {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Skip("not run: this system has no /proc/self/maps")
		}
		return bytes.Count(b, []byte("\n"))
	}
	modules := [][]byte{
		fixture(nil), fixture(first("kl_update", Forever())), fixture(first("_initialize", Op(Unreachable))), fixture(first("kl_alloc", Op(Unreachable))),
		fixture(first("kl_update", volumeIs0(), If(Op(Unreachable)))), fixture(instead("kl_init", I32(-1))), []byte("no module"),
	}
	all := func() {
		for _, m := range modules {
			run(t, m, Options{Previous: modules[0]})
		}
	}
	all()
	before := mapped()
	for range 5 {
		all()
	}
	var after int
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // what the runtime gives back it gives back when it comes to that
		runtime.GC()
		if after = mapped(); after <= before+20 || time.Now().After(end) {
			break
		}
	}
	if after > before+20 {
		t.Errorf("%d mappings before, %d after", before, after)
	}
}

func TestReportEndsAtAHundredFindings(t *testing.T) {
	r := new(Report)
	for i := range 300 {
		sev := Warning
		if i == 250 {
			sev = Error
		}
		r.add(Finding{Code: CodeNaN, Severity: sev, Indicator: string(rune('a' + i))})
	}
	if len(r.Findings) != 101 || r.Findings[100].Code != CodeMore || r.OK() {
		t.Errorf("%d findings, last %+v, OK %v", len(r.Findings), r.Findings[len(r.Findings)-1], r.OK())
	}
}

func TestReplayDoesAnUpdateAgain(t *testing.T) {
	module := fixture(first("kl_update", volumeIs0(), If(Op(Unreachable))))
	good := run(t, module, Options{})
	file := func(volume string) *Repro {
		r, err := DecodeRepro([]byte(`{"sha256":"` + good.SHA256 + `","expression":"total","state":"AAAAAAAA8D8AAAAAAAAAAA==","bar":{"Close":2,"Volume":` + volume + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	out, err := Replay(t.Context(), module, file("1"), Options{})
	if err != nil || len(out.Outputs) != 1 || out.Outputs[0] != 3 || out.Fault != "" {
		t.Errorf("outputs %+v, %v", out, err)
	}
	stored := file("0")
	stored.Fault = "trap"
	out, err = Replay(t.Context(), module, stored, Options{})
	if err != nil || !out.Same(stored) || !strings.Contains(out.Text, "unreachable") {
		t.Errorf("fault %+v, %v", out, err)
	}
	if stored.Fault = "fuel"; out.Same(stored) {
		t.Error("a trap is taken for the end of fuel")
	}
	if _, err := Replay(t.Context(), fixture(nil), file("1"), Options{}); err == nil || !strings.Contains(err.Error(), "is of module") {
		t.Errorf("error %v", err)
	}
	if _, err := DecodeRepro([]byte(`{}`)); err == nil {
		t.Error("an empty repro is accepted")
	}
}

// Every code that this package or the guard can give is explained.
func TestEveryCodeIsExplained(t *testing.T) {
	src, err := os.ReadFile("code.go")
	if err != nil {
		t.Fatal(err)
	}
	finding, err := os.ReadFile("../guard/finding.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range Codes() {
		if known[string(c.Code)] {
			t.Errorf("%s stands twice", c.Code)
		}
		known[string(c.Code)] = true
		if c.Meaning == "" || c.Remedy == "" || c.Stage == "" {
			t.Errorf("%s is not explained: %+v", c.Code, c)
		}
	}
	declared := 0
	for _, line := range strings.Split(string(src)+string(finding), "\n") {
		_, rest, ok := strings.Cut(line, " Code = \"")
		if !ok {
			continue
		}
		code, _, _ := strings.Cut(rest, `"`)
		if declared++; !known[code] {
			t.Errorf("%s has no explanation", code)
		}
	}
	if declared != len(known) || declared < 50 {
		t.Errorf("%d codes are declared, %d explained", declared, len(known))
	}
}
