package adapter

import (
	"bufio"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// captures is the folder of the recorded frames.
func captures(t testing.TB) string {
	t.Helper()
	shared := os.Getenv("KLINE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	folder := filepath.Join(shared, "market-data", "venue-captures")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("not run: the market data are missing: name their parent folder in KLINE_SHARED")
	}
	return folder
}

// frames are the recorded frames of one file, in order.
func frames(t testing.TB, file string) []json.RawMessage {
	t.Helper()
	f, err := os.Open(filepath.Join(captures(t), file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []json.RawMessage
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Frame json.RawMessage }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line.Frame)
	}
	return all
}

func exact(d core.Decimal) *big.Rat {
	return new(big.Rat).SetFrac(big.NewInt(d.Coef), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.Scale)), nil))
}

func reader(t testing.TB, preset string, o Options) *Reader {
	t.Helper()
	r, err := NewReader(Format{Preset: preset}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The sums were computed from the files by another program in another language.
func TestRecordedFramesGiveEveryTradeExactly(t *testing.T) {
	for _, want := range []struct {
		file, preset     string
		trades, buys     int
		symbols          int
		volume, turnover string
		millis           int64 // sum of the event times, modulo 1e9
	}{
		{"binance_aggtrade.jsonl", "binance_agg", 104, 51, 7, "178386.37", "43023.66995126", 319194984},
		{"coinbase_matches.jsonl", "coinbase", 107, 53, 10, "57718.744007", "41385.1656219596", 528068897},
		{"kraken_trade.jsonl", "kraken_v1", 10, 5, 2, "52948.76340787", "3747.5022835284481", 781521272},
		{"okx_trades.jsonl", "okx", 74, 48, 3, "138.48657495", "1163883.443833072", 983046317},
		{"bybit_trade.jsonl", "bybit_v2", 150, 109, 2, "473054", "27583074427.002", 669634906},
	} {
		t.Run(want.preset, func(t *testing.T) {
			r := reader(t, want.preset, Options{Contracts: true})
			volume, turnover := new(big.Rat), new(big.Rat)
			trades, buys, millis := 0, 0, int64(0)
			symbols := map[string]bool{}
			for _, frame := range frames(t, want.file) {
				m, err := r.Frame(frame)
				if err != nil || m.Kind != KindTrades {
					t.Fatalf("%s: %v, %v", frame, m.Kind, err)
				}
				for _, tr := range m.Trades {
					if tr.Reject != core.ReasonNone {
						t.Fatalf("%s: refused: %s %s", frame, tr.Reject, tr.Field)
					}
					trades++
					if tr.Side == core.SideBuy {
						buys++
					}
					symbols[string(tr.Symbol)] = true
					millis += tr.EventNS / 1e6
					volume.Add(volume, exact(tr.Size))
					turnover.Add(turnover, new(big.Rat).Mul(exact(tr.Price), exact(tr.Size)))
				}
			}
			wantVolume, _ := new(big.Rat).SetString(want.volume)
			wantTurnover, _ := new(big.Rat).SetString(want.turnover)
			if trades != want.trades || buys != want.buys || len(symbols) != want.symbols || millis%1e9 != want.millis ||
				volume.Cmp(wantVolume) != 0 || turnover.Cmp(wantTurnover) != 0 {
				t.Errorf("%d trades, %d buys, %d symbols, volume %s, turnover %s, times %d\nwant %+v", trades, buys, len(symbols),
					volume.FloatString(10), turnover.FloatString(20), millis%1e9, want)
			}
		})
	}
}

func TestRecordedFramesOfAnotherVenueGiveNoTrade(t *testing.T) {
	files := map[string]string{
		"binance_agg": "binance_aggtrade.jsonl", "coinbase": "coinbase_matches.jsonl", "kraken_v1": "kraken_trade.jsonl",
		"okx": "okx_trades.jsonl", "bybit_v2": "bybit_trade.jsonl",
	}
	for _, v := range Venues() {
		r := reader(t, v.Name, Options{Contracts: true})
		for preset, file := range files {
			if preset == v.Name || v.Name == "bybit_v3" && preset == "bybit_v2" {
				continue // versions 2 and 3 name their topic alike
			}
			for _, frame := range frames(t, file) {
				m, err := r.Frame(frame)
				if err == nil && m.Kind == KindTrades {
					t.Fatalf("%s took a frame of %s: %s", v.Name, preset, frame)
				}
			}
		}
	}
}
