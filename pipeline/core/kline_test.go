package core

import (
	"math/big"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestVWAPRoundsHalfToEven(t *testing.T) {
	for _, c := range []struct {
		qv, v int64
		ps    uint8
		want  string
	}{
		{1, 3, 0, "0.33333333"}, {2, 3, 0, "0.66666667"}, {1, 200_000_000, 0, "0"}, {3, 200_000_000, 0, "0.00000002"},
		{5, 200_000_000, 0, "0.00000002"}, {-1, 200_000_000, 0, "0"}, {-3, 200_000_000, 0, "-0.00000002"}, {10, 4, 1, "0.25"},
	} {
		k := Kline{PriceScale: c.ps, V: int128(c.v), QV: int128(c.qv)}
		if got := string(k.AppendVWAP(nil)); got != c.want {
			t.Errorf("%d / %d at %d: %s, want %s", c.qv, c.v, c.ps, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		k := Kline{
			PriceScale: uint8(rapid.IntRange(0, 18).Draw(t, "ps")), SizeScale: 3,
			V:  Int128{rapid.Int64Range(0, 3).Draw(t, "vhi"), rapid.Uint64Range(1, 1<<63).Draw(t, "vlo")},
			QV: mul64(rapid.Int64().Draw(t, "a"), rapid.Int64Range(0, 1<<40).Draw(t, "b")),
		}
		got := string(k.AppendVWAP(nil))
		fast, _ := new(big.Rat).SetString(got)
		if slow, _ := new(big.Rat).SetString(string(appendBigVWAP(nil, &k, max(k.PriceScale, 8)))); fast.Cmp(slow) != 0 {
			t.Fatalf("%s, with big integers %s", got, slow)
		}
		exact := new(big.Rat).SetFrac(k.QV.big(), k.V.big())
		exact.Quo(exact, new(big.Rat).SetInt64(pow10[k.PriceScale]))
		off := new(big.Rat).Sub(fast, exact)
		half := big.NewRat(1, 2*pow10[max(k.PriceScale, 8)])
		if off.Abs(off).Cmp(half) > 0 {
			t.Fatalf("%s is off by %s", got, off)
		}
	})
}

func TestBarNumbersAreNearestDoubles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := Kline{
			PriceScale: uint8(rapid.IntRange(0, 18).Draw(t, "ps")), SizeScale: uint8(rapid.IntRange(0, 18).Draw(t, "qs")),
			O: rapid.Int64().Draw(t, "o"), C: rapid.Int64Range(0, 1<<53).Draw(t, "c"),
			V:  Int128{rapid.Int64Range(-9, 9).Draw(t, "vhi"), rapid.Uint64().Draw(t, "vlo")},
			QV: mul64(rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")),
		}
		b := k.Bar()
		for _, c := range []struct {
			got  float64
			text []byte
		}{
			{b.Open, AppendDecimal(nil, k.O, k.PriceScale)}, {b.Close, AppendDecimal(nil, k.C, k.PriceScale)},
			{b.Volume, AppendInt128(nil, k.V, k.SizeScale)}, {b.QuoteVolume, AppendInt128(nil, k.QV, k.PriceScale+k.SizeScale)},
		} {
			if want, err := strconv.ParseFloat(string(c.text), 64); err != nil || want != c.got {
				t.Fatalf("%s became %v, want %v", c.text, c.got, want)
			}
		}
	})
}

func TestTextIDsOfABarAreItsOwn(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s", "1m")), new(Outputs)
	for i := range int64(5) {
		x := good(0, t0+i*700)
		x.ID = NewTradeID([]byte("trade-" + itoa(int(i))))
		step(t, e, t0+i*700, out, x)
	}
	k := out.Klines[0]
	if string(k.First.Text) != "trade-0" || string(k.Last.Text) != "trade-1" {
		t.Fatalf("first %s, last %s", k.First.Text, k.Last.Text)
	}
}

func TestSymbolsHashAsInKafka(t *testing.T) {
	for key, want := range map[string]int32{ // values of Kafka's own test of its partitioner
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestOutputsOfOneRecordAreOrdered(t *testing.T) {
	e, out := mustNew(t, testConfig(t, "1s", "5s", "1m")), new(Outputs)
	for i, s := range []string{"C", "A", "B"} {
		for j := range int64(3) {
			tradeOf("x", s, j+1, t0+j*3000)(t, e, out)
		}
		_ = i
	}
	out.Reset()
	beat(t, e, "x", t0+70_000, true, out)
	if len(out.Klines) != 3*4-3 || len(out.Touched) != 3 {
		t.Fatalf("%d klines, touched %v", len(out.Klines), out.Touched)
	}
	for i := 1; i < len(out.Klines); i++ {
		if compareKlines(&out.Klines[i-1], &out.Klines[i]) >= 0 {
			t.Fatalf("out of order: %s, %s", klineLine(&out.Klines[i-1]), klineLine(&out.Klines[i]))
		}
	}
}
