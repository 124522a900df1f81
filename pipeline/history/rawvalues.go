package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ParseValues reads what AppendValues wrote, in whatever order and spacing a
// database gives it back. Empty text has no values.
func ParseValues(text []byte) ([]wire.IndRecord, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var all map[string]struct {
		V   []json.RawMessage `json:"v"`
		N   int64             `json:"n"`
		FL  uint8             `json:"fl"`
		Seq int64             `json:"seq"`
		Ver string            `json:"ver"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("reading the indicator values of a row: %w", err)
	}
	out := make([]wire.IndRecord, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one := all[name]
		r := wire.IndRecord{Name: name, N: one.N, Flags: one.FL, Seq: one.Seq, Ver: one.Ver}
		for _, v := range one.V {
			if string(v) == "null" {
				v = nil
			}
			r.V = append(r.V, v)
		}
		out = append(out, r)
	}
	return out, nil
}

// RawID is the JSON of an id of a trade in a kline; Plain is the way back.
func RawID(plain string) []byte {
	if plain == "" {
		return []byte("-1")
	}
	if id := core.NewTradeID([]byte(plain)); id.Kind == core.IDInt {
		return strconv.AppendInt(nil, id.Num, 10)
	}
	return appendQuoted(nil, plain)
}
