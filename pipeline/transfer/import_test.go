package transfer

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// four is what all forms of the four trades below become.
const four = `{"symbol":"ABC","price":"10.5","size":"1","ts":1723161255342,"id":1,"side":"sell"}
{"symbol":"ABC","price":"10.25","size":"0.0000001","ts":1723161255342,"id":2,"side":"buy"}
{"symbol":"ABC","price":"11","size":"3","ts":1723161255617,"id":"x-3","side":"sell"}
{"symbol":"ABC","price":"12","size":"4","ts":1723161256000,"id":4,"side":"buy"}
`

func TestEveryFormOfAFileGivesTheSameTrades(t *testing.T) {
	const header = "id,ms,price,amount,buyer_is_maker\n"
	const body = "1,1723161255342,10.50,1.0,1\n2,1723161255342,10.25,1e-7,0\nx-3,1723161255617,11,3,true\n4,1723161256000,12,4,False\n"
	places := Columns{Places: []string{"id", "ts", "price", "size", "maker"}}
	micros := strings.NewReplacer("1723161255342", "1723161255342000", "1723161255617", "1723161255617000", "1723161256000", "1723161256000000").Replace
	for _, c := range []struct {
		name, file string
		content    []byte
		cfg        Config
	}{
		{name: "header", file: "a.csv", content: []byte(header + body)},
		{name: "without header", file: "a.csv", content: []byte(body), cfg: Config{Columns: places}},
		{name: "places and header", file: "a.csv", content: []byte(header + body), cfg: Config{Columns: places}},
		{name: "pairs", file: "a.csv", content: []byte("A,B,C,D,E\n" + body), cfg: Config{Columns: Columns{Headers: map[string]string{"id": "A", "ts": "B", "price": "C", "size": "D", "maker": "E"}}}},
		{name: "byte order mark and CRLF", file: "a.csv", content: []byte("\ufeff" + strings.ReplaceAll(header+body, "\n", "\r\n"))},
		{name: "no line feed at the end, empty lines", file: "a.csv", content: []byte(header + "\n\n" + strings.TrimSuffix(body, "\n"))},
		{name: "quotes", file: "a.csv", content: []byte(`"id","ms","price","amount","buyer_is_maker"` + "\n" + strings.ReplaceAll(body, "10.50", `"10.50"`))},
		{name: "tabs", file: "a.tsv", content: []byte(strings.ReplaceAll(header+body, ",", "\t")), cfg: Config{Comma: '\t'}},
		{name: "microseconds", file: "a.csv", content: []byte(micros(header + body))},
		{name: "gzip", file: "a.gz", content: gzipped(t, header+body)},
		{name: "two gzips", file: "a.gz", content: append(gzipped(t, header), gzipped(t, body)...)},
		{name: "zip by day", file: "a.zip", content: zipped(t, "2.csv", header+strings.SplitAfter(body, "\n")[2]+strings.SplitAfter(body, "\n")[3],
			"__MACOSX/1.csv", "junk", "1.csv", header+strings.SplitAfter(body, "\n")[0]+strings.SplitAfter(body, "\n")[1])},
		{name: "generic JSON", file: "a.jsonl", content: []byte(four)},
		{name: "one array of objects", file: "a.json", content: []byte("[" + strings.TrimSuffix(strings.ReplaceAll(four, "\n", ",\n"), ",\n") + "]\n")},
		{name: "one array of arrays", file: "a.json", content: []byte(`[["1",1723161255342,"10.5",1.0,true], [2,1723161255342,10.25,1e-7,false],["x-3",1723161255617,"11",3,true],[4,1723161256000,12,4,false]]`), cfg: Config{Columns: places}},
		{name: "mapped JSON", file: "a.jsonl", content: []byte(strings.NewReplacer(`"price"`, `"p"`, `"ts"`, `"T"`).Replace(four)), cfg: Config{Columns: Columns{Headers: map[string]string{"price": "p", "ts": "T"}}}},
		{name: "binance", file: "ABC-trades-2024-08-09.csv", content: []byte("1,10.50,1.0,10.5,1723161255342,True,True\n2,10.25,1e-7,1,1723161255342,False,True\nx-3,11,3,33,1723161255617,True,True\n4,12,4,48,1723161256000,False,True\n"), cfg: Config{Venue: "binance"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{}
			c.cfg.Target = m
			if c.cfg.Venue == "" {
				c.cfg.Symbol = "ABC"
			}
			totals, err := run(t, c.cfg, put(t, c.file, c.content))
			if err != nil {
				t.Fatal(err)
			}
			if m.values() != four {
				t.Errorf("got\n%swant\n%s", m.values(), four)
			}
			if totals.Rows != 4 || totals.Entries != 4 || totals.Bad != 0 {
				t.Errorf("totals %+v", totals)
			}
		})
	}
}

func TestARecordCarriesWhatAFeedsDoes(t *testing.T) {
	m := &memory{}
	if _, err := run(t, Config{Target: m}, put(t, "a.jsonl", []byte(four))); err != nil {
		t.Fatal(err)
	}
	r := m.records[2]
	got := map[string]string{}
	for _, h := range r.Headers {
		got[h.Key] = string(h.Value)
	}
	if string(r.Key) != "ABC" || got["src"] != "test" || got["message_id"] != "test|ABC|x-3" || got["ct"] != "trade/json;1" || got["venue"] != "import" || got["rt"] == "" {
		t.Errorf("key %q, headers %v", r.Key, got)
	}
}

func TestTradesWithoutIDsGetOneOfTheirPlace(t *testing.T) {
	text := []byte("ts,price,size\n1723161255342,1,1\n1723161255342,1,1\n")
	ids := func() []string {
		m := &memory{}
		totals, err := run(t, Config{Target: m, Symbol: "A"}, put(t, "a.csv", text))
		if err != nil || totals.Derived != 2 {
			t.Fatalf("%+v, %v", totals, err)
		}
		return []string{messageID(&m.records[0]), messageID(&m.records[1])}
	}
	first, second := ids(), ids()
	if first[0] == first[1] || first[0] != second[0] || first[1] != second[1] {
		t.Errorf("two runs gave %q and %q", first, second)
	}
	if !strings.HasSuffix(first[1], "-2") {
		t.Errorf("the id %q does not end with the row", first[1])
	}
}

func messageID(r *kafka.TradeRecord) string {
	for _, h := range r.Headers {
		if h.Key == "message_id" {
			return string(h.Value)
		}
	}
	return ""
}

func TestABadRowIsNamedByPlaceFieldAndReason(t *testing.T) {
	const good = "1723161255342,1,1\n"
	for _, c := range []struct{ name, text, want string }{
		{"text for a number", good + "1723161255343,abc,1\n", `a.csv:3: field price (column 2): "abc" is no decimal number`},
		{"nothing", good + "1723161255343,,1\n", `a.csv:3: field price (column 2): it is empty`},
		{"price of zero", good + "1723161255343,0,1\n", "a.csv:3: field price (column 2): \"0\" is not above 0 (`prices any` in the block symbols takes it)"},
		{"zero", good + "1723161255343,1,0\n", `a.csv:3: field size (column 3): "0" is not above 0`},
		{"a column less", good + "1723161255343,1\n", `a.csv:3: field size (column 3): the row has only 2 columns`},
		{"mixed units", good + "1723161255343000,1,1\n", `a.csv:3: field ts (column 1): "1723161255343000" is a time in us, the rows before have ms: a file has one unit (cut it in two)`},
		{"a time of a float", good + "1.723e12,1,1\n", `a.csv:3: field ts (column 1): "1.723e12" is no time in ms between 2000 and 2100 (say the unit with --time-unit if it is another; is it the right column?)`},
		{"the wrong column", "17,1,1\n", `a.csv:2: field ts (column 1): "17" is no time between 2000 and 2100 in s, ms, us, ns or RFC 3339: is it the right column? (another unit: --time-unit)`},
		{"an open quote", good + "\"1723161255343,1,1\n", `a.csv:3: a quoted field has no end on its line`},
		{"not UTF-8", good + "\xff\xfe,1,1\n", `a.csv:3: it is not UTF-8`},
		{"too long", good + strings.Repeat("9", MaxRow+10) + "\n", `a.csv:3: longer than 65536 bytes`},
		{"too many digits", good + "1723161255343,1.12345678901234567890123,1\n", `a.csv:3: field price (column 2): "1.12345678901234567890123" has more digits than can be kept exactly`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{}
			path := put(t, "a.csv", []byte("ts,price,size\n"+c.text))
			_, err := run(t, Config{Target: m, Symbol: "A"}, path)
			many := (*TooManyBadError)(nil)
			if !errors.As(err, &many) || many.Row.Error() != c.want {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if want := strings.Count(c.text, good); len(m.records) != want {
				t.Errorf("%d rows before it are done, want %d", len(m.records), want)
			}
			// The same file with the row left out goes on behind it.
			var told []*BadRowError
			totals, err := run(t, Config{Target: m, Symbol: "A", MaxBad: 1, Bad: func(b []*BadRowError) error { told = append(told, b...); return nil }}, path)
			if err != nil || totals.Bad != 1 || len(told) != 1 || told[0].Line != many.Row.Line {
				t.Errorf("left out: %+v, %v, %v", totals, told, err)
			}
		})
	}
}

func TestARowThatIsNoneDoesNotSwallowTheRest(t *testing.T) {
	m := &memory{}
	text := "ts,price,size\n\"1723161255342,1,1\n1723161255343,2,1\n" + strings.Repeat("x", 3*MaxRow) + "\n1723161255344,3,1\n"
	totals, err := run(t, Config{Target: m, Symbol: "A", MaxBad: 2}, put(t, "a.csv", []byte(text)))
	if err != nil || totals.Bad != 2 || len(m.records) != 2 {
		t.Fatalf("%+v, %d records, %v", totals, len(m.records), err)
	}
}

func TestAHeaderThatDoesNotFitSaysWhichColumn(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"missing", "ts,prise,size\n1,1,1\n", `no column "price" among "ts,prise,size": say which it is with --columns price=<header>`},
		{"two that fit", "ts,price,qty,amount\n1,1,1,1\n", `both columns "qty" and "amount" could be size: say which with --columns size=<header>`},
		{"other delimiter", "ts;price;size\n1;1;1\n", `no column "price" among "ts;price;size": its columns seem to be separated by something else, try --delimiter ';'`},
		{"tabs", "ts\tprice\tsize\n1\t1\t1\n", `separated by something else, try --delimiter tab`},
		{"two of one name", "ts,price,size,size\n1,1,1,2\n", `two columns are called "size"`},
		{"none", "1723161255342,1,1\n", `is no header but data`},
		{"no symbol", "ts,price,size\n", `no column "symbol" among "ts,price,size": add --symbol if all rows are of one symbol`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{Target: &memory{}, Symbol: "A"}
			if c.name == "no symbol" {
				cfg.Symbol = ""
			}
			if _, err := run(t, cfg, put(t, "a.csv", []byte(c.text))); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAnEmptyFileHasNoRows(t *testing.T) {
	for name, content := range map[string][]byte{"a.csv": nil, "a.gz": gzipped(t, ""), "a.zip": zipped(t), "a.json": []byte("[]")} {
		totals, err := run(t, Config{Target: &memory{}, Symbol: "A"}, put(t, name, content))
		if err != nil || totals.Rows != 0 {
			t.Errorf("%s: %+v, %v", name, totals, err)
		}
	}
}

func TestACompressedFileThatIsCutOffKeepsWhatItHad(t *testing.T) {
	var text strings.Builder
	text.WriteString("ts,price,size,id\n")
	for i := range 60_000 {
		text.WriteString("1723161255342,1.5,1," + strings.Repeat("7", 1+i%9) + strconv.Itoa(10_000+i) + "\n")
	}
	whole := gzipped(t, text.String())
	path := put(t, "a.gz", whole[:len(whole)*2/3])
	m := &memory{}
	first, err := run(t, Config{Target: m, Symbol: "A"}, path)
	if err == nil || !strings.Contains(err.Error(), "cut off") || first.Rows == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	// Fetched again, it goes on behind what was sent.
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := run(t, Config{Target: m, Symbol: "A"}, path)
	if err != nil || second.Resumed != first.Rows || len(m.records) != 60_000 {
		t.Fatalf("%+v, %d records, %v", second, len(m.records), err)
	}
	cutZip := zipped(t, "a.csv", text.String())
	if _, err := run(t, Config{Target: m, Symbol: "A"}, put(t, "b.zip", cutZip[:len(cutZip)/2])); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a cut zip: %v", err)
	}
}

func TestABombIsRefused(t *testing.T) {
	bomb := strings.Repeat("x", 110<<20)
	_, err := run(t, Config{Target: &memory{}, Symbol: "A"}, put(t, "a.gz", gzipped(t, bomb)))
	if !errors.Is(err, errBomb) {
		t.Errorf("got %v", err)
	}
}

func TestAFinishedImportSaysSo(t *testing.T) {
	m := &memory{}
	path := put(t, "a.jsonl", []byte(four))
	for i := range 2 {
		totals, err := run(t, Config{Target: m}, path)
		if err != nil || totals.AlreadyDone != (i == 1) || len(m.records) != 4 {
			t.Fatalf("run %d: %+v, %d records, %v", i, totals, len(m.records), err)
		}
	}
	// What was appended since is imported.
	more := `{"symbol":"ABC","price":"13","size":"4","ts":1723161257000,"id":5}` + "\n"
	if err := os.WriteFile(path, []byte(four+more), 0o600); err != nil {
		t.Fatal(err)
	}
	if totals, err := run(t, Config{Target: m}, path); err != nil || totals.Rows != 1 || len(m.records) != 5 {
		t.Fatalf("%+v, %d records, %v", totals, len(m.records), err)
	}
	// Another beginning is another file, another topic has none of it.
	if err := os.WriteFile(path, []byte(strings.Replace(four, "10.5", "10.6", 1)+more), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, Config{Target: m}, path); err == nil || !strings.Contains(err.Error(), "have changed since") {
		t.Errorf("a changed beginning: %v", err)
	}
	if _, err := run(t, Config{Target: &memory{name: "other"}}, path); err == nil || !strings.Contains(err.Error(), "it was begun for memory") {
		t.Errorf("another target: %v", err)
	}
	if _, err := run(t, Config{Target: m, TimeUnit: "s"}, path); err == nil || !strings.Contains(err.Error(), "other words") {
		t.Errorf("other words: %v", err)
	}
}

func TestADamagedStateIsNoBeginning(t *testing.T) {
	m := &memory{}
	path := put(t, "a.jsonl", []byte(four))
	if _, err := run(t, Config{Target: m}, path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path + StateSuffix)
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{"torn": string(b[:len(b)/2]), "edited": strings.Replace(string(b), `"rows": 4`, `"rows": 3`, 1), "empty": ""} {
		if err := os.WriteFile(path+StateSuffix, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := run(t, Config{Target: m}, path); err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if totals, err := run(t, Config{Target: m, Restart: true}, path); err != nil || totals.Rows != 4 {
		t.Errorf("restart: %+v, %v", totals, err)
	}
}
