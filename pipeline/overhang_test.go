package pipeline

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ninety plays trades (seconds, by turns) and returns the values of the 90s bar that
// opens at second open as they were published last.
func ninety(t *testing.T, open int64, seconds ...int64) []string {
	t.Helper()
	var itvs []core.Interval
	for _, name := range []string{"1m", "90s"} {
		itv, err := core.ParseInterval(name)
		if err != nil {
			t.Fatal(err)
		}
		itvs = append(itvs, itv)
	}
	r, err := NewRehearsal(Config{
		Intervals: itvs, AllowedLateness: 2 * time.Minute, WatermarkDelay: time.Millisecond, Indicators: newNativeHost(),
	}, "ticks", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const base = 1_700_000_100_000 // on a minute and on 90 seconds
	var last []string
	for i, at := range seconds {
		ts := base + at*1000
		outs, err := r.Record(&kafka.Rec{Offset: int64(i), Timestamp: ts, Value: []byte(trade(int(at), ts, fmt.Sprint(100+at*at%977)))})
		if err != nil {
			t.Fatal(err)
		}
		for j := range outs {
			var k wire.KlineRecord
			if outs[j].Topic != kafka.Klines || wire.DecodeKline(outs[j].Value, &k) != nil || k.Itv != "90s" || k.T != base+open*1000 {
				continue
			}
			last = last[:0]
			for _, v := range k.Ind {
				last = append(last, fmt.Sprintf("%s is %s behind %d bars", v.Name, v.V[0], v.N))
			}
		}
	}
	return last
}

// TestALateTradeInABarOfOtherBoundariesIsComputedFromItsPredecessors: the minute of a
// trade decides whether it is too late, and its 90s bar has ended before.
func TestALateTradeInABarOfOtherBoundariesIsComputedFromItsPredecessors(t *testing.T) {
	const open = 720 // the eighth bar, whose state is kept: 720 to 810
	seconds := []int64{91, 182, 273, 364, 455, 546, 637, 728, 820}
	late := ninety(t, open, append(append([]int64{}, seconds...), 940, 790)...)
	inOrder := ninety(t, open, append(append([]int64{}, seconds[:8]...), 790, 820, 940)...)
	if len(late) != 2 || len(inOrder) != 2 {
		t.Fatalf("values %v and %v: want two of each", late, inOrder)
	}
	for i := range late {
		if late[i] != inOrder[i] {
			t.Errorf("%s, in order %s", late[i], inOrder[i])
		}
	}
}
