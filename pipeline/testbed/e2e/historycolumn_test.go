package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// columnStore is a database over HTTP, the words of its history, and how its
// rows are read.
type columnStore struct {
	name  string
	begin func(testing.TB) *server.Database
	words func(d *server.Database) string
	// sink is the name of its stream of klines in the status.
	sink string
	// check holds the tables against the topics, and returns what is wrong.
	check func(t *testing.T, d *server.Database, l *logs) []string
}

var columnStores = []columnStore{
	{"clickhouse", server.StartClickHouse, func(d *server.Database) string {
		return "history clickhouse {\n\t\t\taddress " + d.Addr() + "\n\t\t\ttables klines trades\n\t\t}"
	}, "clickhouse", clickhouseRows},
	{"questdb", server.StartQuestDB, func(d *server.Database) string {
		return "history line {\n\t\t\taddress " + d.Addr() + "\n\t\t}"
	}, "line", questRows},
	{"influxdb", server.StartInfluxDB, func(d *server.Database) string {
		return "history line {\n\t\t\taddress " + d.Addr() + "\n\t\t\tdialect influxdb\n\t\t}"
	}, "line", influxRows},
}

// newestRows are the klines of the topic, the last revision of each.
func newestRows(l *logs) []string {
	newest := map[oracle.Key]oracle.Kline{}
	for _, k := range l.klines.Klines {
		if old, known := newest[k.Key()]; !known || k.Revision >= old.Revision {
			newest[k.Key()] = k
		}
	}
	var rows []string
	for _, k := range newest {
		rows = append(rows, klineRow(k))
	}
	slices.Sort(rows)
	return rows
}

// differences holds rows against what they should be.
func differences(table string, rows, want []string) []string {
	rows = slices.Clone(rows)
	slices.Sort(rows)
	if slices.Equal(rows, want) {
		return nil
	}
	diffs := []string{fmt.Sprintf("%s has %d rows, want %d", table, len(rows), len(want))}
	have := map[string]int{}
	for _, r := range want {
		have[r]++
	}
	for _, r := range rows {
		if have[r]--; have[r] < 0 && len(diffs) < 5 {
			diffs = append(diffs, fmt.Sprintf("%s: not expected, or twice: %q", table, r))
		}
	}
	for r, n := range have {
		if n > 0 && len(diffs) < 10 {
			diffs = append(diffs, fmt.Sprintf("%s: missing %q", table, r))
		}
	}
	return diffs
}

// trimmed cuts the zeros that a column of fixed scale shows.
func trimmed(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func clickhouseRows(t *testing.T, d *server.Database, l *logs) []string {
	t.Helper()
	var klines, trades []string
	for line := range strings.Lines(d.Must(`SELECT sym, itv, open_ms, rev, close_ms, toString(o), toString(h), toString(l), toString(c), toString(v), toString(qv), n,
		toString(bv), toString(bqv), toString(vwap), first_id, last_id, seq FROM kline.klines FINAL FORMAT TabSeparated`)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		for _, i := range []int{5, 6, 7, 8, 9, 10, 12, 13, 14} {
			f[i] = trimmed(f[i])
		}
		klines = append(klines, strings.Join(f, "\t"))
	}
	for line := range strings.Lines(d.Must(`SELECT sym, tid, ts_ns, toString(price), toString(size) FROM kline.trades FINAL FORMAT TabSeparated`)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		f[3], f[4] = trimmed(f[3]), trimmed(f[4])
		trades = append(trades, strings.Join(f, "\t"))
	}
	return append(differences("klines", klines, newestRows(l)), differences("trades", trades, tradeRows(l))...)
}

func questRows(t *testing.T, d *server.Database, l *logs) []string {
	t.Helper()
	text := d.Must(`SELECT sym, itv, (ts::long / 1000), rev, close_ms, o::string, h::string, l::string, c::string, v::string, qv::string, n,
		bv::string, bqv::string, vwap::string, first_id, last_id, seq FROM klines`)
	var rows []string
	for line := range strings.Lines(text) {
		f := strings.Split(strings.ReplaceAll(strings.TrimSpace(line), `"`, ""), ",")
		if len(f) != 18 {
			t.Fatalf("questdb answers the row %q", line)
		}
		for _, i := range []int{5, 6, 7, 8, 9, 10, 12, 13, 14} {
			f[i] = trimmed(f[i])
		}
		rows = append(rows, strings.Join(f, "\t"))
	}
	return differences("klines", rows, klineRows(l))
}

// influxRows compares what floats keep: InfluxDB has no exact decimals.
func influxRows(t *testing.T, d *server.Database, l *logs) []string {
	t.Helper()
	var answer struct {
		Results []struct {
			Series []struct{ Values [][]any }
			Error  string
		}
	}
	text := d.Must(`SELECT sym, itv, rev, close_ms, o, h, l, c, n, seq FROM klines`)
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&answer); err != nil || len(answer.Results) != 1 || answer.Results[0].Error != "" || len(answer.Results[0].Series) != 1 {
		return []string{fmt.Sprintf("klines: %v %.200s", err, text)}
	}
	var rows, want []string
	for _, v := range answer.Results[0].Series[0].Values {
		rows = append(rows, fmt.Sprint(v[1:]...))
	}
	seen := map[string]bool{}
	for _, k := range l.klines.Klines {
		row := fmt.Sprint(k.Symbol, k.Interval, fmt.Sprint(k.Revision), json.Number(fmt.Sprint(k.End)),
			number(k.O), number(k.H), number(k.L), number(k.C), json.Number(fmt.Sprint(k.N)), json.Number(fmt.Sprint(k.Seq)))
		if !seen[row] {
			seen[row] = true
			want = append(want, row)
		}
	}
	slices.Sort(want)
	return differences("klines", rows, want)
}

// number is a decimal as InfluxDB shows it.
func number(text oracle.Text) json.Number { return json.Number(trimmed(string(text))) }

// becomes waits until the tables are what they should be: QuestDB acknowledges
// rows that a reader sees a moment later.
func (c columnStore) becomes(t *testing.T, d *server.Database, l *logs) {
	t.Helper()
	var diffs []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		if diffs = c.check(t, d, l); len(diffs) == 0 {
			t.Logf("%s: %d klines, all as they should be", c.name, len(newestRows(l)))
			return
		}
	}
	t.Errorf("%s:\n%s", c.name, strings.Join(diffs, "\n"))
}

// What is in the column stores is what stands on the topic, also when everything
// is sent again, and over kills of the node and of the server.
func TestServersHistoryColumnStoresEqualTheOracleOverKills_D10_A06(t *testing.T) {
	t.Parallel()
	for _, c := range columnStores {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.begin(t)
			b := start(t, newEmbedded(t, 2), c.words(d))
			lines := redisTrades(t, 41)
			r := rand.New(rand.NewPCG(41, 41))
			b.pour(lines, 2**historyKills+1, func(i int) {
				time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
				if i%2 == 0 {
					b.kill()
					b.node.Restart()
					b.ready()
					return
				}
				if i == 1 { // the tables are there: one that QuestDB was creating takes nothing for ever
					b.stored(patience)
				}
				d.Kill9()
				time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
				d.Restart()
			})
			l := b.closing(lines)
			c.becomes(t, d, l)
			b.undegraded()
			t.Logf("%d rows in %d klines of the topic", len(newestRows(l)), len(l.klines.Klines))
		})
	}
}

// The server is away: the node stays ready, and what it missed it gets.
func TestServersHistoryColumnStoresAwayForAWhile_D10(t *testing.T) {
	t.Parallel()
	for _, c := range columnStores {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.begin(t)
			b := start(t, newEmbedded(t, 2), c.words(d))
			lines := redisTrades(t, 42)
			b.pour(lines, 4, func(i int) {
				switch i {
				case 1:
					b.stored(patience) // QuestDB, killed while it creates a table, has one that takes nothing for ever
					d.Kill9()
				case 3:
					b.settle(patience)
					b.historyAway(patience, c.sink, "")
					d.Restart()
				}
			})
			c.becomes(t, d, b.closing(lines))
			b.undegraded()
		})
	}
}

// A price with more digits than the column is refused, not cut.
func TestServersHistoryColumnStoresRefuseDigitsThatDoNotFit_D10(t *testing.T) {
	t.Parallel()
	for _, c := range columnStores[:2] {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := c.begin(t)
			b := start(t, newEmbedded(t, 1), c.words(d))
			lines := redisTrades(t, 43)[:3000]
			ts := lines[0].TS
			for i := range 3 {
				// Price and size of ten places each: a notional of twenty.
				b.kcat(fmt.Sprintf("TINY\t"+`{"symbol":"TINY","price":"0.0000000003","size":"0.0000000007","ts":%d,"id":%d}`+"\n", ts+int64(i), i+1))
			}
			b.pour(lines, 1, nil)
			l := b.closing(lines)
			var kept []oracle.Kline
			refused := 0
			for _, k := range l.klines.Klines {
				if k.Symbol == "TINY" {
					refused++
					continue
				}
				kept = append(kept, k)
			}
			l.klines.Klines = kept
			if refused < len(allIntervals) {
				t.Fatalf("%d klines of the small coin stand on the topic", refused)
			}
			b.letters(c.sink+".klines", refused)
			letters := 0
			err := oracle.Kcat(t.Context(), b.place.brokers(), b.place.topic("dlq"), func(r oracle.Record) error {
				if r.Headers["reason"] == "sink" && strings.Contains(r.Headers["cause"], "digits") && strings.Contains(*r.Payload, "TINY") {
					letters++
				}
				return nil
			})
			if err != nil || letters != refused {
				t.Errorf("the dead-letter topic holds %d rows, want %d (%v)", letters, refused, err)
			}
			if c.name == "clickhouse" { // its trades have no notional and stay
				if n := d.Number("SELECT count() FROM kline.trades FINAL WHERE sym = 'TINY'"); n != 3 {
					t.Errorf("%d trades of the small coin were kept, want 3", n)
				}
			}
			if rows := c.check(t, d, l); c.name == "questdb" && len(rows) > 0 {
				c.becomes(t, d, l)
			}
		})
	}
}
