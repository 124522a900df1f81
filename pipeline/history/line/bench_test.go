package line

import (
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const klineA = `{"sym":"BTCUSDT","itv":"1m","t":1795239360000,"T":1795239419999,"o":"64012.1","h":"64020","l":"64000.5","c":"64010.01","v":"12.345","qv":"790214.77","n":42,"bv":"6.1","bqv":"390412.5","vwap":"64010.9","f":10441,"L":"a-7","final":true,"rev":2,"why":"late","seq":1042,"q":"trades","src":{"p":3,"o0":881200,"o1":881377},"wm":1795239420511,"ep":1,"ind":{"ema(20)":{"v":[64010.0021],"n":1042,"fl":1,"seq":988,"ver":"9f3c1a77"}}}`

func testKline(t testing.TB) *history.Kline {
	t.Helper()
	k := &history.Kline{So: 881377, Sk: 3}
	if err := wire.DecodeKline([]byte(klineA), &k.KlineRecord); err != nil {
		t.Fatal(err)
	}
	return k
}

func BenchmarkAppendKline(b *testing.B) {
	k := testKline(b)
	var buf []byte
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		buf = QuestDB.appendKline(buf[:0], k)
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}
