package load

import (
	"testing"

	"pgregory.net/rapid"
)

func all(t rapid.TB, c Config) []Trade {
	t.Helper()
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var out []Trade
	for trade, more := g.Next(); more; trade, more = g.Next() {
		out = append(out, trade)
	}
	return out
}

func TestLoadKeepsWhatItsConfigurationSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Symbols: rapid.IntRange(1, 20).Draw(t, "symbols"), Rate: rapid.Float64Range(1, 5_000).Draw(t, "rate"), Count: rapid.IntRange(1, 500).Draw(t, "count"),
			StartMS: 1_700_000_000_000, DisorderMS: rapid.Int64Range(0, 2_000).Draw(t, "disorder"), Repeats: rapid.Float64Range(0, 1).Draw(t, "repeats"),
			Seed: rapid.Uint64().Draw(t, "seed"),
		}
		type key struct {
			symbol string
			id     int64
		}
		first, last, sent := map[key]Trade{}, map[string]int64{}, int64(0)
		for _, trade := range all(t, c) {
			if trade.SendMS < sent {
				t.Fatalf("sent at %d after %d", trade.SendMS, sent)
			}
			sent = trade.SendMS
			late := trade.SendMS - trade.TS
			if late < 0 || late > c.DisorderMS && !trade.Repeat {
				t.Fatalf("sent %d ms after its time, disorder %d", late, c.DisorderMS)
			}
			k := key{trade.Symbol, trade.ID}
			original, seen := first[k]
			if seen != trade.Repeat || seen && (original.Price != trade.Price || original.Size != trade.Size || original.TS != trade.TS) {
				t.Fatalf("%+v: given out before: %v", trade, seen)
			}
			if !seen {
				first[k] = trade
				last[trade.Symbol] = max(last[trade.Symbol], trade.ID)
			}
		}
		total := int64(0)
		for _, n := range last {
			total += n
		}
		if len(first) != c.Count || total != int64(c.Count) {
			t.Fatalf("%d different trades, highest ids add up to %d, want %d", len(first), total, c.Count)
		}
	})
}

func TestSameSeedMakesSameTrades(t *testing.T) {
	c := Config{Symbols: 5, Rate: 100, Count: 300, StartMS: 1_700_000_000_000, DisorderMS: 400, Repeats: 0.2, Seed: 9}
	one, two := all(t, c), all(t, c)
	c.Seed = 10
	other, differing := all(t, c), 0
	for i := range one {
		if string(one[i].AppendJSON(nil)) != string(two[i].AppendJSON(nil)) {
			t.Fatalf("trade %d differs", i)
		}
		if i < len(other) && one[i].Price != other[i].Price {
			differing++
		}
	}
	if differing == 0 {
		t.Error("another seed made the same trades")
	}
}

func TestBadLoadIsRefused(t *testing.T) {
	good := Config{Symbols: 1, Rate: 1, Count: 1, StartMS: 1}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Symbols = 0 }, func(c *Config) { c.Symbols = 10_001 }, func(c *Config) { c.Rate = 0 }, func(c *Config) { c.Count = 0 },
		func(c *Config) { c.StartMS = 0 }, func(c *Config) { c.DisorderMS = -1 }, func(c *Config) { c.Repeats = 1.1 },
	} {
		bad := good
		change(&bad)
		if _, err := New(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}
