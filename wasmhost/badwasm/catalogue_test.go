package badwasm_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// Every module of the catalogue meets the verdict of its row before anything
// is compiled. How fast is for benchmarks to say: here tests of other packages
// run at the same time, and a module that hangs the guard ends the run.
func TestGuardMeetsTheCatalogue(t *testing.T) {
	rules := guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()}
	names, rows := map[string]bool{}, map[string]int{}
	for a := range badwasm.Catalogue() {
		if names[a.Name] {
			t.Errorf("%s: the name is there twice", a.Name)
		}
		names[a.Name] = true
		rows[a.Row]++
		out, _, err := guard.Instrument(a.Bytes, rules)
		var f *guard.Finding
		switch {
		case err != nil && (!errors.As(err, &f) || f.Code == guard.CodeInternal || f.Message == "" || f.Offset < 0 || f.Offset > len(a.Bytes)):
			t.Errorf("%s: %v is no finding", a.Name, err)
		case a.Want == badwasm.Refused && err == nil:
			t.Errorf("%s: passed (%d bytes, %d rewritten)", a.Name, len(a.Bytes), len(out))
		case a.Want == badwasm.Refused && a.Code != "" && string(f.Code) != a.Code:
			t.Errorf("%s: refused as %s (%v), want %s", a.Name, f.Code, f, a.Code)
		case a.Want != badwasm.Refused && a.Want != badwasm.Survives && err != nil:
			t.Errorf("%s: refused: %v", a.Name, err)
		}
	}
	t.Logf("%d modules: %v", len(names), rows)
	if len(names) < 3000 {
		t.Errorf("%d modules, the catalogue promises 3000", len(names))
	}
	for _, row := range badwasm.Rows() {
		if rows[row] == 0 {
			t.Errorf("row %s has no module: %v", row, slices.Sorted(maps.Keys(rows)))
		}
		delete(rows, row)
	}
	if len(rows) > 0 {
		t.Errorf("rows without a name: %v", rows)
	}
}

// What the guard passes, the runtime compiles: a module that only the runtime
// refuses has been read by a parser that trusts counts.
func TestWhatTheGuardPassesCompiles(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2&^api.CoreFeatureReferenceTypes))
	defer rt.Close(ctx)
	rules := guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()}
	passed := 0
	for a := range badwasm.Catalogue() {
		out, _, err := guard.Instrument(a.Bytes, rules)
		if err != nil || a.Row == "W16" {
			continue
		}
		passed++
		cm, err := rt.CompileModule(ctx, out)
		if err != nil {
			t.Errorf("%s: the guard passed what does not compile: %v", a.Name, err)
			continue
		}
		if err := cm.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	if passed < 100 {
		t.Errorf("only %d modules passed", passed)
	}
}

func TestCatalogueIsAlwaysTheSame(t *testing.T) {
	next, stop := 0, 400
	var first []badwasm.Attack
	for a := range badwasm.Catalogue() {
		first = append(first, a)
		if len(first) == stop {
			break
		}
	}
	for a := range badwasm.Catalogue() {
		if next == len(first) {
			break
		}
		if b := first[next]; a.Name != b.Name || string(a.Bytes) != string(b.Bytes) {
			t.Fatalf("module %d is %s, it was %s", next, a.Name, b.Name)
		}
		next++
	}
}
