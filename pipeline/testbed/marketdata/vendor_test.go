package marketdata_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// minutes aggregates the prints of a file with the oracle, without those that drop says.
func minutes(t *testing.T, path string, drop func(marketdata.Print) bool) map[int64]oracle.Expected {
	t.Helper()
	minute, err := oracle.ParseInterval("1m")
	if err != nil {
		t.Fatal(err)
	}
	var in oracle.Input
	var offset int64
	err = marketdata.Equity(path, func(p marketdata.Print) error {
		if drop != nil && drop(p) {
			return nil
		}
		payload := string(p.AppendJSON(nil))
		offset++
		return in.Add(oracle.Record{Offset: offset, Payload: &payload})
	})
	if err != nil || len(in.Bad) > 0 {
		t.Fatalf("reading the prints: %v, bad %v", err, in.Bad)
	}
	bars := map[int64]oracle.Expected{}
	for _, bar := range oracle.Bars(in.Trades, oracle.Options{Intervals: []oracle.Interval{minute}, AllClosed: true}) {
		bars[bar.Open] = bar
	}
	return bars
}

// TestOracleAgreesWithTheVendorsMinutes holds the oracle itself against bars that somebody else computed. The rest up to 828 are
// prints whose sale conditions count for the volume and not for the price.
func TestOracleAgreesWithTheVendorsMinutes(t *testing.T) {
	folder := filepath.Join(marketdata.Folder(t), "us-equity")
	vendor, err := marketdata.EquityBars(filepath.Join(folder, "spy_20131008_minute_bars.zip"))
	if err != nil {
		t.Fatal(err)
	}
	ours := minutes(t, filepath.Join(folder, "spy_20131008_trades.zip"), nil)
	if len(vendor) != 828 || len(ours) != 828 {
		t.Fatalf("%d minutes of the vendor, %d of ours, want 828", len(vendor), len(ours))
	}
	var volume, open, high, low, closing int
	count := func(n *int, equal bool) {
		if equal {
			*n++
		}
	}
	for _, bar := range vendor {
		mine, found := ours[bar.Open]
		if !found {
			t.Errorf("no minute at %d", bar.Open)
			continue
		}
		count(&volume, string(mine.V) == fmt.Sprint(bar.Volume))
		count(&open, string(mine.O) == bar.O)
		count(&high, string(mine.H) == bar.H)
		count(&low, string(mine.L) == bar.L)
		count(&closing, string(mine.C) == bar.C)
	}
	t.Logf("of 828 minutes equal: volume %d, open %d, high %d, low %d, close %d", volume, open, high, low, closing)
	if volume < 826 {
		t.Errorf("volume equal in %d minutes, want 826", volume)
	}
	if got, want := [4]int{open, high, low, closing}, [4]int{784, 774, 783, 781}; got != want {
		t.Errorf("open, high, low, close equal in %v minutes, want %v", got, want)
	}
}
