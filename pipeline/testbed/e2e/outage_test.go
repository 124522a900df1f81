package e2e

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// The run behind the figure is -outage 10m -outage-together -outage-pause -outage-rate 20000 -outage-symbols 500: some 25 minutes and 15 GB.
var (
	outage        = flag.Duration("outage", 3*time.Second, "how long each server of TestServersOutagesKeepMemoryFlat is away")
	outageRate    = flag.Float64("outage-rate", 2000, "trades a second meanwhile")
	outageSymbols = flag.Int("outage-symbols", 20, "symbols of these trades")
	pause         = flag.Bool("outage-pause", false, "no trades come while the servers catch up, which may take more than two cores have; with -outage-together")
	together      = flag.Bool("outage-together", false, "all servers are away at once, not one after the other")
)

// outageChecked is the longest outage after which the topics are held against
// the oracle, which keeps all trades in memory; after a longer one rows are counted.
const outageChecked = 30 * time.Second

const (
	// grown is what the memory of the node may have grown by in an outage.
	grown = 64 << 20
	// filled is what it may have grown by while it makes up for one that leaves each
	// history with more than a batch: their batches, what is read ahead of the topics,
	// and as much again until it is collected. It does not depend on how long it was.
	filled = 384 << 20
)

// steady is how long trades flow before: the view of the bars of a second grows until
// it has all of them.
func steady() time.Duration {
	return min(max(*outage, 10*time.Second), (redisBars+40)*time.Second)
}

// mortal is a server that can be away.
type mortal struct {
	name          string
	kill, restart func()
}

// mortals are away together.
type mortals []mortal

func (m mortals) String() string {
	var names []string
	for _, one := range m {
		names = append(names, one.name)
	}
	return strings.Join(names, ", ")
}

func (m mortals) kill() {
	for _, one := range m {
		one.kill()
	}
}

func (m mortals) restart() {
	for _, one := range m {
		one.restart()
	}
}

// peak samples the memory of the node until done reports true, and returns the
// largest.
func (b *bed) peak(done func() bool) (most int64) {
	b.t.Helper()
	for ; ; time.Sleep(100 * time.Millisecond) {
		most = max(most, b.rss())
		if done() {
			return most
		}
	}
}

func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

// kept reports whether nothing is degraded and every history has almost all
// that stands on the topics: new trades come all the time.
func (b *bed) kept(lag int64) bool {
	b.t.Helper()
	s := b.status()
	if !s.Ready || len(s.Degraded) > 0 {
		return false
	}
	for _, h := range b.histories().Histories {
		for _, stream := range h.Streams {
			if stream.State != "following" || stream.Lag > lag {
				return false
			}
		}
	}
	return true
}

// Each server behind the log is away in turn, or all of them at once, while
// trades flow: the topic is the buffer. The node stays ready, its memory stays where it was, and everything is
// there afterwards.
func TestServersOutagesKeepMemoryFlat_D01_D10(t *testing.T) {
	t.Parallel()
	if *pause && !*together {
		t.Fatal("-outage-pause needs -outage-together: no trades would come in the outages behind the first")
	}
	s := newServers(t)
	pg, ch, quest := server.StartPostgres(t, server.PostgresConfig{}), columnStores[0].begin(t), columnStores[1].begin(t)
	words := fmt.Sprintf("view_bars %d\n\t\t%s\n\t\t%s\n\t\t%s", redisBars, postgresWords(pg, ""), columnStores[0].words(ch), columnStores[1].words(quest))
	p := s.place(4)
	b := start(t, p, words)
	f := startFlowOf(t, b, *outageSymbols, *outageRate, 77)
	limit := 2**outage + time.Minute
	late := int64(2 * *outageRate)
	before := b.peak(after(steady()))
	all := mortals{
		{"redis", s.redis.Kill9, s.redis.Restart}, {"postgres", pg.Kill9, pg.Restart}, {"clickhouse", ch.Kill9, ch.Restart}, {"questdb", quest.Kill9, quest.Restart},
	}
	turns := []mortals{all[0:1], all[1:2], all[2:3], all[3:4]}
	if *together {
		turns = []mortals{all}
	}
	for _, m := range turns {
		m.kill()
		away := b.peak(after(*outage))
		// A batch that waits for company notices a little later.
		b.reports(patience, m.String()+" degraded, and the node ready", func(st status) bool { return st.Ready && len(st.Degraded) >= len(m) })
		t.Logf("figure: RSS before, while %v were away for %v: %d, %d MiB; %d records were acknowledged", m, *outage, before>>20, away>>20, f.acked.Load())
		f.hold.Store(*pause)
		m.restart()
		began, expired := time.Now(), after(limit)
		back := b.peak(func() bool {
			if expired() {
				t.Fatalf("%v were back for %v: %+v %+v", m, limit, b.status(), b.histories())
			}
			return b.kept(late)
		})
		t.Logf("figure: RSS before, while %v were away for %v, while it caught up in %v: %d, %d, %d MiB", m, *outage,
			time.Since(began).Round(100*time.Millisecond), before>>20, away>>20, back>>20)
		most := before + grown
		if *outage > outageChecked {
			most = before + filled
		}
		if away > before+grown || back > most {
			t.Errorf("%v away for %v: the node took %d MiB, then %d MiB, %d MiB before", m, *outage, away>>20, back>>20, before>>20)
		}
	}
	f.stop()
	f.done.Wait()
	if f.err != nil {
		t.Errorf("flushing the producer: %v", f.err)
	}
	b.settle(limit)
	b.stored(limit)
	t.Logf("%d records were acknowledged", f.acked.Load())
	if *outage > outageChecked {
		sent, rows, others := f.acked.Load(), count(t, pg.Must("select count(*) from kline.trades")), count(t, ch.Must("SELECT count() FROM kline.trades FINAL"))
		if rows != others || rows > sent || rows < sent*97/100 { // one in fifty is sent twice
			t.Errorf("PostgreSQL has %d trades, ClickHouse %d, of %d records", rows, others, sent)
		}
		return
	}
	time.Sleep(4 * time.Second) // whatever is still open of the seconds is closed by the clock
	b.check(allIntervals, false)
	b.viewBecomes(patience, p.name, redisBars, s.redis)
	var diffs []string
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Second) {
		l := b.read() // again each time: the clock may close the last minute meanwhile
		diffs = slices.Concat(
			differences("trades of postgres", strings.Split(pg.Must(selectTrades), "\n"), tradeRows(l)),
			differences("klines of postgres", strings.Split(pg.Must(selectKlines), "\n"), klineRows(l)),
			columnStores[0].check(t, ch, l), columnStores[1].check(t, quest, l))
		if len(diffs) == 0 {
			t.Logf("%d klines stand in all databases", len(klineRows(l)))
			return
		}
	}
	t.Errorf("%s", strings.Join(diffs, "\n"))
}

func count(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
