package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// historyKills is how often the node and the server are killed in a loop.
var historyKills = flag.Int("history-kills", 6, "kills of the node and of the server in the loops of the histories")

func postgresBed(t *testing.T, partitions int32, p *server.Postgres, words string) *bed {
	t.Helper()
	return start(t, newEmbedded(t, partitions), postgresWords(p, words))
}

func postgresWords(p *server.Postgres, words string) string {
	return "history postgres {\n\t\t\taddress " + p.Addr() + "\n\t\t\tusername kline\n\t\t\t" + words + "\n\t\t}"
}

// historyStatus is what the status says of the streams of all histories.
type historyStatus struct {
	Histories []struct {
		Name    string `json:"name"`
		Streams []struct {
			Table   string `json:"table"`
			State   string `json:"state"`
			Lag     int64  `json:"lag"`
			Rows    int64  `json:"rows"`
			Refused int64  `json:"refused"`
			Lost    int64  `json:"lost"`
			Error   string `json:"error"`
		} `json:"streams"`
	} `json:"histories"`
}

func (b *bed) histories() historyStatus {
	b.t.Helper()
	var s historyStatus
	if err := json.Unmarshal(b.node.WaitURL(b.http+"/v1/status", patience), &s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// stored waits until the histories of all nodes given have all that stands on
// the topics.
func (b *bed) stored(limit time.Duration) {
	b.t.Helper()
	b.settle(limit)
	for deadline, calm := time.Now().Add(limit), 0; calm < 3; time.Sleep(200 * time.Millisecond) {
		s := b.histories()
		calm++
		for _, h := range s.Histories {
			for _, stream := range h.Streams {
				if stream.Lag > 0 || stream.State != "following" {
					calm = 0
				}
			}
		}
		if len(s.Histories) == 0 {
			calm = 0
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the histories did not catch up within %v: %+v", limit, s)
		}
	}
}

// closing closes all bars, waits for the database and holds the topic against
// the oracle. It returns what stands on the topics.
func (b *bed) closing(lines []line) *logs {
	b.t.Helper()
	b.settle(3 * patience) // a server may just be back, and the node may have tried in vain so far
	b.heartbeat(b.place.topic("ticks"), lines[len(lines)-1].TS+15*24*3600*1000)
	b.settle(patience)
	l := b.check(allIntervals, true)
	b.stored(time.Minute)
	return l
}

// tradeRows are the trades of the input as a table should hold them: each once.
func tradeRows(l *logs) []string {
	seen := map[string]bool{}
	var rows []string
	for _, tr := range l.input.Trades {
		id := strings.Trim(tr.ID, `"`)
		if id == "" {
			id = fmt.Sprintf("%d/%d/%d", tr.Place.Partition, tr.Place.Offset, tr.Place.Index)
		}
		key := fmt.Sprintf("%s %s %d", tr.Symbol, id, tr.EventNS)
		if seen[key] {
			continue
		}
		seen[key] = true
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%s\t%s", tr.Symbol, id, tr.EventNS, tr.Price, tr.Size))
	}
	slices.Sort(rows)
	return rows
}

// klineRows are the klines of the topic, every revision once.
func klineRows(l *logs) []string {
	rows := map[string]bool{}
	for _, k := range l.klines.Klines {
		rows[klineRow(k)] = true
	}
	var sorted []string
	for r := range rows {
		sorted = append(sorted, r)
	}
	slices.Sort(sorted)
	return sorted
}

func klineRow(k oracle.Kline) string {
	return strings.Join([]string{
		k.Symbol, k.Interval, fmt.Sprint(k.Open), fmt.Sprint(k.Revision), fmt.Sprint(k.End),
		string(k.O), string(k.H), string(k.L), string(k.C), string(k.V), string(k.QV), fmt.Sprint(k.N), string(k.BV), string(k.BQV), string(k.VWAP),
		strings.Trim(string(k.First), `"`), strings.Trim(string(k.Last), `"`), fmt.Sprint(k.Seq),
	}, "\t")
}

const (
	selectTrades = `select sym, tid, (extract(epoch from ts) * 1000000)::bigint * 1000 + ns, trim_scale(price), trim_scale(size) from kline.trades`
	selectKlines = `select sym, itv, (extract(epoch from open_time) * 1000)::bigint, rev, (extract(epoch from close_time) * 1000)::bigint,
		trim_scale(o), trim_scale(h), trim_scale(l), trim_scale(c), trim_scale(v), trim_scale(qv), n, trim_scale(bv), trim_scale(bqv), trim_scale(vwap),
		first_id, last_id, seq from kline.klines`
)

// sameRows holds a table against what it should be.
func sameRows(t *testing.T, table, got string, want []string) {
	t.Helper()
	rows := strings.Split(got, "\n")
	slices.Sort(rows)
	if slices.Equal(rows, want) {
		t.Logf("%s: %d rows, all as they should be", table, len(rows))
		return
	}
	t.Errorf("%s has %d rows, want %d", table, len(rows), len(want))
	expected := map[string]int{}
	for _, r := range want {
		expected[r]++
	}
	shown := 0
	for _, r := range rows {
		if expected[r]--; expected[r] < 0 && shown < 5 {
			shown++
			t.Errorf("%s: not expected, or twice: %q", table, r)
		}
	}
	for r, n := range expected {
		if n > 0 && shown < 10 {
			shown++
			t.Errorf("%s: missing %q", table, r)
		}
	}
}

// inPostgres holds both tables against the topics. It waits until they are the
// same: that nothing waits a node says of what it has fetched.
func inPostgres(t *testing.T, p *server.Postgres, l *logs) {
	t.Helper()
	eventually(func() bool {
		return len(differences("trades", strings.Split(p.Must(selectTrades), "\n"), tradeRows(l))) == 0 &&
			len(differences("klines", strings.Split(p.Must(selectKlines), "\n"), klineRows(l))) == 0
	})
	sameRows(t, "trades", p.Must(selectTrades), tradeRows(l))
	sameRows(t, "klines", p.Must(selectKlines), klineRows(l))
}

// What is in PostgreSQL is what stands on the topics, every trade once, to the
// last digit.
func TestServersHistoryPostgresEqualsTheOracle(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := repeated(shuffled(midnight(t), 2000, 21), 0.1, 21)
	b.pour(lines, 4, nil)
	// A venue that gives an id to another moment as well: to the engine a repeat, to
	// the table a row of its own, however it gets there.
	var moved []byte
	for i := range lines[:200] {
		other := lines[len(lines)-1-i]
		other.TS++
		moved = append(other.AppendJSON(append(append(moved, other.Symbol...), '\t')), '\n')
	}
	b.kcat(string(moved))
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
	if got := p.Must("select count(*) from kline.trades_rest") + p.Must("select count(*) from kline.klines_rest"); got != "00" {
		t.Errorf("%s rows lie in the partitions of the rest", got)
	}
}
