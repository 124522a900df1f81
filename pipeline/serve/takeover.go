package serve

import (
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// takeover is an instance whose next version is shown from a record on.
type takeover struct {
	x    *extra
	rows rows
}

// feedAll runs one bar of the version that is shown and of those that take over,
// and returns the value of the one whose bar it is.
func (a *augmenting) feedAll(g *group, x *extra, own *version, bar core.Bar, out *addition) wire.IndRecord {
	over, values := -1, make([]wire.IndRecord, len(x.nexts))
	for i, p := range x.nexts {
		values[i] = a.feed(g, p.state, bar)
		row := appendValueRow(nil, len(p.state.meta.Outputs), bar.OpenTime, values[i].V, values[i].Flags)
		g.mu.Lock()
		p.rows.put(bar.OpenTime, row)
		g.mu.Unlock()
		if p.state.version == own {
			over = i
		}
	}
	if over < 0 {
		shown := a.feed(g, x.state, bar)
		for i, p := range x.nexts {
			p.diff.add(shown.V, values[i].V)
		}
		return shown
	}
	p := x.nexts[over]
	g.mu.Lock()
	defer g.mu.Unlock()
	x.dropNexts(over, a.old)
	a.old.add(x.state)
	x.state, x.nexts, x.retries = p.state, x.nexts[1:], 0
	out.over = append(out.over, takeover{x, p.rows})
	return values[over]
}

// takeOver shows the versions that compute from this bar on.
func (a *addition) takeOver() {
	for _, o := range a.over {
		x := o.x
		x.meta.Store(x.state.meta)
		x.values.rows = o.rows
		x.values.closed, x.values.forming, x.values.formRow = nil, nil, nil
	}
}
