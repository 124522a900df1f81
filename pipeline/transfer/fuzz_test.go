package transfer

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"unicode/utf8"
)

// FuzzRows reads anything as a file of trades: it ends, without a panic, names
// lines that are there, and what it takes for trades are such.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		four, "ts,price,size\n1723161255342,1,1\n", "\xef\xbb\xbfts,price,size\r\n\"1723161255342\",\"1\",1e-3\r\n", "[[1723161255342,1,2],[1723161255343,\"1\",2]]",
		"{\"symbol\":\"A\",\"price\":1,\"size\":1,\"ts\":1723161255}\n\n{}", "[{\"a\":\"]\\\"\"} , {} ]", "ts,price,size\n\"\"\"\n", "[", "\x1f\x8b", "PK\x03\x04",
	} {
		f.Add([]byte(seed), uint8(0))
	}
	f.Fuzz(func(t *testing.T, text []byte, how uint8) {
		cfg := Config{Target: &memory{}, Symbol: "A", Format: []string{"", FormatCSV, FormatJSONL, FormatJSON}[how%4]}
		if how&4 != 0 {
			cfg.Columns.Places = []string{"ts", "price", "size"}
		}
		if err := cfg.complete(); err != nil {
			t.Fatal(err)
		}
		s := &stream{single: bytes.NewReader(text)}
		r := &rows{cfg: &cfg, name: "f", in: s, cutter: cutter{comma: ','}, sum: newSum()}
		trades, err := newTradeReader(&cfg, "f", "id")
		if err != nil {
			t.Fatal(err)
		}
		limit := int64(bytes.Count(text, []byte("\n"))) + 1
		for range len(text) + 2 {
			row, err := r.next()
			if bad := (*BadRowError)(nil); errors.As(err, &bad) {
				if bad.Line < 1 || bad.Line > limit {
					t.Fatalf("line %d of %d", bad.Line, limit)
				}
				continue
			}
			if err != nil {
				if row != nil {
					t.Fatalf("a row and %v", err)
				}
				return
			}
			got, err := trades.read(row)
			if wrong := (*fault)(nil); err != nil && !errors.As(err, &wrong) {
				t.Fatal(err)
			}
			for i := range got {
				if err == nil && (got[i].Price.Coef <= 0 || got[i].Size.Coef <= 0 || len(got[i].Symbol) == 0 || !utf8.Valid(got[i].ID.Text)) {
					t.Fatalf("%+v of %q", got[i], row.text)
				}
			}
		}
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("more rows than bytes: %v", err)
		}
	})
}
