package caddymodule

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// Turns implements serve.Computer.
func (d *demand) Turns(text string) ([]serve.Turn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if turns, ok := d.turns[text]; ok {
		return turns, nil
	}
	host, err := d.running()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnavailable, err)
	}
	modules := modulesOf(text, maxChain)
	froms := d.changes(modules)
	name, err := d.name(host, froms, text)
	if err != nil {
		return nil, err
	}
	if len(d.turns) >= maxPrograms {
		clear(d.turns)
	}
	turns, ok := d.turns[name] // of another spelling
	if !ok {
		turns = d.compileTurns(host, modules, froms, name)
		d.turns[name] = turns
	}
	d.turns[text] = turns
	return turns, nil
}

// Program is the newest of the turns of an expression.
func (d *demand) Program(text string) (serve.Program, error) {
	turns, err := d.Turns(text)
	if err != nil {
		return nil, err
	}
	last := turns[len(turns)-1]
	return last.Program, last.Err
}

// modulesOf lists the uploaded modules that an expression names.
func modulesOf(text string, depth int) []string {
	outer, inner, chained, err := splitSource(text)
	if err != nil || depth == 0 {
		return nil
	}
	var out []string
	if name, err := wasmhost.ModuleOf(outer); err == nil && name != "" && name != builtinModule {
		out = append(out, name)
	}
	if chained {
		out = append(out, modulesOf(inner, depth-1)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// changes lists the times at which one of the modules changes its version,
// ascending, at least one.
func (d *demand) changes(modules []string) []int64 {
	var out []int64
	for _, name := range modules {
		for _, m := range d.uploads[name] {
			out = append(out, m.from)
		}
	}
	if len(out) == 0 {
		return []int64{0}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// at are the versions of all modules for bars that open at t.
func (d *demand) at(t int64) uploaded {
	out := uploaded{}
	for name, turns := range d.uploads {
		n := sort.Search(len(turns), func(i int) bool { return turns[i].from > t })
		out[name] = turns[max(n-1, 0)]
	}
	return out
}

func (d *demand) newest() uploaded { return d.at(math.MaxInt64) }

// name is the canonical name of an expression. One that is canonical in any version
// means itself: a reader who was there before a version with one more parameter goes
// on with what he asked for. Any other is that of the newest version that knows it,
// whose indicators and defaults are listed.
func (d *demand) name(host *wasmhost.Host, froms []int64, text string) (string, error) {
	var newest string
	var first error
	for _, from := range slices.Backward(froms) {
		p, err := d.compile(host, d.at(from), text, maxChain)
		switch {
		case err != nil:
			first = cmp.Or(first, err)
		case p.Meta().Name == text:
			return text, nil
		case newest == "":
			newest = p.Meta().Name
		}
	}
	if newest != "" {
		return newest, nil
	}
	return "", first
}

// compileTurns compiles an expression in the versions of each time. Versions
// before the first one that knows it are left out: they have no values of it
// that another node could show.
func (d *demand) compileTurns(host *wasmhost.Host, modules []string, froms []int64, name string) []serve.Turn {
	var turns []serve.Turn
	for _, from := range froms {
		in := d.at(from)
		t := serve.Turn{From: from, Key: in.key(modules)}
		if t.Err = in.gone(modules); t.Err == nil {
			t.Program, t.Err = d.compile(host, in, name, maxChain)
			if t.Err != nil && len(turns) == 0 {
				continue
			}
		}
		if n := len(turns); n == 0 || turns[n-1].Key != t.Key {
			turns = append(turns, t)
		}
	}
	return turns
}

// key tells versions of modules apart.
func (u uploaded) key(modules []string) string {
	var b strings.Builder
	for _, name := range modules {
		switch m := u[name]; {
		case m.module != nil:
			fmt.Fprintf(&b, "%s %s %x\n", name, m.module.Tenant, m.module.SHA256)
		default:
			fmt.Fprintf(&b, "%s none: %v\n", name, m.err)
		}
	}
	return b.String()
}

// gone is why one of the modules has no version, nil if all have.
func (u uploaded) gone(modules []string) error {
	for _, name := range modules {
		if m := u[name]; m.module == nil && m.err != nil {
			return fmt.Errorf("no module %s is active: %w", cut(name), m.err)
		}
	}
	return nil
}
