package wire

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

func TestDigitsReadWhatStrconvReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(rapid.StringMatching(`[0-9]{0,19}[^0-9]?[0-9]{0,9}`).Draw(t, "text"))
		v, end := scanDigits(b, 0)
		if end != skipDigits(b, 0) {
			t.Fatalf("%q: %d digits", b, end)
		}
		want, err := strconv.ParseUint("0"+string(b[:end]), 10, 64)
		if err == nil && v != want {
			t.Fatalf("%q: %d, want %d", b, v, want)
		}
	})
}

// Every byte beside the digits must be seen in every place of a word.
func TestEightDigitsSeeEveryOtherByte(t *testing.T) {
	for place := range 8 {
		for c := range 256 {
			b := []byte("12345678")
			b[place] = byte(c)
			want, err := strconv.ParseUint(string(b), 10, 64)
			if v, ok := eightDigits(b, 0); ok != (err == nil) || ok && v != want {
				t.Errorf("%q: %d, %v", b, v, ok)
			}
		}
	}
}

// The fast way must give the very value of the core's parser: duplicates are
// compared by it.
func TestPlainDecimalAgreesWithTheCore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{1,10}(\.[0-9]{1,9})?0{0,3}`),
			rapid.StringMatching(`-?[0-9]{0,20}\.?[0-9]{0,20}(e-?[0-9]{1,2})?`),
		).Draw(t, "text")
		v, end, ok := plainDecimal([]byte(text), 0)
		if !ok || end != len(text) {
			return
		}
		want, err := core.ParseDecimal([]byte(text))
		if err != nil || v != want {
			t.Fatalf("%q: %+v, want %+v, %v", text, v, want, err)
		}
	})
}

func TestScanStringFindsTheFirstSpecialByte(t *testing.T) {
	for length := range 20 {
		for c := range 256 {
			b := make([]byte, 0, 32)
			for i := range length {
				b = append(b, byte('a'+i))
			}
			b = append(append(b, byte(c)), `zz"`...)
			want, ok := length+3, true
			switch {
			case c == '"':
				want = length
			case c == '\\' || c < 0x20:
				want, ok = length, false
			}
			if end, got := scanString(b, 0); end != want || got != ok {
				t.Fatalf("%q: %d, %v, want %d, %v", b, end, got, want, ok)
			}
		}
	}
}

func FuzzHeartbeat(f *testing.F) {
	f.Add([]byte(`{"src":"x","ts":1,"up":false}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		hb, err := DecodeHeartbeat(value)
		if err != nil {
			return
		}
		if hb.Source == "" {
			hb.Source = "topic"
		}
		back, err := DecodeHeartbeat(AppendHeartbeat(nil, hb))
		if err != nil || back != hb {
			t.Fatalf("%q: %+v became %+v, %v", value, hb, back, err)
		}
	})
}
