package caddymodule

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// Turns implements serve.Computer. Guests are asked what an expression means, so
// nothing is locked meanwhile.
func (d *demand) Turns(ctx context.Context, text string) ([]serve.Turn, error) {
	if turns, ok := d.known(text); ok {
		return turns, nil
	}
	leave, err := d.understanding.enter(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnavailable, err)
	}
	defer leave()
	d.mu.Lock()
	host, err := d.running()
	uploads, changes := d.uploads, d.changes
	d.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnavailable, err)
	}
	modules := modulesOf(text, maxChain)
	froms := uploads.changes(modules)
	name, err := d.name(ctx, host, uploads, froms, text)
	if ctx.Err() == nil && err != nil {
		return nil, err
	}
	turns, ok := d.known(name) // of another spelling
	if !ok && err == nil {
		turns = d.compileTurns(ctx, host, uploads, modules, froms, name)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnavailable, err)
	}
	d.remember(changes, turns, text, name)
	return turns, nil
}

func (d *demand) known(text string) ([]serve.Turn, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	turns, ok := d.turns[text]
	return turns, ok
}

// remember keeps what texts mean, unless versions have changed meanwhile.
func (d *demand) remember(changes int, turns []serve.Turn, texts ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changes != changes {
		return
	}
	if len(d.turns) >= maxPrograms {
		clear(d.turns)
	}
	for _, text := range texts {
		d.turns[text] = turns
	}
}

// Program is the newest of the turns of an expression.
func (d *demand) Program(text string) (serve.Program, error) {
	turns, err := d.Turns(context.Background(), text)
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
func (u meanings) changes(modules []string) []int64 {
	var out []int64
	for _, name := range modules {
		for _, m := range u[name] {
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
func (u meanings) at(t int64) uploaded {
	out := uploaded{}
	for name, turns := range u {
		n := sort.Search(len(turns), func(i int) bool { return turns[i].from > t })
		out[name] = turns[max(n-1, 0)]
	}
	return out
}

func (u meanings) newest() uploaded { return u.at(math.MaxInt64) }

// name is the canonical name of an expression. One that is canonical in any version
// means itself: a reader who was there before a version with one more parameter goes
// on with what he asked for. Any other is that of the newest version that knows it,
// whose indicators and defaults are listed.
func (d *demand) name(ctx context.Context, host *wasmhost.Host, uploads meanings, froms []int64, text string) (string, error) {
	var newest string
	var first error
	for _, from := range slices.Backward(froms) {
		p, err := d.compile(ctx, host, uploads.at(from), text, maxChain)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
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
func (d *demand) compileTurns(ctx context.Context, host *wasmhost.Host, uploads meanings, modules []string, froms []int64, name string) []serve.Turn {
	var turns []serve.Turn
	for _, from := range froms {
		if ctx.Err() != nil {
			return nil
		}
		in := uploads.at(from)
		t := serve.Turn{From: from, Key: in.key(modules)}
		if t.Err = in.gone(modules); t.Err == nil {
			t.Program, t.Err = d.compile(ctx, host, in, name, maxChain)
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
