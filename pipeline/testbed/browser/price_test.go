//go:build unix

package browser

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// smallPrices writes the trades of the sample with prices that many places
// smaller, and returns the file.
func smallPrices(t *testing.T, places int) string {
	t.Helper()
	in, err := os.Open(filepath.Join(root(t), "docs", "demo", "trades.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		whole, fraction, _ := strings.Cut(row[1], ".")
		row[1] = "0." + strings.Repeat("0", places-len(whole)) + whole + fraction
	}
	name := filepath.Join(t.TempDir(), "trades.csv")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := csv.NewWriter(out).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return name
}

// A coin may cost 8e-14: with twelve places all of its prices read 0. The chart
// library takes as many, and leaves room for the candles on a phone.
func TestPriceWithManyPlacesIsReadable(t *testing.T) {
	for _, places := range []int{13, 16} {
		s := startSample(t, "Caddyfile", [2]string{"docs/demo/trades.csv.gz", smallPrices(t, places)}, [2]string{"\t\t\tformat csv\n", "\t\t\tformat csv # not from docs/demo/\n"})
		p := openTab(t, browser(t), s.address, 360, 740)
		p.live()
		p.wait("a price with its digits", `/^\d\.\d+e-1\d$/.test(document.getElementById('last-price').textContent)`)
		p.wait("the legend", `/O\s*\d\.\d+e-1\d/.test(document.getElementById('legends').innerText)`)
		if got := p.inspect().View.Precision; got != min(places+2, 18) {
			t.Errorf("%d places: precision %d", places, got)
		}
		if wide := eval[float64](p, "document.documentElement.scrollWidth"); wide > 360 {
			t.Errorf("%d places: the page is %g wide", places, wide)
		}
		p.becomes(func() []string {
			wide := eval[float64](p, "[...document.querySelectorAll('#canvas tr')].find((row) => row.querySelector('canvas')).cells[1].getBoundingClientRect().width")
			if wide < 220 {
				return []string{fmt.Sprintf("%d places: %g pixels are left for the candles", places, wide)}
			}
			return nil
		})
	}
}
