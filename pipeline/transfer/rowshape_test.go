package transfer

import (
	"errors"
	"strings"
	"testing"
)

// What would be another trade than the file has: wrong prices nobody is told of.
func TestRowsThatDoNotFitAreNoTrades(t *testing.T) {
	const made = "1467812345,2345.67,0.5,1400000001,1400000001,1723161600001,False,True\n"
	for _, c := range []struct {
		name, text string
		cfg        Config
		want       string
	}{
		{"decimal commas", "ts,price,size\n1723161255342,60123,45,0,01\n", Config{Symbol: "A"}, `a.csv:2: the row has 5 columns, the header 3: is there a comma inside a number or a text? (quotes around it, or another --delimiter)`},
		{"cut off", "ts,price,size,id\n1723161255342,60123.45,0.0", Config{Symbol: "A"}, `a.csv:2: the last row has 3 columns instead of 4 and no line end: the file is cut off`},
		{"cut off, no header", "1723161255342,60123.45,0.0", Config{Symbol: "A", Columns: Columns{Places: []string{"ts", "price", "size", "id"}}}, `a.csv:1: the last row has 3 columns instead of 4 and no line end: the file is cut off`},
		{"a first row that is no header", "1723161255342,none,1\n", Config{Symbol: "A", Columns: Columns{Places: []string{"ts", "price", "size"}}}, `a.csv:1: field price (column 2): "none" is no decimal number`},
		{"the file of another preset", made, Config{Symbol: "A", Venue: "binance"}, `a.csv:1: field maker (column 6): "1723161600001" is neither true nor false: is it the right column?`},
		{"contracts of OKX", "instrument_name,trade_id,side,price,size,created_time\nBTC-USDT-SWAP,1,buy,60000,5,1723161600123\n", Config{Venue: "okx"}, `a.csv:2: field size (column 5): "5" counts contracts of BTC-USDT-SWAP, not base units (--contracts takes it as it is)`},
		{"contracts of Bybit", "timestamp,symbol,side,size,price,tickDirection,trdMatchID\n1723161600.1234,BTCUSD,Buy,60000,60000.5,PlusTick,a-b\n", Config{Venue: "bybit"}, `a.csv:2: field size (column 4): "60000" counts contracts of BTCUSD, not base units (--contracts takes it as it is)`},
		{"contracts of Binance", "1,60000,5,0.8,1723161600123,true\n", Config{Symbol: "BTCUSD_PERP", Venue: "binance"}, `a.csv:1: field size (column 3): "5" counts contracts of BTCUSD_PERP, not base units (--contracts takes it as it is)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{}
			c.cfg.Target = m
			path := put(t, "a.csv", []byte(c.text))
			_, err := run(t, c.cfg, path)
			many := (*TooManyBadError)(nil)
			if !errors.As(err, &many) || many.Row.Error() != c.want || len(m.records) != 0 {
				t.Fatalf("%d trades: %s\n got %v\nwant %s", len(m.records), m.values(), err, c.want)
			}
			if c.cfg.Contracts = true; strings.HasPrefix(c.name, "contracts") {
				if _, err := run(t, c.cfg, path); err != nil || len(m.records) != 1 {
					t.Errorf("with contracts %d trades, %v", len(m.records), err)
				}
			}
		})
	}
}

func TestRowsThatFitNearlyAreTrades(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		cfg  Config
	}{
		"columns without a name that are empty":  {"ts,price,size\n1723161255342,1,1,,\n", Config{Symbol: "A"}},
		"the last ones left out":                 {"ts,price,size,side,id\n1723161255342,1,1\n", Config{Symbol: "A"}},
		"no line end":                            {"ts,price,size\n1723161255342,1,1", Config{Symbol: "A"}},
		"no line end, columns that nobody reads": {"1,1,1,1,1723161255342,true", Config{Symbol: "A", Venue: "binance"}},
	} {
		m := &memory{}
		c.cfg.Target = m
		if _, err := run(t, c.cfg, put(t, "a.csv", []byte(c.text))); err != nil || len(m.records) != 1 {
			t.Errorf("%s: %d trades, %v", name, len(m.records), err)
		}
	}
}

// They are in the volume and not in the taker-buy volume, which looks like a market
// in which nobody buys.
func TestSidesThatNobodyKnowsAreCounted(t *testing.T) {
	for text, want := range map[string]int64{
		"ts,price,size,side\n1723161255342,1,1,Long\n1723161255343,1,1,b\n1723161255344,1,1,\n":                              2,
		"ts,price,size\n1723161255342,1,1\n":                                                                                 1,
		`{"ts":1723161255342,"price":1,"size":1,"side":"B"}` + "\n" + `{"ts":1723161255343,"price":1,"size":1,"side":"Buy"}`: 1,
	} {
		totals, err := run(t, Config{Target: &memory{}, Symbol: "A"}, put(t, "a", []byte(text)))
		if err != nil || totals.Unsided != want {
			t.Errorf("%q: %d without a side, want %d; %v", text, totals.Unsided, want, err)
		}
	}
}

// Names of files, and of those inside of a zip, come from whoever made them.
func TestMessagesHaveNoNameThatMovesTheCursor(t *testing.T) {
	const evil = "\x1b[31m\u202ex.csv"
	for _, content := range [][]byte{zipped(t, evil, "ts,price,size,id\n1,1,1,1\n"), zipped(t, evil, "ts,price,size,id\n\"1,1,1,1\n"), zipped(t, evil, "nothing,here\n1,1\n")} {
		_, err := run(t, Config{Target: &memory{}, Symbol: "A"}, put(t, evil+".zip", content))
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") || !strings.Contains(err.Error(), `x1b[31m`) {
			t.Errorf("got %q", err)
		}
	}
}
