package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
)

// line is one trade as a producer sends it.
type line struct {
	marketdata.Trade
	arrival int64 // ms: the place in the topic
}

func text(lines []line) string {
	var b strings.Builder
	for i := range lines {
		b.WriteString(lines[i].Symbol)
		b.WriteByte('\t')
		b.Write(lines[i].AppendJSON(nil))
		b.WriteByte('\n')
	}
	return b.String()
}

// midnight are the trades of two symbols across midnight UTC, with ids and
// sides, merged in order of time.
func midnight(t *testing.T) []line {
	t.Helper()
	var all []line
	for _, name := range []string{"BTCUSDT", "ETHUSDT"} {
		path := filepath.Join(marketdata.Folder(t), "crypto", "binance_"+name+"_2024-08-09_midnight_trades.csv.gz")
		if err := marketdata.Binance(path, func(tr marketdata.Trade) error {
			all = append(all, line{tr, tr.TS})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return byArrival(all)
}

func byArrival(ls []line) []line {
	slices.SortStableFunc(ls, func(a, b line) int { return int(a.arrival - b.arrival) })
	return ls
}

// shuffled lets every trade arrive up to disorder ms after its event time.
func shuffled(ls []line, disorder int64, seed uint64) []line {
	r := rand.New(rand.NewPCG(seed, seed))
	out := slices.Clone(ls)
	for i := range out {
		out[i].arrival = out[i].TS + r.Int64N(disorder+1)
	}
	return byArrival(out)
}

// repeated sends a share of the trades again, a little later.
func repeated(ls []line, share float64, seed uint64) []line {
	r := rand.New(rand.NewPCG(seed, seed))
	out := slices.Clone(ls)
	for _, l := range ls {
		if r.Float64() < share {
			l.arrival += r.Int64N(5000)
			out = append(out, l)
		}
	}
	return byArrival(out)
}

// equity are the prints of one file, ids and all.
func equity(t *testing.T, file string) []line {
	t.Helper()
	var all []line
	path := filepath.Join(marketdata.Folder(t), "us-equity", file)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("not run: %v", err)
	}
	if err := marketdata.Equity(path, func(p marketdata.Print) error {
		all = append(all, line{p.Trade, p.TS})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}
