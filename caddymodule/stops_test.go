package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// operated is a bed whose user op may stop modules, and everybody else uploads them.
func operated(b *turnBed) *turnBed {
	b.Authors, b.Publishers, b.Operators = []string{everybody}, []string{everybody}, []string{"op"}
	b.prepare()
	b.limiter = newLimiter(b.clock, 1e6, 1_000_000)
	return b
}

func (b *uploadBed) kill(method, path, body string, want int) string {
	b.t.Helper()
	c := call{user: "op", method: method, path: "/v1/modules/_kills" + path, header: []string{"Content-Type", "application/json"}}
	if body != "" {
		c.body = []byte(body)
	}
	return b.expect(want, "", c).Body.String()
}

// A kill ends values at once and bars go on; a new version is not even taken;
// lifting brings the values back as they were.
func TestAKilledModuleHasNoValuesUntilItIsLifted(t *testing.T) {
	for _, path := range []string{"/module/my-sum", "/tenant/default", "/all"} {
		b := operated(newTurnBed(t))
		b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
		before := b.values()
		list := b.kill(http.MethodPut, path, `{"reason":"<script>alert(1)</script>"}`, 200)
		if !strings.Contains(list, `"by":"op"`) || strings.Contains(list, "<script>") {
			t.Errorf("%s: answer %s", path, list)
		}
		if got := b.values(); !strings.Contains(got, "the operator has stopped it") {
			t.Errorf("%s: a request computes: %s", path, got)
		}
		if memory := b.engine.compute.demand.memory(); memory > 64<<20 {
			t.Errorf("%s: its guests are alive: %d bytes", path, memory)
		}
		if got := b.module(); !strings.Contains(got, `"state":"stopped"`) || !strings.Contains(got, `"stopped":{"scope"`) || strings.Contains(got, `"op"`) {
			t.Errorf("%s: the module says %s", path, got)
		}
		b.expect(403, "stopped", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "")))
		b.expect(403, "stopped", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(`{"version":"1.0.0","now":true}`)})
		bars, _ := ask(t, b.klines, "GET", "/v1/values?sym=BTCUSD&itv=1m&ind=sma(20)")
		if bars.Code != 200 {
			t.Errorf("%s: bars and configured indicators: %d %s", path, bars.Code, bars.Body)
		}
		b.kill(http.MethodDelete, path, "", 200)
		if got := b.values(); got != before {
			t.Errorf("%s: lifted, the values are %s, before %s", path, got, before)
		}
		if got := b.module(); !strings.Contains(got, `"state":"active"`) || strings.Contains(got, "stopped") {
			t.Errorf("%s: lifted, the module says %s", path, got)
		}
		b.kill(http.MethodDelete, path, "", 404)
	}
}

// Another node, or this one after a restart, reads what is stopped before it
// computes anything.
func TestWhatIsStoppedStaysStoppedOnOtherNodes(t *testing.T) {
	b := operated(newTurnBed(t))
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.0", "")})
	other := registry.New(registry.Config{Storage: &fileStore{dir: b.dir}, Now: clock.Real().Now})
	if err := other.Stop(t.Context(), registry.Kill{Scope: registry.ScopeModule, Name: "my-sum"}); err != nil {
		t.Fatal(err)
	}
	began := b.clock.Now()
	b.until("no module my-sum is active", b.values)
	t.Logf("stopped after %v of the clock", b.clock.Now().Sub(began))
	turns := b.engine.compute.turns
	fresh := newActivation(t.Context(), b.engine.compute.modules.registry, b.engine.compute.demand, b.clock)
	fresh.hub, fresh.log, fresh.lead, fresh.listed = turns.hub, turns.log, turns.lead, turns.listed
	kills, err := other.Kills(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fresh.stop(kills)
	if _, err := fresh.refresh(t.Context(), "my-sum"); err != nil {
		t.Fatal(err)
	}
	if len(fresh.loaded) > 0 || !fresh.shown["my-sum"].halted {
		t.Errorf("after a restart it is loaded: %v", fresh.shown)
	}
}

func TestOnlyOperatorsStopModules(t *testing.T) {
	b := operated(newTurnBed(t))
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	for _, c := range []struct {
		user, method, path, code string
		status                   int
	}{
		{"ann", "PUT", "/all", "forbidden", 403},
		{"ann", "DELETE", "/all", "forbidden", 403},
		{"ann", "GET", "", "forbidden", 403},
		{"", "PUT", "/all", "unauthenticated", 401},
		{"op", "PUT", "/module/A", "bad-parameter", 400},
		{"op", "PUT", "/module/..%2f", "unknown-route", 404},
		{"op", "PUT", "/tenant/nobody", "unknown-tenant", 404},
		{"op", "PUT", "/world", "unknown-route", 404},
		{"op", "POST", "/all", "method-not-allowed", 405},
		{"op", "DELETE", "/module/my-sum", "unknown-module", 404},
	} {
		b.expect(c.status, c.code, call{user: c.user, method: c.method, path: "/v1/modules/_kills" + c.path})
	}
	b.kill(http.MethodPut, "/all", `{"reason":1}`, 400)
	b.kill(http.MethodPut, "/all", `{"why":"x"}`, 400)
	if got := b.kill(http.MethodGet, "", "", 200); got != `{"kills":[]}` {
		t.Errorf("kills %s", got)
	}
	b.expect(403, "forbidden", call{user: "op", method: "PUT", path: "/v1/modules/_kills/all", header: []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}})
}

// Whoever may stop modules has to learn from the page that he may, and sees no
// more for it.
func TestAnOperatorAloneIsToldThatHeIsOne(t *testing.T) {
	b := operated(newTurnBed(t))
	b.Authors, b.Publishers = []string{"ann"}, []string{"ann"}
	b.prepare()
	b.limiter = newLimiter(b.clock, 1e6, 1_000_000)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	got := b.expect(200, "", call{user: "op", method: "GET", path: "/v1/modules"}).Body.String()
	if !strings.Contains(got, `"operator":true`) || !strings.Contains(got, `"author":false`) || strings.Contains(got, "my-sum") {
		t.Errorf("the list of an operator: %s", got)
	}
	b.expect(403, "forbidden", call{user: "op", method: "GET", path: "/v1/modules/my-sum"})
	b.expect(403, "forbidden", call{user: "eve", method: "GET", path: "/v1/modules"})
	if got := b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules"}).Body.String(); !strings.Contains(got, `"operator":false`) || !strings.Contains(got, "my-sum") {
		t.Errorf("the list of an author: %s", got)
	}
}

// A fault of a running module is kept whole, and done again it fails in the same
// way.
func TestAFaultCanBeRepeatedAtHome(t *testing.T) {
	for fault, module := range map[wasmhost.Fault]func(version string) []byte{
		wasmhost.FaultTrap: trapping, wasmhost.FaultSystem: systemCalling, wasmhost.FaultGrowth: growing,
	} {
		t.Run(fault.String(), func(t *testing.T) { repeatedAtHome(t, fault, module("1.0.0")) })
	}
}

func repeatedAtHome(t *testing.T, fault wasmhost.Fault, wasm []byte) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: wasm})
	b.values()
	turns := b.engine.compute.turns
	p, err := b.engine.compute.demand.Program("my-sum/running_sum")
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := p.Start(60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	bars := fiveBars()
	bars[3].N = 777
	out, flags := make([]float64, len(bars)), make([]bool, len(bars))
	n, err := cursor.Run(bars, out, flags)
	slot, ok := asSlot(err)
	if n != 3 || !ok || slot.Case == nil {
		t.Fatalf("%d bars, %v", n, err)
	}
	b.engine.compute.demand.Fault(p, "BTCUSD", "1m", err)
	var list reprosBody
	soon(func() bool {
		body := b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.0/repros"}).Body.Bytes()
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatal(err)
		}
		return len(list.Repros) > 0
	})
	if len(list.Repros) != 1 {
		t.Fatalf("repros %+v", list)
	}
	if got := list.Repros[0]; got.Fault != fault.String() || got.Indicator != "my-sum/running_sum" || got.IntervalMS != 60_000 || got.T != bars[3].OpenTime || got.Text != slot.Text {
		t.Errorf("told of it: %+v", got)
	}
	if got := b.module(); !strings.Contains(got, `"faults":1`) {
		t.Errorf("the version does not say that there is a fault: %s", got)
	}
	link := list.Repros[0].Links["repro"]
	w := b.expect(200, "", call{user: "ann", method: "GET", path: link})
	if h := w.Header(); h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("header %v", h)
	}
	repro, err := vet.DecodeRepro(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if repro.Bar.Trades != 777 || repro.IntervalMS != 60_000 || repro.Fault != fault.String() || repro.Expression != "my-sum/running_sum" || string(repro.State) != string(slot.Case.State) {
		t.Errorf("repro %+v", repro)
	}
	got, err := vet.Replay(t.Context(), wasm, repro, vet.Options{})
	if err != nil || !got.Same(repro) {
		t.Errorf("done again: %+v, %v", got, err)
	}
	dir := t.TempDir()
	module, file := filepath.Join(dir, "x.wasm"), filepath.Join(dir, "repro.json")
	for name, data := range map[string][]byte{module: wasm, file: w.Body.Bytes()} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, err := repeatFault(t.Context(), wasm, file); code != 0 || err != nil {
		t.Errorf("the command: %d, %v", code, err)
	}
	repro.Bar.Trades = 5
	got, err = vet.Replay(t.Context(), wasm, repro, vet.Options{})
	if err != nil || got.Fault != "" {
		t.Errorf("another bar: %+v, %v", got, err)
	}
	b.Tenants = []Tenant{{Name: "rivals", Users: []string{"eve"}}}
	b.prepare()
	b.expect(404, "unknown-module", call{user: "eve", method: "GET", path: link})
	b.expect(404, "unknown-module", call{user: "eve", method: "GET", path: "/v1/modules/my-sum/1.0.0/repros"})
	b.expect(404, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.0/repros/..%2f..%2fx.json"})
	if turns.strikes["my-sum"] == nil {
		t.Error("the strike was not counted")
	}
}

// In a chain the module that failed has the strike, not the one that reads it:
// else whoever uploads could take other tenants' modules out of service.
func TestAFaultInAChainIsThatOfWhoFailed(t *testing.T) {
	b := newTurnBed(t)
	b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: trapping("1.0.0")})
	b.expect(201, "", call{user: "bob", method: "PUT", path: "/v1/modules/other-sum?activate=1", body: sumModule("other-sum", "1.0.0", "")})
	p, err := b.engine.compute.demand.Program("other-sum/running_sum(src=my-sum/running_sum)")
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := p.Start(60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	bars := fiveBars()
	bars[1].N = 777
	_, err = cursor.Run(bars, make([]float64, len(bars)), make([]bool, len(bars)))
	if err == nil {
		t.Fatal("no fault")
	}
	turns := b.engine.compute.turns
	count := func(module string) int {
		turns.mu.Lock()
		defer turns.mu.Unlock()
		return len(turns.strikes[module].at)
	}
	b.engine.compute.demand.Fault(p, "BTCUSD", "1m", err)
	soon(func() bool { return count("my-sum") > 0 })
	if count("my-sum") != 1 || count("other-sum") != 0 {
		t.Errorf("strikes: %d of the module that failed, %d of the one that reads it", count("my-sum"), count("other-sum"))
	}
}

func asSlot(err error) (*wasmhost.SlotError, bool) { return errors.AsType[*wasmhost.SlotError](err) }

// fiveBars are what a program is run over.
func fiveBars() []core.Bar {
	bars := make([]core.Bar, 5)
	for i := range bars {
		bars[i] = core.Bar{OpenTime: begin + int64(i)*60_000, Open: 1, High: 3, Low: 1, Close: 2, Volume: 1, N: 3}
	}
	return bars
}
