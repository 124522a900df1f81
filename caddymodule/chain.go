package caddymodule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// maxChain is how many indicators may stand in each other's src.
const maxChain = 4

// errNoPreview: the module gave no value for a bar in progress.
var errNoPreview = errors.New("the module failed on a bar in progress")

// splitSource takes src= out of an expression if it is an indicator and not a
// price: "rsi(14,src=ema(20))" is rsi(14) of ema(20).
func splitSource(text string) (outer, inner string, chained bool, err error) {
	head, args, open := strings.Cut(text, "(")
	if !open || !strings.HasSuffix(args, ")") {
		return text, "", false, nil
	}
	var rest []string
	for _, a := range splitArguments(args[:len(args)-1]) {
		value, ok := strings.CutPrefix(a, "src=")
		if _, price := wasmhost.ParsePrice(value); !ok || price {
			rest = append(rest, a)
			continue
		}
		if chained {
			return "", "", false, fmt.Errorf("reading indicator %q: src is given twice", cut(text))
		}
		inner, chained = value, true
	}
	if !chained {
		return text, "", false, nil
	}
	if len(rest) == 0 {
		return head, inner, true, nil
	}
	return head + "(" + strings.Join(rest, ",") + ")", inner, true, nil
}

// splitArguments cuts at the commas outside of parentheses.
func splitArguments(s string) []string {
	var out []string
	level, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			level++
		case ')':
			level--
		case ',':
			if level == 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return append(out, s[from:])
}

// chained is an indicator whose source is the first output of another one.
type chained struct {
	meta     *serve.InstanceMeta
	to, from serve.Program
}

// chain lets to read the first output of from.
func chain(to *program, from serve.Program) (serve.Program, error) {
	if to.inst.SourceName() == "" {
		return nil, &serve.ArgumentError{Err: fmt.Errorf("reading indicator %q: it reads whole bars and has no src", to.meta.Name)}
	}
	m, source := *to.meta, from.Meta()
	m.Name = withSource(m.Name, source.Name)
	m.Warmup = min(m.Warmup+source.Warmup, int64(math.MaxInt32))
	m.Params = slices.Clone(m.Params)
	for i := range m.Params {
		if m.Params[i].Name == "src" {
			m.Params[i].Value = source.Name
		}
	}
	return &chained{meta: &m, to: to, from: from}, nil
}

// sole tells whether one version of one module computes all of a program.
func sole(p serve.Program) bool {
	c, ok := p.(*chained)
	if !ok {
		return true
	}
	to, from := c.to.Meta(), c.from.Meta()
	return to.Module == from.Module && to.Version == from.Version && sole(c.from)
}

// withSource is the canonical name of a chain.
func withSource(name, source string) string {
	if head, ok := strings.CutSuffix(name, ")"); ok {
		return head + ",src=" + source + ")"
	}
	return name + "(src=" + source + ")"
}

// Meta implements serve.Program.
func (c *chained) Meta() *serve.InstanceMeta { return c.meta }

// Start implements serve.Program.
func (c *chained) Start(intervalMS int64) (serve.Cursor, error) {
	from, err := c.from.Start(intervalMS)
	if err != nil {
		return nil, err
	}
	to, err := c.to.Start(intervalMS)
	if err != nil {
		from.Close()
		return nil, err
	}
	return &chainCursor{from: from, to: to, width: len(c.from.Meta().Outputs)}, nil
}

// chainCursor is the state of both.
type chainCursor struct {
	from, to serve.Cursor
	width    int // outputs of from
}

// Run implements serve.Cursor. Bars for which the source has no value yet are
// not seen by the indicator behind it, and have no value: the source may be a
// chain itself, whose reader must not take what was in its buffer for one.
func (c *chainCursor) Run(bars []core.Bar, out []float64, degenerate []bool) (int, error) {
	noValues(out)
	clear(degenerate)
	between := make([]float64, len(bars)*c.width)
	n, failed := c.from.Run(bars, between, nil)
	var given []core.Bar
	var at []int
	for i := range n {
		if v := between[i*c.width]; v-v == 0 {
			b := bars[i]
			b.Close = v
			given, at = append(given, b), append(at, i)
		}
	}
	if len(given) == 0 {
		return n, failed
	}
	width := len(out) / len(bars)
	values, flags := make([]float64, len(given)*width), make([]bool, len(given))
	done, err := c.to.Run(given, values, flags)
	for i := range done {
		copy(out[at[i]*width:(at[i]+1)*width], values[i*width:])
		if degenerate != nil {
			degenerate[at[i]] = flags[i]
		}
	}
	if err != nil {
		return at[done], err
	}
	return n, failed
}

// Preview implements serve.Cursor.
func (c *chainCursor) Preview(bar core.Bar, out []float64) (bool, error) {
	between := make([]float64, c.width)
	if _, err := c.from.Preview(bar, between); err != nil {
		return false, err
	}
	if between[0]-between[0] != 0 {
		noValues(out)
		return false, nil
	}
	bar.Close = between[0]
	return c.to.Preview(bar, out)
}

func noValues(out []float64) {
	for i := range out {
		out[i] = wasmhost.NoValue()
	}
}

// Close implements serve.Cursor.
func (c *chainCursor) Close() {
	c.from.Close()
	c.to.Close()
}
