package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// drawTrades draws a log: several symbols, disorder up to far beyond the
// lateness, duplicates, conflicts, arrays, garbage, heartbeats, ids of all kinds.
func drawTrades(t *rapid.T) []kafka.Rec {
	n := rapid.IntRange(1, 400).Draw(t, "records")
	kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"dense", "sparse", "text", "none"}), 3, 3).Draw(t, "kinds")
	step := rapid.SampledFrom([]int64{50, 700, 4000}).Draw(t, "step")
	now := int64(1_700_000_000_000)
	var recs []kafka.Rec
	var old []string
	id64 := int64(0)
	for i := range n {
		now += rapid.Int64Range(0, step).Draw(t, "gap")
		one := func() string {
			if len(old) > 0 && rapid.IntRange(0, 7).Draw(t, "again") == 0 {
				return old[rapid.IntRange(max(0, len(old)-30), len(old)-1).Draw(t, "which")]
			}
			s := rapid.IntRange(0, 2).Draw(t, "symbol")
			ts := now - rapid.SampledFrom([]int64{0, 0, 0, 300, 2000, 9000, 70_000}).Draw(t, "late")
			id := ""
			id64++
			switch kinds[s] {
			case "dense":
				id = fmt.Sprintf(`,"id":%d`, id64*3)
			case "sparse":
				id = fmt.Sprintf(`,"id":%d`, id64*1_000_003*7919)
			case "text":
				id = fmt.Sprintf(`,"id":"x%d"`, id64)
			}
			side := rapid.SampledFrom([]string{"", `,"side":"buy"`, `,"side":"sell"`, `,"side":true`}).Draw(t, "side")
			price := rapid.SampledFrom([]string{"100", "100.5", "99.125", "1e2", "100.123456789", "101.10", "-37.63", "0", "-1e2"}).Draw(t, "price")
			size := rapid.SampledFrom([]string{"1", "0.25", "3.0000001", "7e-3"}).Draw(t, "size")
			v := fmt.Sprintf(`{"symbol":"S%d","price":"%s","size":%s,"ts":%d%s%s}`, s, price, size, ts, id, side)
			old = append(old, v)
			return v
		}
		value := one()
		switch rapid.IntRange(0, 19).Draw(t, "form") {
		case 0:
			value = "[" + value + "," + one() + "," + one() + "]"
		case 1:
			value = rapid.SampledFrom([]string{"", "{}", "[]", `{"symbol":"S0","price":"0","size":1,"ts":1}`, `[{"symbol":"S0"},3]`, "\xff"}).Draw(t, "garbage")
		case 2:
			value = " " + value + "\n"
		}
		rec := kafka.Rec{Offset: int64(i), Timestamp: now, Value: []byte(value)}
		if rapid.IntRange(0, 29).Draw(t, "beat") == 0 {
			rec.Value = fmt.Appendf(nil, `{"src":"ticks","ts":%d,"up":true}`, now-rapid.Int64Range(0, 5000).Draw(t, "behind"))
			rec.Headers = []kafka.Header{{Key: "k", Value: []byte("hb")}}
		}
		recs = append(recs, rec)
	}
	return recs
}

// decisions closes quiet bars by the clock now and then.
func decisions(t *rapid.T) func(*pipeline.Rehearsal, *kafka.Rec) *kafka.JournalRecord {
	return func(r *pipeline.Rehearsal, rec *kafka.Rec) *kafka.JournalRecord {
		if rapid.IntRange(0, 24).Draw(t, "decide") > 0 {
			return nil
		}
		op, due := r.IdleOp("ticks", rec.Timestamp+rapid.Int64Range(0, 9000).Draw(t, "idle"))
		if !due {
			return nil
		}
		body := wire.AppendOps(nil, []core.Op{op})
		return &kafka.JournalRecord{At: r.Next(), LO: -1, Timestamp: rec.Timestamp, Body: body}
	}
}

func TestWhatTheEngineWritesIsFoundEqual(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lateness := rapid.SampledFrom([]time.Duration{time.Millisecond, 3 * time.Second, time.Minute}).Draw(rt, "lateness")
		b := run(t, drawTrades(rt), lateness, decisions(rt))
		r, found := b.verify(t)
		if !r.Equal() {
			rt.Fatalf("%+v\n%v", r.Tally, found[:min(len(found), 10)])
		}
	})
}

// mutation changes the topics in one place that a reader would be misled by.
type mutation struct {
	name string
	// change returns false where the topics have no such place.
	change func(rt *rapid.T, b *bed) bool
	// undecided: without decisions, which stand in the journal alone.
	undecided bool
}

// edit changes one key of a kline.
func edit(b *bed, i int, key string, change func(json.RawMessage) any) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(b.klines[i].Value, &keys) != nil || keys[key] == nil {
		return false
	}
	raw, err := json.Marshal(change(keys[key]))
	if err != nil || string(raw) == string(keys[key]) {
		return false
	}
	keys[key] = raw
	b.klines = append([]kafka.Rec(nil), b.klines...)
	b.klines[i].Value, err = json.Marshal(keys)
	return err == nil
}

func kindOf(rec *kafka.Rec) string {
	k, _ := rec.Header("k")
	return string(k)
}

// pick draws a record of klines of a kind, -1 if there is none.
func pick(rt *rapid.T, b *bed, kind string) int {
	var at []int
	for i := range b.klines {
		if kindOf(&b.klines[i]) == kind {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return -1
	}
	return at[rapid.IntRange(0, len(at)-1).Draw(rt, "at")]
}

// lastDigit changes the last digit of a number, and never to zero. A digit more
// would be no mutation: where a record raises the scale of its symbol, the vwap
// rounded to one place more is as right as the one that was written.
func lastDigit(text string) string {
	last := len(text) - 1
	if last < 0 || text[last] < '0' || text[last] > '9' {
		return text + "1"
	}
	return text[:last] + string('1'+(text[last]-'0')%9)
}

func mutations() []mutation {
	digit := func(raw json.RawMessage) any {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			return lastDigit(text)
		}
		var n int64
		if json.Unmarshal(raw, &n) == nil {
			return n + 1
		}
		return raw
	}
	all := []mutation{
		{"a record is gone", func(rt *rapid.T, b *bed) bool {
			i := pick(rt, b, "")
			if i < 0 || !followed(b, i) {
				return false
			}
			b.klines = append(append([]kafka.Rec(nil), b.klines[:i]...), b.klines[i+1:]...)
			return true
		}, false},
		{"a record comes twice with another value", func(rt *rapid.T, b *bed) bool {
			i := pick(rt, b, "")
			if i < 0 {
				return false
			}
			old := b.klines
			again := old[i]
			b.klines = append([]kafka.Rec(nil), old...)
			if !edit(b, i, "c", digit) {
				return false
			}
			changed := b.klines[i]
			b.klines = append(append(append([]kafka.Rec(nil), old[:i]...), again, changed), old[i+1:]...)
			return true
		}, false},
		{"an indicator has another digit", func(rt *rapid.T, b *bed) bool {
			i := pick(rt, b, "")
			return i >= 0 && final(b, i) && edit(b, i, "ind", func(raw json.RawMessage) any {
				var ind map[string]map[string]any
				if json.Unmarshal(raw, &ind) == nil {
					ind["vwap"]["v"].([]any)[0] = 1.25
				}
				return ind
			})
		}, false},
		{"two revisions are swapped", func(rt *rapid.T, b *bed) bool {
			for i := range b.klines {
				for j := i + 1; j < len(b.klines); j++ {
					if string(b.klines[i].Key) == string(b.klines[j].Key) && kindOf(&b.klines[i]) == "" && kindOf(&b.klines[j]) == "" {
						b.klines = append([]kafka.Rec(nil), b.klines...)
						b.klines[i].Value, b.klines[j].Value = b.klines[j].Value, b.klines[i].Value
						return true
					}
				}
			}
			return false
		}, false},
		{"a late trade is gone", func(_ *rapid.T, b *bed) bool {
			if len(b.late) == 0 {
				return false
			}
			b.late = b.late[1:]
			return true
		}, true},
		{"a dead letter is gone", func(_ *rapid.T, b *bed) bool {
			if len(b.dlq) == 0 {
				return false
			}
			// Without it a conflict is told from a repeat by nobody.
			reason, _ := b.dlq[0].Header("reason")
			b.dlq = b.dlq[1:]
			return string(reason) != "conflict"
		}, false},
	}
	return append(all, mutation{"a field has another value", func(rt *rapid.T, b *bed) bool {
		key := rapid.SampledFrom([]string{"o", "h", "l", "c", "v", "qv", "n", "bv", "bqv", "vwap", "f", "L", "T", "t", "rev", "seq"}).Draw(rt, "key")
		i := pick(rt, b, "")
		return i >= 0 && last(b, i) && edit(b, i, key, digit)
	}, false})
}

// followed tells whether the series goes on: the last bar may have been closed
// by the clock, and whether it had to be stands in the journal alone.
func followed(b *bed, i int) bool {
	series := func(rec *kafka.Rec) string { return string(rec.Key[:bytes.LastIndexByte(rec.Key, '|')]) }
	for j := i + 1; j < len(b.klines); j++ {
		if kindOf(&b.klines[j]) == "" && series(&b.klines[j]) == series(&b.klines[i]) {
			return true
		}
	}
	return false
}

// last tells whether the record is the last one about its bar that its position
// has caused: of several late trades in one record only the last revision is
// compared.
func last(b *bed, i int) bool {
	so, _ := number(&b.klines[i], "so")
	for j := i + 1; j < len(b.klines); j++ {
		if other, _ := number(&b.klines[j], "so"); other != so {
			return true
		}
		if string(b.klines[j].Key) == string(b.klines[i].Key) && kindOf(&b.klines[j]) == "" {
			return false
		}
	}
	return true
}

// final tells whether no later record has the values of that bar.
func final(b *bed, i int) bool {
	for _, r := range b.klines[i+1:] {
		if kindOf(&r) == "ind" || string(r.Key) == string(b.klines[i].Key) {
			return false
		}
	}
	return true
}

func TestEverySingleMutationIsFound(t *testing.T) {
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			hits := 0
			rapid.Check(t, func(rt *rapid.T) {
				decide := decisions(rt)
				if m.undecided {
					decide = nil
				}
				b := run(t, drawTrades(rt), 3*time.Second, decide)
				if !m.change(rt, b) {
					rt.Skip()
				}
				hits++
				if r, _ := b.verify(t); r.Differences == 0 {
					rt.Fatalf("not found: %+v", r.Tally)
				}
			})
			if hits == 0 {
				t.Error("the mutation was never tried")
			}
		})
	}
}
