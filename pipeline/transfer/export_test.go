package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// shelf is a Reader of what was put on it.
type shelf struct {
	klines   []history.Kline
	trades   []history.Trade
	restated []wire.RestatedRecord
}

func (s *shelf) Klines(_ context.Context, _ *ExportConfig, put func(*history.Kline) error, restate func(*wire.RestatedRecord, int64, int64) error) error {
	for i := range s.klines {
		if err := put(&s.klines[i]); err != nil {
			return err
		}
	}
	for i := range s.restated {
		if restate == nil {
			break
		}
		if err := restate(&s.restated[i], 1000+int64(i), 0); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Trades(_ context.Context, _ *ExportConfig, put func(*history.Trade) error) error {
	for i := range s.trades {
		if err := put(&s.trades[i]); err != nil {
			return err
		}
	}
	return nil
}

// bar is a kline of a minute of 2024.
func bar(sym, itv string, t int64, rev int32, so int64, closing string) history.Kline {
	k := history.Kline{So: so}
	k.Sym, k.Itv, k.T, k.CloseT, k.Final, k.EP, k.Rev, k.Q, k.N = sym, itv, t, t+59_999, true, 1, rev, "trades", 3
	b := func(s string) []byte { return []byte(s) }
	k.O, k.H, k.L, k.C, k.V, k.QV = b("1"), b("9"), b("0.5"), b(closing), b("3"), b("4.5")
	k.BV, k.BQV, k.VWAP, k.FirstID, k.LastID = b("1"), b("1.5"), b("1.5"), b("7"), b(`"x-8"`)
	return k
}

func export(t testing.TB, cfg ExportConfig, r Reader) string {
	t.Helper()
	var out bytes.Buffer
	if _, err := Export(context.Background(), cfg, r, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const minute0 = int64(1723161600000)

func TestAnExportHasEachBarOnceInItsNewestRevision(t *testing.T) {
	s := &shelf{klines: []history.Kline{
		bar("B", "1m", minute0, 0, 5, "2"),
		bar("A", "5m", minute0, 0, 9, "3"),
		bar("A", "1m", minute0+60_000, 1, 12, "4.25"),
		bar("A", "1m", minute0+60_000, 0, 8, "4"),
		bar("A", "1m", minute0, 0, 3, "5"),
		bar("A", "1m", minute0, 0, 3, "5"), // a repeat of a crash
	}}
	imported := bar("A", "1m", minute0, 9, 0, "6")
	imported.EP = ImportedEpoch
	s.klines = append(s.klines, imported)
	got := export(t, ExportConfig{Kind: Bars, Format: FormatCSV}, s)
	want := `sym,itv,open_time,close_time,o,h,l,c,v,qv,n,bv,bqv,vwap,first_id,last_id,rev,q,why
A,1m,1723161600000,1723161659999,1,9,0.5,5,3,4.5,3,1,1.5,1.5,7,x-8,0,trades,
A,1m,1723161660000,1723161719999,1,9,0.5,4.25,3,4.5,3,1,1.5,1.5,7,x-8,1,trades,
A,5m,1723161600000,1723161659999,1,9,0.5,3,3,4.5,3,1,1.5,1.5,7,x-8,0,trades,
B,1m,1723161600000,1723161659999,1,9,0.5,2,3,4.5,3,1,1.5,1.5,7,x-8,0,trades,
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	slices.Reverse(s.klines)
	if again := export(t, ExportConfig{Kind: Bars, Format: FormatCSV}, s); again != got {
		t.Errorf("another order of reading gives other bytes:\n%s", again)
	}
	one := export(t, ExportConfig{Kind: Bars, Format: FormatJSONL, Symbols: []string{"A"}, Intervals: []string{"1m"}, From: minute0 + 1}, s)
	if want := `{"sym":"A","itv":"1m","open_time":1723161660000,"close_time":1723161719999,"o":"1","h":"9","l":"0.5","c":"4.25","v":"3","qv":"4.5","n":3,"bv":"1","bqv":"1.5","vwap":"1.5","first_id":7,"last_id":"x-8","rev":1,"q":"trades"}` + "\n"; one != want {
		t.Errorf("got\n%swant\n%s", one, want)
	}
}

func TestValuesThatARestatedBarChangedAreExported(t *testing.T) {
	k := bar("A", "1m", minute0, 0, 3, "5")
	k.Ind = []wire.IndRecord{{Name: "ema(20)", V: [][]byte{[]byte("1.5")}, Ver: "aa"}, {Name: "macd(12,26,9)", V: [][]byte{[]byte("1"), nil, []byte("3e-7")}, Ver: "aa"}}
	s := &shelf{klines: []history.Kline{k}, restated: []wire.RestatedRecord{{Sym: "A", Itv: "1m", Ind: "ema(20)", T: []int64{minute0}, V: [][][]byte{{[]byte("2.5")}}}}}
	cfg := ExportConfig{Kind: Bars, Format: FormatCSV, Indicators: []string{"all"}, Outputs: func(name string) []string {
		return map[string][]string{"macd(12,26,9)": {"macd", "signal", "hist"}}[name]
	}}
	got := export(t, cfg, s)
	if !strings.Contains(got, `,why,ema(20),"macd(12,26,9).macd","macd(12,26,9).signal","macd(12,26,9).hist"`+"\n") || !strings.HasSuffix(got, ",trades,,2.5,1,,3e-07\n") {
		t.Errorf("got\n%s", got)
	}
	// A later revision carries its own values again.
	k.Rev, k.So = 1, 5000
	s.klines = append(s.klines, k)
	if got := export(t, cfg, s); !strings.HasSuffix(got, ",trades,,1.5,1,,3e-07\n") {
		t.Errorf("got\n%s", got)
	}
}

// A column that is not there looks as if somebody had not asked for it.
func TestIndicatorsThatNoBarHasAreNamed(t *testing.T) {
	k := bar("A", "1m", minute0, 0, 3, "5")
	k.Ind = []wire.IndRecord{{Name: "sma(20)"}, {Name: "ema(20)", V: [][]byte{[]byte("1.5")}}}
	s := &shelf{klines: []history.Kline{k, bar("B", "1m", minute0, 0, 4, "5")}}
	cfg := ExportConfig{Kind: Bars, Format: FormatCSV, Indicators: []string{"ema(20)", "sma"}}
	_, err := Export(t.Context(), cfg, s, io.Discard)
	if err == nil || !strings.Contains(err.Error(), `"sma"`) || !strings.Contains(err.Error(), "there are: ema(20), sma(20)") {
		t.Errorf("error %v", err)
	}
	cfg.Symbols = []string{"B"}
	if _, err := Export(t.Context(), cfg, s, io.Discard); err == nil || !strings.Contains(err.Error(), "there are: none") {
		t.Errorf("no bar has values: %v", err)
	}
	cfg.Symbols = []string{"C"} // no bar, nothing to miss
	if n, err := Export(t.Context(), cfg, s, io.Discard); n != 0 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	cfg.Symbols, cfg.Indicators = nil, []string{"ema(20)", "sma(20)"}
	if n, err := Export(t.Context(), cfg, s, io.Discard); n != 2 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestTradesAreExportedOnceByTime(t *testing.T) {
	one := func(offset, ns int64, id string, price int64) history.Trade {
		return history.Trade{Origin: history.Origin{Offset: offset}, Trade: core.Trade{
			Symbol: []byte("A"), EventNS: ns, Price: core.Decimal{Coef: price}, Size: core.Decimal{Coef: 15, Scale: 1}, ID: core.NewTradeID([]byte(id)), Side: core.SideBuy,
		}}
	}
	ns := minute0 * 1e6
	s := &shelf{trades: []history.Trade{one(3, ns+7, "b", 3), one(1, ns, "1", 1), one(2, ns, "a", 2), one(9, ns, "1", 1), one(4, ns+1, "1", 4), one(5, ns+7, "", 5), one(6, ns+7, "", 5)}}
	want := "symbol,ts,tn,price,size,id,side,seq\n" +
		"A,1723161600000,,1,1.5,1,buy,\nA,1723161600000,,2,1.5,a,buy,\nA,1723161600000,1,4,1.5,1,buy,\n" +
		"A,1723161600000,7,3,1.5,b,buy,\nA,1723161600000,7,5,1.5,,buy,\nA,1723161600000,7,5,1.5,,buy,\n"
	if got := export(t, ExportConfig{Kind: Trades, Format: FormatCSV}, s); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestExportedTradesComeBackTheSame(t *testing.T) {
	s := &shelf{}
	for i := range int64(200) {
		s.trades = append(s.trades, history.Trade{Origin: history.Origin{Offset: i}, Trade: core.Trade{
			Symbol: []byte("A/B"), EventNS: minute0*1e6 + i*1_000_003, Price: core.Decimal{Coef: 1 + i, Scale: 9}, Size: core.Decimal{Coef: 1 + i*i},
			ID: core.NewTradeID(fmt.Appendf(nil, "%s%d", strings.Repeat("t", int(i%2)), i)), Side: core.Side(i % 3), HasSeq: i%5 == 0, Seq: i,
		}})
	}
	for _, format := range []string{FormatCSV, FormatJSONL} {
		for _, gz := range []bool{false, true} {
			m := &memory{}
			path := put(t, "a", []byte(export(t, ExportConfig{Kind: Trades, Format: format, Gzip: gz}, s)))
			if _, err := run(t, Config{Target: m}, path); err != nil {
				t.Fatal(err)
			}
			var want strings.Builder
			for i := range s.trades {
				want.Write(wire.AppendTrade(nil, &s.trades[i].Trade))
				want.WriteByte('\n')
			}
			if m.values() != want.String() {
				t.Errorf("%s, gzip %t: got\n%.300s\nwant\n%.300s", format, gz, m.values(), want.String())
			}
		}
	}
}

// An empty file looked as if there had been no trades.
func TestExportRefusesAnIntervalThatNothingHas(t *testing.T) {
	s := &shelf{klines: []history.Kline{bar("A", "1m", minute0, 0, 3, "5"), bar("A", "7m", minute0, 0, 3, "5")}}
	for itv, want := range map[string]string{
		"3m": "reading --interval: 3m is not configured, and no bar has it (there are: 1m, 7m, 1h)",
		"1h": "", "7m": "", "1m": "",
	} {
		_, err := Export(t.Context(), ExportConfig{Kind: Bars, Format: FormatCSV, Intervals: []string{itv}, Symbols: []string{"B"}, Configured: []string{"1m", "1h"}}, s, io.Discard)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v, want %q", itv, err, want)
		}
	}
}

// Oil of 2020: a file that was exported could not be imported, and dead letters would
// be exported.
func TestPricesBelowZeroGoOutAndInWhereTheRulesTakeThem(t *testing.T) {
	rules := []core.SymbolRule{{Pattern: "CL*", PriceScale: -1, SizeScale: -1, AnyPrice: true}}
	s := &shelf{}
	for i, symbol := range []string{"CLK0", "BTC", "CLK0"} {
		s.trades = append(s.trades, history.Trade{Origin: history.Origin{Offset: int64(i)}, Trade: core.Trade{
			Symbol: []byte(symbol), EventNS: minute0*1e6 + int64(i), Price: core.Decimal{Coef: int64(i)*3763 - 3763, Scale: 2}, Size: core.Decimal{Coef: 1}, ID: core.NewTradeID([]byte{byte('1' + i)}),
		}})
	}
	k := bar("CLK0", "1m", minute0, 0, 1, "10.01")
	k.O, k.H, k.L, k.C, k.QV, k.BQV, k.VWAP = []byte("10.01"), []byte("10.01"), []byte("-40.32"), []byte("-37.63"), []byte("-123456789012345678901234567890.5"), []byte("-1"), []byte("-3.5")
	s.klines = append(s.klines, k)
	for _, format := range []string{FormatCSV, FormatJSONL} {
		trades := export(t, ExportConfig{Kind: Trades, Format: format, Rules: rules}, s)
		bars := export(t, ExportConfig{Kind: Bars, Format: format, Rules: rules}, s)
		m := &memory{}
		for kind, text := range map[Kind]string{Trades: trades, Bars: bars} {
			if _, err := run(t, Config{Kind: kind, Target: m, Rules: rules}, put(t, "a", []byte(text))); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			many := (*TooManyBadError)(nil)
			if _, err := run(t, Config{Kind: kind, Target: &memory{}}, put(t, "b", []byte(text))); !errors.As(err, &many) || !strings.Contains(err.Error(), "is not above 0 (`prices any`") {
				t.Errorf("%s of %s without the rule: %v", kind, format, err)
			}
		}
		if len(m.records) != 2 || !strings.Contains(m.values(), `"price":"-37.63"`) {
			t.Errorf("%s: trades %s", format, m.values())
		}
		if again := export(t, ExportConfig{Kind: Bars, Format: format}, &shelf{klines: m.klines}); again != bars || !strings.Contains(bars, "-40.32") {
			t.Errorf("%s: got\n%swant\n%s", format, again, bars)
		}
	}
}

// Ids that ParseInt takes for numbers and that are texts: as numbers they would be no
// JSON, or the id of another trade.
func TestIDsThatLookLikeNumbersComeBackTheSame(t *testing.T) {
	s := &shelf{}
	for i, id := range []string{"007", "+5", "-0", "-7", "7", "0", "9223372036854775808", "1e3", "0x1f", "1_000", " 8", "\t9", "\u00a010\u2028"} {
		s.trades = append(s.trades, history.Trade{Origin: history.Origin{Offset: int64(i)}, Trade: core.Trade{
			Symbol: []byte("A"), EventNS: minute0*1e6 + int64(i), Price: core.Decimal{Coef: 1}, Size: core.Decimal{Coef: 1}, ID: core.NewTradeID([]byte(id)),
		}})
		k := bar("A", "1m", minute0+int64(i)*60_000, 0, int64(i), "2")
		k.FirstID, k.LastID = history.RawID(id), history.RawID(id)
		s.klines = append(s.klines, k)
	}
	for _, format := range []string{FormatCSV, FormatJSONL} {
		trades, bars := export(t, ExportConfig{Kind: Trades, Format: format}, s), export(t, ExportConfig{Kind: Bars, Format: format}, s)
		for line := range strings.Lines(trades + bars) {
			if format == FormatJSONL && !json.Valid([]byte(line)) {
				t.Errorf("this is no JSON: %s", line)
			}
		}
		m := &memory{}
		if _, err := run(t, Config{Target: m}, put(t, "a", []byte(trades))); err != nil {
			t.Fatal(err)
		}
		if _, err := run(t, Config{Kind: Bars, Target: m}, put(t, "b", []byte(bars))); err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for i := range s.trades {
			want.Write(wire.AppendTrade(nil, &s.trades[i].Trade))
			want.WriteByte('\n')
		}
		if m.values() != want.String() {
			t.Errorf("%s: got\n%swant\n%s", format, m.values(), want.String())
		}
		for i := range m.klines {
			if got := string(m.klines[i].FirstID); got != string(s.klines[i].FirstID) {
				t.Errorf("%s: the first id %s came back as %s", format, s.klines[i].FirstID, got)
			}
		}
	}
}

func TestExportedBarsComeBackTheSame(t *testing.T) {
	late := bar("A", "1m", minute0+60_000, 2, 12, "4.25")
	late.Why = "late"
	huge := bar("A", "1m", minute0+120_000, 0, 13, "4.25")
	huge.QV = []byte("123456789012345678901234567890.123456789012345678")
	huge.FirstID, huge.LastID = []byte("-1"), []byte(`"q\"uote"`)
	s := &shelf{klines: []history.Kline{bar("A", "1m", minute0, 0, 3, "5"), late, huge}}
	for _, format := range []string{FormatCSV, FormatJSONL} {
		out := export(t, ExportConfig{Kind: Bars, Format: format}, s)
		m := &memory{}
		if _, err := run(t, Config{Kind: Bars, Target: m}, put(t, "a", []byte(out))); err != nil {
			t.Fatal(err)
		}
		if len(m.klines) != 3 || m.klines[0].EP != ImportedEpoch {
			t.Fatalf("%d bars came back", len(m.klines))
		}
		if again := export(t, ExportConfig{Kind: Bars, Format: format}, &shelf{klines: m.klines}); again != out {
			t.Errorf("%s: got\n%swant\n%s", format, again, out)
		}
	}
}

func TestParquetHasTheExactNumbers(t *testing.T) {
	k := bar("A", "1m", minute0, 0, 3, "5.000000000000000001")
	k.V = []byte("12345678901234567890.5")
	k.Ind = []wire.IndRecord{{Name: "ema(20)", V: [][]byte{[]byte("0.1")}, Ver: "aa"}}
	s := &shelf{klines: []history.Kline{k, bar("B", "1m", minute0, 1, 4, "7")}}
	for _, decimals := range []string{"decimal", "string"} {
		cfg := ExportConfig{Kind: Bars, Format: FormatParquet, Indicators: []string{"all"}, Decimals: decimals}
		out := export(t, cfg, s)
		if again := export(t, cfg, s); again != out {
			t.Error("the same rows gave other bytes")
		}
		f, err := parquet.OpenFile(strings.NewReader(out), int64(len(out)))
		if err != nil {
			t.Fatal(err)
		}
		names := f.Schema().Columns()
		if f.NumRows() != 2 || names[0][0] != "sym" || names[2][0] != "open_time" || names[len(names)-1][0] != "ema(20)" {
			t.Fatalf("%d rows, columns %v", f.NumRows(), names)
		}
		rows := make([]parquet.Row, 2)
		r := parquet.NewReader(f)
		if n, err := r.ReadRows(rows); n != 2 || err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(n, err)
		}
		text := func(v parquet.Value) string {
			if decimals == "string" {
				return v.String()
			}
			n := new(big.Int).SetBytes(v.ByteArray()).String()
			if len(n) <= 18 {
				n = strings.Repeat("0", 19-len(n)) + n
			}
			return strings.TrimRight(strings.TrimRight(n[:len(n)-18]+"."+n[len(n)-18:], "0"), ".")
		}
		first, second := rows[0], rows[1]
		if first[0].String() != "A" || first[2].Int64() != minute0 || text(first[7]) != "5.000000000000000001" || text(first[8]) != "12345678901234567890.5" ||
			first[len(first)-1].Double() != 0.1 || first[15].String() != "x-8" || !first[18].IsNull() {
			t.Errorf("%s: %v", decimals, first)
		}
		if text(second[6]) != "0.5" || second[16].Int64() != 1 || !second[len(second)-1].IsNull() {
			t.Errorf("%s: %v", decimals, second)
		}
	}
	k.V = []byte("123456789012345678901.5")
	_, err := Export(t.Context(), ExportConfig{Kind: Bars, Format: FormatParquet}, &shelf{klines: []history.Kline{k}}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "use --decimals string") {
		t.Errorf("a number that does not fit: %v", err)
	}
}

func TestTheSorterSortsOnTheDisk(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSorter(t.TempDir())
		s.limit = rapid.IntRange(40, 4000).Draw(rt, "limit")
		defer s.close()
		type entry struct{ key, value string }
		var want []entry
		for i := range rapid.IntRange(0, 400).Draw(rt, "n") {
			e := entry{fmt.Sprint(rapid.IntRange(0, 50).Draw(rt, "key")), fmt.Sprint(i)}
			want = append(want, e)
			if err := s.add([]byte(e.key), []byte(e.value)); err != nil {
				rt.Fatal(err)
			}
		}
		slices.SortStableFunc(want, func(a, b entry) int { return strings.Compare(a.key, b.key) })
		var got []entry
		if err := s.each(func(k, v []byte) error { got = append(got, entry{string(k), string(v)}); return nil }); err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %v, want %v", got, want)
		}
	})
}

// TestTradesThatNameTheirFormatAreExportedByIt: feeds, ingest and imports write the generic
// form into a topic whose source has another.
func TestTradesThatNameTheirFormatAreExportedByIt(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "ticks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cluster := kafka.Cluster{Brokers: fake.ListenAddrs()}
	p, err := kafka.NewProducer(kafka.ProducerConfig{Cluster: cluster, Topic: "ticks"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m := &wire.Mapping{TimeUnit: wire.UnitMicros}
	foreign := kafka.TradeRecord{Key: []byte("A"), Value: []byte(`{"symbol":"A","price":"1","size":"1","ts":1700000000000000,"id":1}`)}
	ours := kafka.TradeRecord{Key: []byte("A"), Value: []byte(`{"symbol":"A","price":"2","size":"1","ts":1700000000001,"id":2}`),
		Headers: []kafka.Header{{Key: wire.HeaderContentType, Value: []byte(wire.ContentTrade)}}}
	if err := p.Send(t.Context(), []kafka.TradeRecord{foreign, ours}); err != nil {
		t.Fatal(err)
	}
	var times []int64
	r := &TopicReader{Cluster: cluster, Input: "ticks", Mapping: m}
	err = r.Trades(t.Context(), &ExportConfig{}, func(one *history.Trade) error { times = append(times, one.EventNS); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{1_700_000_000_000_000_000, 1_700_000_000_001_000_000}; !slices.Equal(times, want) {
		t.Errorf("event times %v, want %v", times, want)
	}
	tail := NewTail(TopicConfig{Cluster: cluster, Topic: "ticks", Partitions: 1}, m, "")
	if ns, found, err := tail.Newest(t.Context(), "A"); err != nil || !found || ns != 1_700_000_000_001_000_000 {
		t.Errorf("the newest trade is of %d (%v, %v)", ns, found, err)
	}
}

// A week from Monday begins before 1970 for trades of its first days.
func TestBarsThatOpenBefore1970AreExported(t *testing.T) {
	s := &shelf{klines: []history.Kline{bar("A", "1w", -259_200_000, 0, 1, "2"), bar("A", "1w", 345_600_000, 0, 2, "2")}}
	if got := export(t, ExportConfig{Kind: Bars, Format: FormatJSONL}, s); strings.Count(got, "\n") != 2 {
		t.Errorf("without bounds: %s", got)
	}
	if got := export(t, ExportConfig{Kind: Bars, Format: FormatJSONL, From: 1}, s); strings.Count(got, "\n") != 1 {
		t.Errorf("from 1970 on: %s", got)
	}
}

// The engine has put them into the topic dlq, and no import takes them.
func TestTradesThatNothingTakesAreNotExported(t *testing.T) {
	s := &shelf{}
	for i, d := range []struct{ price, size core.Decimal }{
		{core.Decimal{}, core.Decimal{Coef: 1}},
		{core.Decimal{Coef: 1}, core.Decimal{}},
		{core.Decimal{Coef: -37, Scale: 2}, core.Decimal{Coef: 1}},
		{core.Decimal{Coef: 1, Scale: 19}, core.Decimal{Coef: 1}},
		{core.Decimal{Coef: 2}, core.Decimal{Coef: 1, Scale: 18}},
	} {
		s.trades = append(s.trades, history.Trade{Origin: history.Origin{Offset: int64(i)}, Trade: core.Trade{Symbol: []byte("A"), EventNS: minute0 * 1e6, Price: d.price, Size: d.size}})
	}
	got := export(t, ExportConfig{Kind: Trades, Format: FormatJSONL}, s)
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, `"price":"2"`) {
		t.Errorf("got %s", got)
	}
	if _, err := run(t, Config{Target: &memory{}}, put(t, "a", []byte(got))); err != nil {
		t.Error(err)
	}
}
