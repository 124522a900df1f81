package redis

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/view"
)

// topic is a partition of klines made up for a test, with what a view of it
// must hold in the end.
type topic struct {
	recs []view.Record
	bars map[string]map[int64]string // sym@itv -> t -> json
	inds map[string]string           // sym@itv -> json of the newest ema(3)
	end  int64
}

const testBars = 20

// makeTopic writes n records: new bars, restated bars, late bars, restated
// values; offsets have holes as transactions leave them.
func makeTopic(seed uint64, n int) *topic {
	rng := rand.New(rand.NewPCG(seed, 1))
	tp := &topic{}
	names := []string{"BTCUSDT", "ETH:USD"}
	last, revs, values := map[string]int64{}, map[string]int{}, map[string]int64{}
	for i := range n {
		sym := names[rng.IntN(2)]
		series := sym + "@1m"
		t, rev := last[series]+60000*int64(1+rng.IntN(3)), 0
		if rng.IntN(3) == 0 && last[series] > 0 {
			t, rev = last[series]-60000*int64(rng.IntN(3)), 1
		}
		if t <= 0 {
			t, rev = last[series]+60000, 0
		}
		last[series] = max(last[series], t)
		id := fmt.Sprint(series, t)
		revs[id] += rev
		tp.end += int64(1 + rng.IntN(3))
		so, sk := int64(i/2), int64(i%2)
		if rev == 1 && values[series] == t && rng.IntN(2) == 0 {
			json := fmt.Sprintf(`{"sym":"%s","itv":"1m","ind":"ema(3)","rev":1,"seq":%d,"why":"late","ver":"9f3c1a77","out":["value"],"t":[%d],"v":[[%d.25]]}`, sym, i, t, i)
			tp.recs = append(tp.recs, view.Record{Offset: tp.end, So: so, Sk: sk, Kind: "ind", Value: []byte(json)})
			continue
		}
		json := klineJSON(sym, t, revs[id], i)
		tp.recs = append(tp.recs, view.Record{Offset: tp.end, So: so, Sk: sk, Value: []byte(json)})
		values[series] = max(values[series], t)
	}
	tp.end++
	return summed(tp)
}

// summed says what a view of the records must hold in the end.
func summed(tp *topic) *topic {
	tp.bars, tp.inds = map[string]map[int64]string{}, map[string]string{}
	values := map[string]int64{}
	for _, r := range tp.recs {
		var said map[string]json.RawMessage // a struct would take "T" for "t"
		if err := json.Unmarshal(r.Value, &said); err != nil {
			panic(err) // of our own making
		}
		series, seq := strings.Trim(string(said["sym"]), `"`)+"@1m", string(said["seq"])
		t, err := strconv.ParseInt(strings.Trim(string(said["t"]), "[]"), 10, 64)
		if err != nil {
			panic(err)
		}
		half := "5"
		switch {
		case r.Kind == "ind" && values[series] == t && t > 0:
			half = "25"
		case r.Kind == "ind":
			continue
		}
		if r.Kind == "" {
			if tp.bars[series] == nil {
				tp.bars[series] = map[int64]string{}
			}
			tp.bars[series][t] = string(r.Value)
		}
		if t >= values[series] {
			values[series] = t
			tp.inds[series] = fmt.Sprintf(`{"t":%d,"v":[%s.%s],"n":%d,"fl":1,"seq":%s,"ver":"9f3c1a77"}`, t, seq, half, t/60000, seq)
		}
	}
	for _, bars := range tp.bars {
		ts := slices.Sorted(maps.Keys(bars))
		for _, t := range ts[:max(len(ts)-testBars, 0)] {
			delete(bars, t)
		}
	}
	return tp
}

func klineJSON(sym string, t int64, rev, i int) string {
	why := ""
	if rev > 0 {
		why = `,"why":"late"`
	}
	price := strconv.Itoa(100 + i)
	return fmt.Sprintf(`{"sym":"%s","itv":"1m","t":%d,"T":%d,"o":"%s","h":"%s","l":"%s","c":"%s","v":"1","qv":"1","n":1,"bv":"1","bqv":"1","vwap":"1","f":1,"L":2,"final":true,"rev":%d%s,"seq":%d,"q":"trades","src":{"p":0,"o0":1,"o1":%d},"wm":%d,"ep":1,"ind":{"ema(3)":{"v":[%d.5],"n":%d,"fl":1,"seq":%d,"ver":"9f3c1a77"}}}`,
		sym, t, t+59999, price, price, price, price, rev, why, i, i, t+60000, i, t/60000, i)
}

// from returns the records at or behind an offset, at most most of them, and
// the offset behind them.
func (tp *topic) from(at int64, most int) (recs []view.Record, to int64) {
	i, _ := slices.BinarySearchFunc(tp.recs, at, func(r view.Record, o int64) int { return int(r.Offset - o) })
	j := min(i+most, len(tp.recs))
	if j == len(tp.recs) {
		return tp.recs[i:j], tp.end
	}
	return tp.recs[i:j], tp.recs[j].Offset
}
