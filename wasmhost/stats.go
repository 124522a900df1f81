package wasmhost

import "sync/atomic"

// Stats counts what a module did since it was loaded, on all shards.
type Stats struct {
	Bars      uint64 // closed bars, backfill included
	Previews  uint64 // previews
	Infinite  uint64 // outputs that were infinite and became no value
	Errors    uint64 // results below 0 and broken results
	Traps     uint64 // calls that ended in a fault, whatever its kind; each costs an instance
	NoFuel    uint64 // those of them that were out of fuel
	NoStack   uint64 // those of them that were out of stack
	Fuel      uint64 // units of fuel that updates and previews used
	StubCalls uint64 // calls of system functions during updates; a conforming module makes none
	Growths   uint64 // growths of memory during updates; a conforming module makes none
}

// counters are the plain numbers of one guest between two calls.
type counters struct {
	bars, previews, infinite, errors, traps, noFuel, noStack, fuel, stubCalls, growths uint64
}

type stats struct {
	bars, previews, infinite, errors, traps, noFuel, noStack, fuel, stubCalls, growths atomic.Uint64
}

// trapped counts a trap.
func (c *counters) trapped(f Fault) {
	c.traps++
	switch f {
	case FaultFuel:
		c.noFuel++
	case FaultStack:
		c.noStack++
	case FaultNone, FaultTrap, FaultPanic, FaultSystem, FaultGrowth:
	}
}

// Stats returns the counters of the module.
func (m *Module) Stats() Stats {
	return Stats{
		Bars:      m.stats.bars.Load(),
		Previews:  m.stats.previews.Load(),
		Infinite:  m.stats.infinite.Load(),
		Errors:    m.stats.errors.Load(),
		Traps:     m.stats.traps.Load(),
		NoFuel:    m.stats.noFuel.Load(),
		NoStack:   m.stats.noStack.Load(),
		Fuel:      m.stats.fuel.Load(),
		StubCalls: m.stats.stubCalls.Load(),
		Growths:   m.stats.growths.Load(),
	}
}

// add moves the counters of a guest to the module. Most of them are 0 nearly
// always, and an atomic add on a line that all shards share is not free.
func (s *stats) add(c *counters) {
	addTo(&s.bars, c.bars)
	addTo(&s.previews, c.previews)
	addTo(&s.infinite, c.infinite)
	addTo(&s.errors, c.errors)
	addTo(&s.traps, c.traps)
	addTo(&s.noFuel, c.noFuel)
	addTo(&s.noStack, c.noStack)
	addTo(&s.fuel, c.fuel)
	addTo(&s.stubCalls, c.stubCalls)
	addTo(&s.growths, c.growths)
	*c = counters{}
}

func addTo(a *atomic.Uint64, n uint64) {
	if n != 0 {
		a.Add(n)
	}
}
