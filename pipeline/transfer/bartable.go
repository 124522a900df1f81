package transfer

import (
	"maps"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// output is a column of an indicator.
type output struct {
	instance string
	index    int
}

// barTable lists the columns of all bars, by the names of the histories' tables. No
// two differ only in case, which many readers of tables do not tell apart.
func barTable() []column {
	return []column{
		{"sym", cellText},
		{"itv", cellText},
		{"open_time", cellTime},
		{"close_time", cellTime},
		{"o", cellDecimal},
		{"h", cellDecimal},
		{"l", cellDecimal},
		{"c", cellDecimal},
		{"v", cellDecimal},
		{"qv", cellDecimal},
		{"n", cellInt},
		{"bv", cellDecimal},
		{"bqv", cellDecimal},
		{"vwap", cellDecimal},
		{"first_id", cellID},
		{"last_id", cellID},
		{"rev", cellInt},
		{"q", cellText},
		{"why", cellText},
	}
}

// klineColumns are those of all bars, and behind them the outputs of the instances
// that were found, by name.
func (e *exporter) klineColumns() (columns []column, values []output) {
	columns = barTable()
	for _, name := range slices.Sorted(maps.Keys(e.found)) {
		n := e.found[name]
		var outputs []string
		if e.cfg.Outputs != nil {
			outputs = e.cfg.Outputs(name)
		}
		for i := range n {
			title := name
			switch {
			case n == 1:
			case len(outputs) == n:
				title += "." + outputs[i]
			default:
				title += "." + strconv.Itoa(i)
			}
			columns = append(columns, column{title, cellFloat})
			values = append(values, output{name, i})
		}
	}
	return columns, values
}

// klineCells are the texts of a bar.
func klineCells(k *wire.KlineRecord, values []output) cells {
	n := func(v int64) []byte { return strconv.AppendInt(nil, v, 10) }
	c := cells{
		[]byte(k.Sym), []byte(k.Itv), n(k.T), n(k.CloseT), k.O, k.H, k.L, k.C, k.V, k.QV, n(k.N), k.BV, k.BQV, k.VWAP,
		idCell(k.FirstID), idCell(k.LastID), n(int64(k.Rev)), []byte(k.Q), nil,
	}
	if k.Why != "" {
		c[len(c)-1] = []byte(k.Why)
	}
	for _, o := range values {
		c = append(c, valueCell(k, o))
	}
	return c
}

// idCell is an id of the topic; there -1 is none.
func idCell(raw []byte) []byte {
	if string(raw) == "-1" {
		return nil
	}
	return history.Plain(raw)
}

// valueCell is one output of an instance: the shortest text of its double, which
// is the same however a database writes it.
func valueCell(k *wire.KlineRecord, o output) []byte {
	for i := range k.Ind {
		if k.Ind[i].Name != o.instance || o.index >= len(k.Ind[i].V) || k.Ind[i].V[o.index] == nil {
			continue
		}
		f, err := strconv.ParseFloat(string(k.Ind[i].V[o.index]), 64)
		if err != nil {
			return nil
		}
		return strconv.AppendFloat(nil, f, 'g', -1, 64)
	}
	return nil
}
