package caddymodule

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// turnBed is an engine with bars, uploads and the activation of the product.
type turnBed struct {
	*uploadBed
	klines *Klines
	clock  *clock.Fake
	next   int64
}

func newTurnBed(t *testing.T) *turnBed {
	t.Helper()
	c := clock.NewFake(time.UnixMilli(1_800_000_000_000))
	b := &turnBed{uploadBed: newUploadBed(t, c, nil), clock: c, next: 1}
	var a Activator = b.engine.compute.turns
	b.engine.compute.modules.activator.Store(&a)
	b.klines = testKlines(b.engine)
	b.klines.limiter = newLimiter(c, 1e6, 1_000_000)
	b.close(5)
	ctx, cancel := context.WithCancel(t.Context())
	tended := make(chan struct{})
	go func() { defer close(tended); b.engine.hub().Tend(ctx) }()
	t.Cleanup(func() { cancel(); <-tended })
	return b
}

// close lets n more bars close, the last of which opens now.
func (b *turnBed) close(n int) {
	for range n {
		b.next++
		r := bar(b.next)
		b.engine.hub().Apply(0, []serve.Record{r})
	}
}

// values asks for the running sum and returns the body.
func (b *turnBed) values() string {
	b.t.Helper()
	w, _ := ask(b.t, b.klines, "GET", "/v1/values?sym=BTCUSD&itv=1m&closed=1&ind=my-sum/running_sum")
	return w.Body.String()
}

func (b *turnBed) post(path, body string) string {
	b.t.Helper()
	return b.expect(202, "", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/" + path, body: []byte(body)}).Body.String()
}

// until looks again until the text is in what ask returns.
func (b *turnBed) until(want string, ask func() string) {
	b.t.Helper()
	var got string
	pause := 10 * time.Millisecond
	for end, turns := time.Now().Add(2*time.Minute), 0; time.Now().Before(end); turns++ {
		if got = ask(); strings.Contains(got, want) {
			return
		}
		b.clock.Advance(2 * time.Second)
		// A lock is believed for 5 s of this clock: what is under way must come to its
		// end meanwhile, however busy the machine. A shadow run takes 300 turns.
		if turns > 400 {
			pause = min(pause+pause/10, time.Second)
		}
		time.Sleep(pause)
	}
	b.t.Fatalf("%s never came, the last answer is %s", want, got)
}

// soon waits until ok, while the clock stands, as long as a busy machine may need.
func soon(ok func() bool) bool {
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func (b *turnBed) module() string {
	b.t.Helper()
	return b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum"}).Body.String()
}

func verOf(rec registry.Record) string { return `"ver":"` + rec.SHA256[:8] + `"` }

func (b *turnBed) record(version string) registry.Record {
	b.t.Helper()
	versions, err := b.engine.compute.modules.registry.Get(b.t.Context(), "my-sum")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, v := range versions {
		if v.Version == version {
			return v
		}
	}
	b.t.Fatalf("there is no version %s", version)
	return registry.Record{}
}

func TestAnUploadComputesAsSoonAsItIsActive(t *testing.T) {
	b := newTurnBed(t)
	if got := b.values(); !strings.Contains(got, "no module my-sum is active") {
		t.Errorf("before the upload: %s", got)
	}
	w := b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	if !strings.Contains(w.Body.String(), `"state":"active"`) {
		t.Errorf("answer %s", w.Body)
	}
	got := b.values()
	if !strings.Contains(got, verOf(b.record("1.0.0"))) || strings.Count(got, "],[") < 4 || strings.Contains(got, "null") {
		t.Errorf("values %s", got)
	}
	list, _ := ask(t, b.klines, "GET", "/v1/indicators")
	one, _ := ask(t, b.klines, "GET", "/v1/indicators/my-sum/running_sum")
	if !strings.Contains(list.Body.String(), `"name":"my-sum/running_sum"`) || one.Code != 200 || !strings.Contains(one.Body.String(), `"module":"my-sum"`) {
		t.Errorf("not listed: %s, %s", list.Body, one.Body)
	}
	b.post("deactivate", "")
	if got := b.values(); !strings.Contains(got, "null") && !strings.Contains(got, "no module my-sum is active") {
		t.Errorf("after its end: %s", got)
	}
}

func TestAnotherVersionTakesOverAtOneBar(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	before := b.values()
	if got := b.post("activate", `{"version":"1.1.0","now":true}`); !strings.Contains(got, `"active":"1.1.0"`) || !strings.Contains(got, `"previous":"1.0.0"`) {
		t.Errorf("answer %s", got)
	}
	if got := b.values(); got != before {
		t.Errorf("the bars before the change are told anew: %s, before %s", got, before)
	}
	// The bars of this test are of long ago: they open before the change.
	b.close(1)
	if got := b.values(); !strings.Contains(got, verOf(b.record("1.0.0"))) {
		t.Errorf("the version has changed too early: %s", got)
	}
	rec := b.record("1.1.0")
	b.next = (rec.From-begin)/60_000 + 1
	b.until(verOf(rec), func() string { b.close(1); return b.values() })
	got := b.post("rollback", "")
	if !strings.Contains(got, `"active":"1.0.0"`) {
		t.Errorf("rollback: %s", got)
	}
	if b.record("1.1.0").State != registry.Retired {
		t.Errorf("the version is %s", b.record("1.1.0").State)
	}
	// Whoever asks again because the answer was lost must not bring it back.
	again := call{user: "ann", method: "POST", path: "/v1/modules/my-sum/rollback", body: []byte(`{"version":"1.1.0"}`)}
	if w := b.expect(409, "conflict", again); b.record("1.0.0").State != registry.Active || !strings.Contains(w.Body.String(), "version 1.0.0 is active") {
		t.Errorf("asked again: %s, the version is %s", w.Body, b.record("1.0.0").State)
	}
	again.body = []byte(`{"version":"1.0.0"}`)
	if w := b.expect(202, "", again); !strings.Contains(w.Body.String(), `"active":"1.1.0"`) {
		t.Errorf("back: %s", w.Body)
	}
	again.body = []byte(`{"version":"1.1.0","now":true}`)
	b.expect(400, "bad-body", again)
}

func TestAShadowRunComparesBeforeItActivates(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	if got := b.post("activate", `{"version":"1.1.0"}`); !strings.Contains(got, `"shadow":"1.1.0"`) || !strings.Contains(got, `"active":"1.0.0"`) {
		t.Errorf("answer %s", got)
	}
	b.until(`"comparison"`, b.module)
	b.until("active", func() string { return string(b.record("1.1.0").State) })
	if doc := string(b.record("1.1.0").Comparison); !strings.Contains(strings.ReplaceAll(doc, " ", ""), `"differing":0`) {
		t.Errorf("comparison %s", doc)
	}
}

// trapping is sumModule with an update that traps on bars of 777 trades.
func trapping(version string) []byte { return misbehaving(version, "", badwasm.Op(0x00)) }

// misbehaving is sumModule with an update that does something else first on bars
// of 777 trades. With imports, function 0 is that one of the system; it takes
// nothing.
func misbehaving(version, imports string, code []byte) []byte {
	m := badwasm.Indicator()
	if imports != "" {
		update := m.Index("kl_update")
		m.Imports = append(m.Imports, badwasm.Import{Module: badwasm.SystemModule, Name: imports, Results: "i"})
		f := m.Func("kl_update_batch")
		f.Code = bytes.Replace(f.Code, badwasm.Call(update), badwasm.Call(update+1), 1)
	}
	doc := `{"abi":1,"name":"my-sum","version":"` + version + `","indicators":[{"id":0,"name":"running_sum","input":"src","warmup":2147483647,"params":[],"outputs":[{"name":"value"}]}]}`
	m.Data[0].Bytes = []byte(doc)
	m.Func("kl_describe").Code = badwasm.I64(1024<<32 | int64(len(doc)))
	m.Func("kl_update").Code = badwasm.Join(
		badwasm.Get(2), badwasm.Load(0x28, 56), badwasm.I32(777), badwasm.Op(0x46), badwasm.If(code), m.Func("kl_update").Code)
	return m.Bytes()
}

// systemCalling and growing pass vet and do on bars of 777 trades what no update
// may do, though they come back with a value.
func systemCalling(version string) []byte {
	return misbehaving(version, "sched_yield", badwasm.Join(badwasm.Call(0), badwasm.Op(badwasm.Drop)))
}

func growing(version string) []byte {
	return misbehaving(version, "", badwasm.Join(badwasm.I32(1), badwasm.Op(0x40, 0, badwasm.Drop)))
}

func TestThreeFaultsBringBackTheVersionBefore(t *testing.T) {
	for kind, module := range map[string]func(version string) []byte{"trap": trapping, "system": systemCalling, "growth": growing} {
		t.Run(kind, func(t *testing.T) { threeFaults(t, kind, module("1.1.0")) })
	}
}

// threeFaults lets a version fail until it is out of service, one bar after the
// other, and looks at what is kept of it.
func threeFaults(t *testing.T, kind string, wasm []byte) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", wasm))
	if got := b.values(); strings.Contains(got, "problem") {
		t.Fatal(got)
	}
	b.post("activate", `{"version":"1.1.0","now":true}`)
	rec := b.record("1.1.0")
	b.next = (rec.From-begin)/60_000 + 1
	b.until(verOf(rec), func() string { b.close(1); return b.values() })
	fatal := func() string {
		b.next++
		r := bar(b.next)
		r.Value = []byte(strings.Replace(string(r.Value), `"n":`, `"n":777,"was":`, 1))
		b.engine.hub().Apply(0, []serve.Record{r})
		b.values()
		return fmt.Sprint(b.record("1.1.0").State, b.record("1.0.0").State)
	}
	// The first fault is kept before the clock goes on: a strike whose lock is late
	// is not entered.
	fatal()
	if !soon(func() bool {
		b.values()
		return strings.Contains(b.do(call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.1.0/repros"}).Body.String(), kind)
	}) {
		t.Error("the first fault is not kept")
	}
	b.until("quarantinedactive", fatal)
	values := ""
	if !soon(func() bool { values = b.values(); return !strings.Contains(values, `"problem"`) }) { // the record comes first
		t.Errorf("values after the rollback: %s", values)
	}
	got := b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.1.0/repros"}).Body.String()
	if !strings.Contains(got, `"fault":"`+kind+`"`) {
		t.Errorf("the fault is not named: %s", got)
	}
}

func TestVersionsTakeTurnsAgainAndAgain(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "other")))
	b.values()
	for i := range 4 {
		version := fmt.Sprintf("1.%d.0", 1-i%2)
		b.post("activate", fmt.Sprintf(`{"version":%q,"now":true}`, version))
		rec := b.record(version)
		b.next = max(b.next, (rec.From-begin)/60_000+1)
		b.until(verOf(rec), func() string { b.close(1); return b.values() })
	}
}

// A thousand changes of version while bars close: every bar has one value, and
// the guests hold no more memory than after the first ones.
func TestAThousandChangesOfVersionLoseNothing(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	b.values()
	hub, d := b.engine.hub(), b.engine.compute.demand
	var modules []*wasmhost.Module
	for _, version := range []string{"1.0.0", "1.1.0"} {
		m, err := d.load(t.Context(), sumModule("my-sum", version, ""), "default")
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, m)
	}
	var early int64
	for i := range 1000 {
		m := modules[(i+1)%2]
		b.next++
		from := begin + b.next*60_000
		d.mean("my-sum", []meant{{from: from - 1, module: modules[i%2]}, {from: from, module: m}})
		hub.Supersede("my-sum")
		if !soon(func() bool { return hub.Compare("my-sum").Series > 0 }) {
			t.Fatalf("change %d is not prepared", i)
		}
		hub.Apply(0, []serve.Record{bar(b.next)})
		if got := b.values(); !strings.Contains(got, `"ver":"`+m.Ver()+`"`) || strings.Contains(got, "null") {
			t.Fatalf("change %d: %.200s, want %s", i, got, m.Ver())
		}
		if i == 10 {
			early = d.memory()
		}
	}
	if !soon(func() bool { return d.memory() <= early }) || early == 0 { // the last one may still be on its way out
		t.Errorf("the guests hold %d bytes, after 10 changes it were %d", d.memory(), early)
	}
	w, _ := ask(t, b.klines, "GET", "/v1/values?sym=BTCUSD&itv=1m&closed=1&limit=5000&ind=my-sum/running_sum")
	if rows := strings.Count(w.Body.String(), "],[") + 1; rows != 1000 {
		t.Errorf("%d rows of the 1,000 bars in memory", rows)
	}
}
