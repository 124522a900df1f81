package wasmhost

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Forever is the warm-up of an indicator whose value depends on the start of
// the series for ever.
const Forever int64 = math.MaxInt32

// Instance is an indicator of a module with all parameters chosen, such as
// macd(12,26,9). It never changes; readers must not change its slices.
type Instance struct {
	// Name is the canonical form: equal for every spelling of the same choice.
	Name      string
	Module    *Module
	Indicator *Indicator
	Params    []float64 // in manifest order
	Source    Price     // used only if the indicator reads one price
	Outputs   []string  // names of the series, without the degenerate flag
	Ver       string    // first 8 hex digits of the module's SHA-256

	// HasDegenerate tells whether values carry the flag for a zero denominator.
	HasDegenerate bool

	// Warmup is the number of bars after which the values no longer depend on
	// where the data starts (four digits), or [Forever]. It and StateSize, in
	// bytes, hold for bars of one minute; see [Host.Measure] for others.
	Warmup    int64
	StateSize int
}

// Stable tells whether the n-th bar since the seed, counted from 1, is far
// enough from the start of the data.
func (i *Instance) Stable(n int64) bool { return i.Warmup < Forever && n >= i.Warmup }

// SourceName is the canonical source expression, empty for an indicator that
// reads whole bars.
func (i *Instance) SourceName() string {
	if i.Indicator.Input != "src" {
		return ""
	}
	return i.Source.String()
}

// Param is parameter n as expressions write it: a number, a word of an enum,
// true or false.
func (i *Instance) Param(n int) string { return i.Indicator.Params[n].text(i.Params[n]) }

// Series tells an indicator what its bars are.
type Series struct {
	IntervalMS      int64   // length of a bar; 0: not time bars
	SessionOffsetMS int64   // start of the trading session after midnight UTC
	TickSize        float64 // price step; 0: unknown
}

func (s Series) check() error {
	switch {
	case s.IntervalMS < 0:
		return fmt.Errorf("interval of %d ms is negative", s.IntervalMS)
	case !(s.TickSize >= 0) || math.IsInf(s.TickSize, 0):
		return fmt.Errorf("tick size %v is not a finite number from 0", s.TickSize)
	}
	return nil
}

// ParamsHash identifies everything that decides a state except the module: the
// indicator, its parameters, the bars and the source.
func (i *Instance) ParamsHash(series Series) uint64 {
	b := []byte{byte(len(i.Indicator.Name))}
	b = append(b, i.Indicator.Name...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(i.Params)))
	for _, p := range i.Params {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(unsigned(p)))
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(series.IntervalMS))
	b = binary.LittleEndian.AppendUint64(b, uint64(series.SessionOffsetMS))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(unsigned(series.TickSize)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(i.SourceName())))
	b = append(b, i.SourceName()...)
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:8])
}

// unsigned turns -0 into 0.
func unsigned(f float64) float64 {
	if f == 0 {
		return 0
	}
	return f
}

// Measure asks the module for the warm-up in bars and the state size in bytes
// of an instance on the given bars. Parameters that the module refuses end in
// its words.
func (h *Host) Measure(inst *Instance, series Series) (warmup int64, stateSize int, err error) {
	if err := series.check(); err != nil {
		return 0, 0, fmt.Errorf("measuring %s: %w", inst.Name, err)
	}
	err = h.shards[0].do(func(s *Shard) error {
		g, err := s.guest(inst.Module)
		if err != nil {
			return err
		}
		defer s.mend(g)
		if stateSize, err = g.stateSize(inst, series); err != nil {
			return err
		}
		warmup, err = g.warmup(inst, series)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("measuring %s: %w", inst.Name, err)
	}
	return warmup, stateSize, nil
}

// configure writes the KlCfg of an instance and returns its address.
func (g *guest) configure(inst *Instance, series Series) uint64 {
	putCfg(g.view[g.io.cfg:], inst, series, g.io.params)
	for i, p := range inst.Params {
		binary.LittleEndian.PutUint64(g.view[int(g.io.params)+i*8:], math.Float64bits(p))
	}
	return uint64(g.io.cfg)
}

func (g *guest) stateSize(inst *Instance, series Series) (int, error) {
	got, err := g.call("kl_state_size", g.configure(inst, series))
	if err != nil {
		return 0, fmt.Errorf("calling kl_state_size: %w", err)
	}
	switch n := int32(uint32(got)); {
	case n < 0:
		return 0, fmt.Errorf("the module refuses these parameters: %s", g.explain(n))
	case n == 0 || n > maxState:
		return 0, fmt.Errorf("the state has %d bytes, allowed are 1 to %d", n, maxState)
	default:
		return int(n), nil
	}
}

func (g *guest) warmup(inst *Instance, series Series) (int64, error) {
	if !g.has("kl_warmup") {
		return inst.Indicator.Warmup, nil
	}
	got, err := g.call("kl_warmup", g.configure(inst, series))
	if err != nil {
		return 0, fmt.Errorf("calling kl_warmup: %w", err)
	}
	n := int32(uint32(got))
	if n < 0 {
		return 0, fmt.Errorf("the module knows no warm-up: %s", g.explain(n))
	}
	return int64(n), nil
}

// initialise seeds the state at ptr.
func (g *guest) initialise(inst *Instance, series Series, ptr uint32) error {
	got, err := g.call("kl_init", g.configure(inst, series), uint64(ptr))
	if err != nil {
		return fmt.Errorf("calling kl_init: %w", err)
	}
	switch rc := int32(uint32(got)); {
	case rc < 0:
		return fmt.Errorf("the module cannot start a series: %s", g.explain(rc))
	case rc > 0:
		return errors.New("kl_init returned a positive result, which means nothing")
	}
	return nil
}
