package transfer

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// patch are values of one instance that a later record changed.
type patch struct {
	Instance string            `json:"i"`
	V        []json.RawMessage `json:"v"`
}

// engineEpoch is the dataset epoch of the engine's bars. patched begins a sorted
// row that is a patch: a bar begins with a brace.
const (
	engineEpoch = 1
	patched     = 'p'
)

// restate takes the values of bars behind a restated one; nil if no values go
// out. They belong to the engine's bars, whose epoch is 1.
func (e *exporter) restate() func(r *wire.RestatedRecord, so, sk int64) error {
	if e.cfg.Indicators == nil {
		return nil
	}
	return func(r *wire.RestatedRecord, so, sk int64) error {
		if !e.cfg.wantsValues(r.Ind) {
			return nil
		}
		for i, t := range r.T {
			if !e.cfg.wantsBar(r.Sym, r.Itv, t) {
				continue
			}
			p := patch{Instance: r.Ind}
			for _, column := range r.V {
				p.V = append(p.V, json.RawMessage(column[i]))
			}
			b, err := json.Marshal(p)
			if err != nil {
				return fmt.Errorf("reading restated values: %w", err)
			}
			e.barKey(r.Sym, r.Itv, t, engineEpoch, so, sk, math.MaxInt64)
			if err := e.sorter.add(e.key, append([]byte{patched}, b...)); err != nil {
				return err
			}
		}
		return nil
	}
}

// apply changes the values of a bar.
func (p *patch) apply(k *wire.KlineRecord) {
	for i := range k.Ind {
		if k.Ind[i].Name != p.Instance {
			continue
		}
		k.Ind[i].V = k.Ind[i].V[:0]
		for _, v := range p.V {
			if string(v) == "null" {
				v = nil
			}
			k.Ind[i].V = append(k.Ind[i].V, v)
		}
	}
}
