package wasmhost

import (
	"strings"
	"testing"
)

// extremes are the expressions of an indicator with each parameter at its
// largest, alone and all together.
func extremes(ind *Indicator) []string {
	var out, all []string
	for i := range ind.Params {
		p := &ind.Params[i]
		switch {
		case p.Max != nil:
			all = append(all, p.Name+"="+p.text(*p.Max))
		case p.Type == "enum":
			for _, o := range p.Options {
				out = append(out, ind.Name+"("+p.Name+"="+o+")")
			}
			continue
		default:
			continue
		}
		out = append(out, ind.Name+"("+all[len(all)-1]+")")
	}
	return append(out, ind.Name, ind.Name+"("+strings.Join(all, ",")+")")
}

// A bar that needs more than its budget would fail on every node; one that
// needs it only in the company of others would depend on who they are.
func TestBuiltinsStayFarBelowTheFuelOfABar(t *testing.T) {
	h, m := builtinHost(t, Config{Shards: 1})
	s := h.Shard(0)
	bars := randomBars(3, 6000)
	name := ""
	worst := int64(0)
	for i := range m.Manifest.Indicators {
		for _, expr := range extremes(m.Manifest.Indicators[i]) {
			inst, err := h.Resolve(expr)
			if err != nil {
				continue // not every combination is a valid choice
			}
			slot := open(t, s, inst)
			g := s.slots.at(slot.index).slab.guest
			out := make([]float64, len(inst.Outputs))
			for i := range bars {
				j := []Job{{Slot: slot, Bar: &bars[i], Out: out}}
				if err := s.Apply(j); err != nil || j[0].RC < 0 {
					t.Fatalf("%s, bar %d: %v, %v", expr, i, err, s.Failure(slot))
				}
				if used := fuelBar - g.meter.left(); used > worst {
					worst, name = used, expr
				}
			}
			if err := s.Close(slot); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("at most %d units for a bar, in %s", worst, name)
	if worst == 0 || worst > fuelBar/2 {
		t.Errorf("%s needs %d units for a bar, the budget is %d", name, worst, fuelBar)
	}
}

// Fuel is part of what decides whether a bar has a value, so every machine
// must count the same: both engines, with and without company.
func TestFuelIsCountedTheSameOnBothEngines(t *testing.T) {
	bars := randomBars(9, 120)
	count := func(cfg Config, way func(*Shard, []Slot)) uint64 {
		h, m := builtinHost(t, cfg)
		s := h.Shard(0)
		var slots []Slot
		for _, expr := range builtinExpressions() {
			slots = append(slots, open(t, s, resolve(t, h, expr)))
		}
		way(s, slots)
		return m.Stats().Fuel
	}
	single := func(s *Shard, slots []Slot) {
		for i := range bars {
			for _, slot := range slots {
				out := make([]float64, s.slots.at(slot.index).kind.values)
				if err := s.Apply([]Job{{Slot: slot, Bar: &bars[i], Out: out}}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	backfill := func(s *Shard, slots []Slot) {
		for _, slot := range slots {
			values := s.slots.at(slot.index).kind.values
			if _, err := s.Backfill(slot, bars, make([]float64, values*len(bars)), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, way := range map[string]func(*Shard, []Slot){"bar by bar": single, "backfill": backfill} {
		fast, slow := count(Config{Shards: 1}, way), count(Config{Shards: 1, Interpret: true}, way)
		if fast == 0 || fast != slow || fast != count(Config{Shards: 1}, way) {
			t.Errorf("%s: compiler %d units, interpreter %d", name, fast, slow)
		}
	}
}
