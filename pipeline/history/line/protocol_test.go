package line

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

func TestALineHasTheRevisionInItsKey(t *testing.T) {
	k := testKline(t)
	for want, d := range map[string]Dialect{
		`klines,sym=BTCUSDT,itv=1m,q=trades,why=late close_ms=1795239419999i,rev=2i,ep=1i,o=64012.1d,h=64020d,l=64000.5d,c=64010.01d,v=12.345d,qv=790214.77d,` +
			`bv=6.1d,bqv=390412.5d,vwap=64010.9d,n=42i,first_id="10441",last_id="a-7",seq=1042i,wm=1795239420511i,p=3i,o0=881200i,o1=881377i,so=881377i,sk=3i,` +
			`ind="{\"ema(20)\":{\"v\":[64010.0021],\"n\":1042,\"fl\":1,\"seq\":988,\"ver\":\"9f3c1a77\"}}" 1795239360000` + "\n": QuestDB,
		`klines,sym=BTCUSDT,itv=1m,rev=2,ep=1 close_ms=1795239419999i,q="trades",why="late",o=64012.1,h=64020,l=64000.5,c=64010.01,v=12.345,qv=790214.77,` +
			`bv=6.1,bqv=390412.5,vwap=64010.9,n=42i,first_id="10441",last_id="a-7",seq=1042i,wm=1795239420511i,p=3i,o0=881200i,o1=881377i,so=881377i,sk=3i,` +
			`ind="{\"ema(20)\":{\"v\":[64010.0021],\"n\":1042,\"fl\":1,\"seq\":988,\"ver\":\"9f3c1a77\"}}" 1795239360000` + "\n": InfluxDB,
	} {
		if got := string(d.appendKline(nil, k)); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

func TestAPositionReplacesItsPredecessor(t *testing.T) {
	m := history.Move{P: 3, From: 5, To: 9}
	for want, d := range map[string]Dialect{
		"kline_positions,topic=a.klines@m\\,1 p=3i,next_offset=9i 0\n": QuestDB,
		"kline_positions,topic=a.klines@m\\,1,p=3 next_offset=9i 0\n":  InfluxDB,
	} {
		if got := string(d.appendPosition(nil, "a.klines@m,1", m)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A tag cannot end early, whatever is in it, and a line cannot become two.
func TestTagsKeepTheirEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringOf(rapid.SampledFrom([]rune("ab,= \\\n\r\"ü"))).Draw(t, "value")
		out := string(appendTag(nil, "sym", value))
		if value == "" {
			if out != "" {
				t.Fatalf("an empty tag is %q", out)
			}
			return
		}
		rest := strings.TrimPrefix(out, ",sym=")
		for i := 0; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case ',', '=', ' ', '\n', '\r':
				t.Fatalf("%q ends at byte %d of %q", value, i, rest)
			}
		}
	})
}

func TestDigitsThatDoNotFitAreRefusedWhereColumnsAreExact(t *testing.T) {
	k := testKline(t)
	k.QV = []byte("0.0000000000000000001")
	if err := QuestDB.check(k); err == nil || !strings.Contains(err.Error(), "digits") {
		t.Errorf("QuestDB takes it: %v", err)
	}
	if err := InfluxDB.check(k); err != nil {
		t.Errorf("InfluxDB has floats: %v", err)
	}
}
