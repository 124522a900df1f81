package feed

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

func TestTradesOfAFileHaveIds(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int64
	}{
		{"ts,price,size\n1700000000000,1.5,2\n1700000000001,1.6,3\n", []int64{1, 2}},
		{"\ufeffts,price,size\n1700000000000,1.5,2\n", []int64{1}},
		{"\ufeff" + `{"ts":1700000000000,"price":1.5,"size":2,"id":8}` + "\r\n", []int64{8}},
		{"ts,price,size,id\n1700000000000,1.5,2,70\n1700000000001,1.6,3,71\n", []int64{70, 71}},
	} {
		format := FormatCSV
		if strings.Contains(c.text, "{") {
			format = FormatJSONL
		}
		file := filepath.Join(t.TempDir(), "a")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := OpenTrades(ReplayConfig{File: file, Format: format, Symbol: "X"})
		if err != nil {
			t.Fatal(err)
		}
		var tr core.Trade
		for i, want := range c.want {
			if err := in.Next(&tr); err != nil || tr.ID.Num != want || string(tr.Symbol) != "X" {
				t.Errorf("trade %d of %q: %+v, %v", i, c.text, tr, err)
			}
		}
		if err := in.Next(&tr); !errors.Is(err, io.EOF) {
			t.Errorf("behind the last one: %v", err)
		}
		in.Close()
	}
}
