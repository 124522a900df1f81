package transfer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// klines sorts all revisions of bars and what changed their values.
func (e *exporter) klines(ctx context.Context, r Reader, w io.Writer) (int64, error) {
	e.found, e.other, e.itvs = map[string]int{}, map[string]bool{}, map[string]bool{}
	for _, name := range e.cfg.Configured {
		e.itvs[name] = true
	}
	err := r.Klines(ctx, e.cfg, func(k *history.Kline) error {
		e.itvs[k.Itv] = true
		if !k.Final || !e.cfg.wantsBar(k.Sym, k.Itv, k.T) {
			return nil
		}
		e.bars = true
		for i := range k.Ind {
			if e.cfg.wantsValues(k.Ind[i].Name) {
				e.found[k.Ind[i].Name] = max(e.found[k.Ind[i].Name], len(k.Ind[i].V))
			} else if len(e.cfg.Indicators) > 0 {
				e.other[k.Ind[i].Name] = true
			}
		}
		e.barKey(k.Sym, k.Itv, k.T, int64(k.EP), k.So, k.Sk, int64(k.Rev))
		e.value = appendKline(e.value[:0], k)
		return e.sorter.add(e.key, e.value)
	}, e.restate())
	if err == nil {
		err = e.unknownInterval()
	}
	if err == nil {
		err = e.missed()
	}
	if err != nil {
		return 0, err
	}
	return e.writeKlines(w)
}

// unknownInterval refuses an interval that nothing has: an empty file looks as if
// there had been no trades.
func (e *exporter) unknownInterval() error {
	for _, name := range e.cfg.Intervals {
		if !e.itvs[name] {
			there := slices.SortedFunc(maps.Keys(e.itvs), byLength)
			return fmt.Errorf("reading --interval: %s is not configured, and no bar has it (there are: %s)", name, strings.Join(there, ", "))
		}
	}
	return nil
}

// byLength orders the names of intervals.
func byLength(a, b string) int {
	x, _ := core.ParseInterval(a) // one of a foreign table stands first
	y, _ := core.ParseInterval(b)
	return cmp.Compare(x.Millis(), y.Millis())
}

// missed refuses a name that no bar has values of: a file without its column
// looks as if nobody had asked for it.
func (e *exporter) missed() error {
	if !e.bars || e.cfg.wantsAll() {
		return nil
	}
	for _, name := range e.cfg.Indicators {
		if _, ok := e.found[name]; ok {
			continue
		}
		there := slices.AppendSeq(slices.Collect(maps.Keys(e.found)), maps.Keys(e.other))
		slices.Sort(there)
		if len(there) == 0 {
			there = []string{"none"}
		}
		return fmt.Errorf("reading --indicators: no bar has values of %q (there are: %s)", cut(name), strings.Join(there, ", "))
	}
	return nil
}

// versionBytes is the end of a key of a kline: its epoch, place and revision.
// The place comes before the revision, because restated values have only that.
const versionBytes = 4 * 8

// barKey orders bars, and of one bar what was written about it.
func (e *exporter) barKey(sym, itv string, t, ep, so, sk, rev int64) {
	e.key = append(append(e.key[:0], sym...), 0)
	e.key = append(append(appendOrdered(e.key, lengthOf(itv)), itv...), 0)
	for _, n := range [...]int64{t, ep, so, sk, rev} {
		e.key = appendOrdered(e.key, n)
	}
}

// lengthOf orders intervals; one of months is longer than all others.
func lengthOf(name string) int64 {
	itv, err := core.ParseInterval(name)
	switch {
	case err != nil:
		return math.MaxInt64
	case itv.Millis() == 0:
		return math.MaxInt64 - 1
	}
	return itv.Millis()
}

// appendKline appends a bar in the JSON of the topic, for the time of sorting.
func appendKline(dst []byte, k *history.Kline) []byte {
	number := func(key string, v int64) { dst = strconv.AppendInt(append(dst, key...), v, 10) }
	decimal := func(key string, text []byte) { dst = append(append(append(dst, key...), text...), '"') }
	dst = appendJSON(append(dst, `{"sym":`...), []byte(k.Sym))
	dst = appendJSON(append(dst, `,"itv":`...), []byte(k.Itv))
	number(`,"t":`, k.T)
	number(`,"T":`, k.CloseT)
	decimal(`,"o":"`, k.O)
	decimal(`,"h":"`, k.H)
	decimal(`,"l":"`, k.L)
	decimal(`,"c":"`, k.C)
	decimal(`,"v":"`, k.V)
	decimal(`,"qv":"`, k.QV)
	number(`,"n":`, k.N)
	decimal(`,"bv":"`, k.BV)
	decimal(`,"bqv":"`, k.BQV)
	decimal(`,"vwap":"`, k.VWAP)
	dst = append(append(dst, `,"f":`...), k.FirstID...)
	dst = append(append(dst, `,"L":`...), k.LastID...)
	number(`,"final":true,"rev":`, int64(k.Rev))
	if k.Why != "" {
		dst = appendJSON(append(dst, `,"why":`...), []byte(k.Why))
	}
	number(`,"seq":`, k.Seq)
	dst = appendJSON(append(dst, `,"q":`...), []byte(k.Q))
	dst = append(dst, `,"src":{"p":0,"o0":0,"o1":0},"wm":0,"ep":0`...)
	if len(k.Ind) > 0 {
		dst = k.AppendValues(append(dst, `,"ind":`...))
	}
	return append(dst, '}')
}

// writeKlines writes the newest revision of each bar.
func (e *exporter) writeKlines(w io.Writer) (int64, error) {
	columns, values := e.klineColumns()
	t, err := newTable(w, columns, e.cfg)
	if err != nil {
		return 0, err
	}
	m := merger{table: t, values: values}
	err = e.sorter.each(m.add)
	if err == nil {
		err = m.flush()
	}
	if err == nil {
		err = t.end()
	}
	return m.rows, err
}
