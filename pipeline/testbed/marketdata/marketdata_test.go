package marketdata

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
)

func TestPrintKeepsPriceExactAndSplitsItsConditions(t *testing.T) {
	got, err := parsePrint("14726965,1673305,200,Q,20002020,1", 1_381_204_800_000)
	if err != nil {
		t.Fatal(err)
	}
	want := Print{Trade: Trade{Price: "167.3305", Size: "200", TS: 1_381_219_526_965, Conditions: []string{"20", "2000", "20000000"}}, Venue: "Q", Bits: 0x20002020, Suspicious: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, line := range []string{"", "1,2,3", "x,1,1,Q,0,0", "1,x,1,Q,0,0", "1,1,1,Q,zz,0"} {
		if _, err := parsePrint(line, 0); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestTradeIsWrittenInCanonicalOrder(t *testing.T) {
	tests := []struct {
		trade Trade
		want  string
	}{
		{Trade{Symbol: "A", Price: "1.5", Size: "2", TS: 3}, `{"symbol":"A","price":"1.5","size":"2","ts":3}`},
		{Trade{Symbol: "A", Price: "1.5", Size: "2", TS: 3, ID: 4, Side: "buy"}, `{"symbol":"A","price":"1.5","size":"2","ts":3,"id":4,"side":"buy"}`},
		{Trade{Symbol: "A", Price: "1", Size: "2", TS: 3, TextID: `a"1`, Conditions: []string{"20", "2000"}}, `{"symbol":"A","price":"1","size":"2","ts":3,"id":"a\"1","conditions":["20","2000"]}`},
	}
	for _, test := range tests {
		got := string(test.trade.AppendJSON(nil))
		if got != test.want || !json.Valid([]byte(got)) {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestTakerSideIsTheOppositeOfTheMaker(t *testing.T) {
	for line, want := range map[string]string{"7,8,1.5,2,1": "sell", "7,8,1.5,2,0": "buy"} {
		if got, err := parseBinance(line); err != nil || got.Side != want || got.ID != 7 || got.TS != 8 {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
}

func TestBinanceFilesHaveContiguousIDs(t *testing.T) {
	folder := filepath.Join(Folder(t), "crypto")
	tests := []struct {
		file   string
		read   func(string, func(Trade) error) error
		symbol string
		count  int
	}{
		{"binance_BTCUSDT_2024-08-09_midnight_trades.csv.gz", Binance, "BTCUSDT", 19_904},
		{"binance_ETHUSDT_2024-08-09_midnight_trades.csv.gz", Binance, "ETHUSDT", 14_515},
		{"binance_XRPETH_2019-10-11_trades.json.gz", BinanceAggregate, "XRPETH", 12_477},
	}
	for _, test := range tests {
		t.Run(test.symbol, func(t *testing.T) {
			count, last := 0, Trade{}
			err := test.read(filepath.Join(folder, test.file), func(trade Trade) error {
				if count > 0 && (trade.ID != last.ID+1 || trade.TS < last.TS) || trade.Symbol != test.symbol {
					t.Fatalf("%+v follows %+v", trade, last)
				}
				count, last = count+1, trade
				return nil
			})
			if err != nil || count != test.count {
				t.Errorf("%d trades, %v; want %d", count, err, test.count)
			}
		})
	}
}
