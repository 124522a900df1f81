package vet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// The layout of the region through which a rig talks to its instance. Between
// the parts there is room that nobody may write to.
const (
	region = 1 << 20 // as a host asks for it
	zone   = 64      // bytes on each side of what an update may write

	atCfg    = 64
	atParams = 192
	atBar    = 1024
	atRow    = 2048
	atJobs   = 4096
	atBars   = 64 << 10
	atRows   = 384 << 10

	maxJobs = 1024 // of one batch, or bars of one chunk
	rowSize = 16 * 8
)

// rig is one instance with memory laid out as a host does it: one region for
// what goes in and out, one for states. Both are poisoned, so that every write
// outside of the allowed bytes is seen.
type rig struct {
	v       *vetter
	g       *wasmhost.ProbeGuest
	fill    byte
	blank   [4096]byte // poison to compare with
	before  []byte     // the state before the last update, if it is small
	io      uint32
	slots   uint32
	next    uint32 // first free byte of slots
	regions [][2]uint64
	manual  bool // the check looks after results below 0 itself
}

// rigKind are the two ways to lay out a rig: what a module computes must not
// depend on it.
type rigKind struct {
	fill byte
	skew uint32 // bytes asked for first, which moves everything else
}

func plainRig() rigKind { return rigKind{fill: 0xa5} }
func otherRig() rigKind { return rigKind{fill: 0x41, skew: 4112} }

// newRig opens an instance, initialises it and takes its memory.
func (v *vetter) newRig(p *wasmhost.Probe, kind rigKind) (*rig, error) {
	if err := v.alive(); err != nil {
		return nil, err
	}
	g, err := start(p)
	if err != nil {
		return nil, err
	}
	r := &rig{v: v, g: g, fill: kind.fill}
	for i := range r.blank {
		r.blank[i] = kind.fill
	}
	if kind.skew > 0 {
		if _, err := r.alloc(kind.skew); err != nil {
			r.close()
			return nil, err
		}
	}
	for _, at := range []*uint32{&r.io, &r.slots} {
		if *at, err = r.alloc(region); err != nil {
			r.close()
			return nil, err
		}
	}
	r.poison(r.io, region)
	r.poison(r.slots, region)
	return r, nil
}

// start opens an instance and calls _initialize.
func start(p *wasmhost.Probe) (*wasmhost.ProbeGuest, error) {
	g, err := p.Open()
	if err != nil {
		if errors.Is(err, wasmhost.ErrProbeStart) {
			return nil, faultf(CodeStart, "%v", err)
		}
		return nil, err
	}
	if g.Has("_initialize") {
		if _, err := g.Call("_initialize", wasmhost.ProbeFuel("_initialize")); err != nil {
			g.Close()
			return nil, trapped("_initialize", err)
		}
	}
	return g, nil
}

func (r *rig) close() { r.g.Close() }

// trapped turns the end of a call into a fault.
func trapped(export string, err error) error {
	var trap *wasmhost.ProbeTrap
	if !errors.As(err, &trap) {
		return err
	}
	code := map[wasmhost.Fault]Code{
		wasmhost.FaultFuel: CodeFuel, wasmhost.FaultStack: CodeStack, wasmhost.FaultPanic: CodePanic,
	}[trap.Fault]
	if code == "" {
		code = CodeTrap
	}
	return faultf(code, "%s: %s", export, trap.Text)
}

// call runs an export of the set-up path.
func (r *rig) call(export string, args ...uint64) (int32, error) {
	if err := r.v.alive(); err != nil {
		return 0, err
	}
	got, err := r.g.Call(export, wasmhost.ProbeFuel(export), args...)
	r.v.fuel += r.g.Used()
	if err != nil {
		return 0, trapped(export, err)
	}
	return int32(uint32(got)), nil
}

// alloc asks for memory and does not believe the answer.
func (r *rig) alloc(n uint32) (uint32, error) {
	got, err := r.call("kl_alloc", uint64(n))
	if err != nil {
		return 0, err
	}
	at := uint64(uint32(got))
	end := at + uint64(n)
	switch {
	case at == 0:
		return 0, faultf(CodeNoMemory, "kl_alloc(%d) returns 0 at %d bytes of memory, the instance may have %d", n, len(r.g.Memory()), r.g.Limit())
	case at%16 != 0:
		return 0, faultf(CodeAlloc, "kl_alloc(%d) returns %#x, which is not a multiple of 16", n, at)
	case end > uint64(len(r.g.Memory())):
		return 0, faultf(CodeAlloc, "kl_alloc(%d) returns %#x: the region ends behind the memory of %d bytes", n, at, len(r.g.Memory()))
	}
	for _, o := range r.regions {
		if at < o[1] && o[0] < end {
			return 0, faultf(CodeAlloc, "kl_alloc(%d) returns %#x, which overlaps an earlier region at %#x", n, at, o[0])
		}
	}
	r.regions = append(r.regions, [2]uint64{at, end})
	return uint32(at), nil
}

// view is part of the memory, valid until the next call.
func (r *rig) view(at, n uint32) []byte { return r.g.Memory()[at : at+n : at+n] }

func (r *rig) poison(at, n uint32) {
	for b := r.view(at, n); len(b) > 0; {
		b = b[copy(b, r.blank[:]):]
	}
}

// intact returns the first of n bytes, at most 4096, that is no poison, or -1.
func (r *rig) intact(at, n uint32) int {
	b := r.view(at, n)
	if bytes.Equal(b, r.blank[:n]) {
		return -1
	}
	return slices.IndexFunc(b, func(c byte) bool { return c != r.fill })
}

// configure writes the configuration of a subject and returns its address.
func (r *rig) configure(s *subject, from uint32) uint64 {
	return r.configureRaw(s.ind, s.params, from)
}

func (r *rig) configureRaw(ind *wasmhost.Indicator, params []float64, from uint32) uint64 {
	wasmhost.PutCfg(r.view(r.io+atCfg, wasmhost.CfgSize), ind, params, r.io+atParams, series(), from)
	for i, p := range params {
		binary.LittleEndian.PutUint64(r.view(r.io+atParams+uint32(i)*8, 8), math.Float64bits(p))
	}
	return uint64(r.io + atCfg)
}

// series is what the bars of all checks are.
func series() wasmhost.Series { return wasmhost.Series{IntervalMS: 60_000, TickSize: 0.01} }

// slot takes room for the state of a subject and initialises it.
func (r *rig) slot(s *subject) (uint32, error) {
	at := r.room(uint32(s.size))
	return at, r.init(s, at)
}

// room takes bytes between two zones of poison. When all is taken it begins
// anew: the states of earlier checks are done with.
func (r *rig) room(size uint32) uint32 {
	need := zone + (size+15)&^15 + zone
	if r.next+need > region {
		r.next = 0
		r.poison(r.slots, region)
	}
	at := r.slots + r.next + zone
	r.next += need
	return at
}

// free gives all slots back.
func (r *rig) free() {
	r.poison(r.slots, r.next)
	r.next = 0
}

// init seeds the state at an address.
func (r *rig) init(s *subject, at uint32) error {
	rc, err := r.call("kl_init", r.configure(s, 0), uint64(at))
	switch {
	case err != nil:
		return err
	case rc < 0:
		return faultf(CodeInit, "kl_init: %s", r.explain(rc))
	case rc > 0:
		return faultf(CodeResult, "kl_init returns %d: 0 is the only result that is no error", rc)
	}
	return nil
}

// explain gives the words of the module about a result below 0.
func (r *rig) explain(rc int32) string {
	said := fmt.Sprintf("code %d", rc)
	if !r.g.Has("kl_error") {
		return said
	}
	text, err := r.text("kl_error", maxErrorText)
	if err != nil || len(text) == 0 {
		return said
	}
	return fmt.Sprintf("%s: %q", said, text)
}

// text copies what a function points to.
func (r *rig) text(export string, limit uint64) ([]byte, error) {
	_, text, err := textOf(r.g, export, limit)
	return text, err
}

// textOf calls a function that returns a pointer and a length.
func textOf(g *wasmhost.ProbeGuest, export string, limit uint64) (uint64, []byte, error) {
	got, err := g.Call(export, wasmhost.ProbeFuel(export))
	if err != nil {
		return 0, nil, trapped(export, err)
	}
	ptr, n := got>>32, got&math.MaxUint32
	switch {
	case n > limit:
		return 0, nil, faultf(CodeDescribe, "%s returns %d bytes, allowed are %d", export, n, limit)
	case ptr == 0 || ptr+n > uint64(len(g.Memory())):
		return 0, nil, faultf(CodeDescribe, "%s returns %d bytes at %#x, outside of the memory of %d bytes", export, n, ptr, len(g.Memory()))
	}
	return got, bytes.Clone(g.Memory()[ptr : ptr+n]), nil
}

// state copies the state at an address.
func (r *rig) state(s *subject, at uint32) []byte { return slices.Clone(r.view(at, uint32(s.size))) }

// move copies the state of a subject from one slot to another.
func (r *rig) move(s *subject, to, from uint32) {
	copy(r.view(to, uint32(s.size)), r.view(from, uint32(s.size)))
}
