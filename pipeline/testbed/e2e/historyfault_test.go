package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// historyAway waits until the history is reported as away, and nothing else.
func (b *bed) historyAway(limit time.Duration, name, why string) {
	b.t.Helper()
	b.reports(limit, "only the history "+name+" degraded", func(s status) bool {
		if !s.Ready || len(s.Degraded) == 0 {
			return false
		}
		for _, d := range s.Degraded {
			if !strings.HasPrefix(d, "history "+name+".") || !strings.Contains(d, why) {
				return false
			}
		}
		return true
	})
}

// The database is away while klines are made: the engine does not notice, the
// node stays ready, and everything is there afterwards.
func TestServersHistoryPostgresAwayForAWhile_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := redisTrades(t, 22)
	b.pour(lines, 6, func(i int) {
		switch i {
		case 2:
			p.Kill9()
		case 4:
			b.settle(patience)
			b.historyAway(patience, "postgres", "")
			b.kill()
			b.node.Restart() // a node starts without its database as well
			b.ready()
			b.historyAway(patience, "postgres", "")
		case 5:
			p.Restart()
		}
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// The node and the server die in turn, at any moment: each row is there once.
func TestServersHistoryPostgresNodeAndServerKilledInALoop_D10_A06(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := repeated(shuffled(midnight(t), 2000, 23), 0.05, 23)
	kills := 2 * *historyKills
	r := rand.New(rand.NewPCG(23, 23))
	b.pour(lines, kills+1, func(i int) {
		time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
		if i%2 == 0 {
			b.kill()
			b.node.Restart()
			b.ready()
			return
		}
		p.Kill9()
		time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
		p.Restart()
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// The server is stopped in good order, frozen, and its sessions are ended by an
// operator, all in the middle of work.
func TestServersHistoryPostgresStoppedFrozenAndSessionsEnded_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := redisTrades(t, 24)
	b.pour(lines, 10, func(i int) {
		switch i % 3 {
		case 0:
			if err := p.Stop(patience); err != nil {
				t.Log(err) // a session of ours may be cut: that is what is tried
			}
			p.Restart()
		case 1:
			if err := p.Pause(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if err := p.Continue(); err != nil {
				t.Fatal(err)
			}
		case 2:
			p.Must("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'caddy-kline'")
		}
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// letters waits until the dead-letter topic has n rows that a database refused.
func (b *bed) letters(sink string, n int) {
	b.t.Helper()
	eventually(func() bool {
		got := 0
		err := oracle.Kcat(b.t.Context(), b.place.brokers(), b.place.topic("dlq"), func(r oracle.Record) error {
			if r.Headers["reason"] == "sink" && r.Headers["sink"] == sink {
				got++
			}
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
		return got >= n
	})
}

// poison are trades that the table refuses: one by its bytes, which no text of
// PostgreSQL can hold, and some by a rule of the operator.
const poisonSize = "987654"

// A row that the database refuses for its content goes to the dead-letter topic
// alone, with the reason, and does not stop the rest.
func TestServersHistoryPostgresPoisonRowsGoToTheDeadLetterTopic_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := redisTrades(t, 25)
	b.pour(lines[:100], 1, nil)
	b.stored(time.Minute)
	p.Must("alter table kline.trades add constraint sane check (size <> " + poisonSize + ")")
	rest := lines[100:]
	b.pour(rest, 5, func(i int) {
		ts := rest[i*len(rest)/5].TS
		b.kcat(fmt.Sprintf("BTCUSDT\t"+`{"symbol":"BTCUSDT","price":"1","size":"%s","ts":%d,"id":"poison-%d"}`+"\n", poisonSize, ts, i))
		b.kcat(fmt.Sprintf("BTCUSDT\t"+`{"symbol":"BTCUSDT","price":"1","size":"1","ts":%d,"id":"nul-\u0000-%d"}`+"\n", ts, i))
	})
	l := b.closing(lines)
	var want []string
	for _, row := range tradeRows(l) {
		if !strings.Contains(row, "poison-") && !strings.Contains(row, "nul-") {
			want = append(want, row)
		}
	}
	if len(want) != len(tradeRows(l))-8 {
		t.Fatalf("%d of %d trades are good, want all but 8", len(want), len(tradeRows(l)))
	}
	eventually(func() bool {
		return len(differences("trades", strings.Split(p.Must(selectTrades), "\n"), want)) == 0 &&
			len(differences("klines", strings.Split(p.Must(selectKlines), "\n"), klineRows(l))) == 0
	})
	sameRows(t, "trades", p.Must(selectTrades), want)
	sameRows(t, "klines", p.Must(selectKlines), klineRows(l))
	b.letters("postgres.trades", 8)
	causes := map[string]int{}
	err := oracle.Kcat(t.Context(), b.place.brokers(), b.place.topic("dlq"), func(r oracle.Record) error {
		if r.Headers["reason"] != "sink" {
			return nil
		}
		if r.Headers["sink"] != "postgres.trades" || r.Headers["topic"] != "ticks" || r.Headers["off"] == "" || r.Payload == nil || !strings.Contains(*r.Payload, "BTCUSDT") {
			t.Errorf("a dead letter lacks something: %+v", r)
		}
		switch {
		case strings.Contains(r.Headers["cause"], "sane"):
			causes["rule"]++
		case strings.Contains(r.Headers["cause"], "0x00"):
			causes["bytes"]++
		default:
			causes[r.Headers["cause"]]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if causes["rule"] != 4 || causes["bytes"] != 4 || len(causes) != 2 {
		t.Errorf("the dead-letter topic holds %v, want 4 by the rule and 4 by their bytes", causes)
	}
	refused := map[string]int64{}
	if !eventually(func() bool {
		for _, h := range b.histories().Histories {
			for _, s := range h.Streams {
				refused[s.Table] = s.Refused
			}
		}
		return refused["trades"] == 8
	}) {
		t.Errorf("the status says that %v rows were refused, want 8 trades", refused)
	}
	b.undegraded()
}

// The disk of the database is full for a while.
func TestServersHistoryPostgresDiskFull_D10_A14(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{DiskMiB: 200, Settings: []string{"max_wal_size=32MB", "min_wal_size=32MB"}})
	b := postgresBed(t, 2, p, "")
	lines := repeated(shuffled(midnight(t), 2000, 26), 0.1, 26)
	ballast := filepath.Join(p.Dir(), "ballast")
	b.pour(lines, 6, func(i int) {
		switch i {
		case 2:
			fill(t, ballast)
		case 5:
			b.settle(patience)
			b.historyAway(patience, "postgres", "")
			t.Logf("with a full disk: %v", b.status().Degraded)
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			// Without room for its log it gives up, as it does, and may be about to.
			if !eventually(func() bool {
				if !p.Running() {
					p.Restart()
				}
				_, err := p.Query("select 1")
				return err == nil
			}) {
				t.Fatal("PostgreSQL does not answer with room on its disk")
			}
		}
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// fill writes a file until its disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for size := len(block); size > 512; {
		if _, err := f.Write(block[:size]); err != nil {
			size /= 2
		}
	}
}

// crossing takes the positions in the other order than the node, the second when
// somebody waits for the first, or after five seconds. Its own look for deadlocks
// comes late, so that the victim is the node.
const crossing = `begin; set local deadlock_timeout = '20s';
	select 1 from kline.positions where p = 1 for update;
	do $$ begin for i in 1..100 loop
		perform pg_stat_clear_snapshot();
		exit when exists (select 1 from pg_stat_activity where wait_event_type = 'Lock');
		perform pg_sleep(0.05);
	end loop; end $$;
	select 1 from kline.positions where p = 0 for update; commit`

// Somebody locks the rows of the positions in the other order.
func TestServersHistoryPostgresDeadlocks_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := redisTrades(t, 27)
	b.stored(time.Minute) // the tables are there
	ended := make(chan error, 1)
	ended <- nil
	b.pour(lines, 8, func(int) {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		go func() { _, err := p.Query(crossing); ended <- err }()
		// What is poured before it has its first lock may be written by then.
		for len(ended) == 0 && p.Must("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "0" {
			time.Sleep(20 * time.Millisecond)
		}
	})
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	inPostgres(t, p, b.closing(lines))
	deadlocks, err := strconv.Atoi(p.Must("select deadlocks from pg_stat_database where datname = 'kline'"))
	if err != nil || deadlocks == 0 {
		t.Errorf("the server counted %d deadlocks (%v): nothing was tried", deadlocks, err)
	}
	t.Logf("%d deadlocks", deadlocks)
	b.undegraded()
}

// A schema that a newer program made is left alone, and the node says so.
func TestServersHistoryPostgresNewerSchemaIsLeftAlone_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	p.Must("create schema kline; create table kline.versions (version int primary key, applied timestamptz not null default now()); insert into kline.versions values (99)")
	b := postgresBed(t, 1, p, "")
	lines := redisTrades(t, 28)[:2000]
	b.pour(lines, 1, nil)
	b.historyAway(patience, "postgres", "version 99")
	if got := p.Must("select count(*) from pg_tables where schemaname = 'kline'"); got != "1" {
		t.Errorf("the schema has %s tables, want the one that was there", got)
	}
	p.Must("drop schema kline cascade")
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// A database that was emptied, or put back from yesterday, is filled from where
// it stands.
func TestServersHistoryPostgresEmptiedIsFilledAgain_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 2, p, "")
	lines := redisTrades(t, 29)
	b.pour(lines, 4, func(i int) {
		if i == 2 {
			b.stored(time.Minute)
			p.Must("drop schema kline cascade")
		}
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// Columns are found by their names: one that the operator added changes nothing,
// and of one that is missing the status tells the name and the table.
func TestServersHistoryPostgresNamesTheMissingColumn_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 1, p, "")
	lines := redisTrades(t, 31)[:2000]
	b.pour(lines, 2, func(i int) {
		if i == 1 {
			b.stored(time.Minute)
			p.Must("alter table kline.trades add column note text; alter table kline.klines add column note text; alter table kline.klines rename column vwap to mean")
		}
	})
	b.historyAway(patience, "postgres", `column "vwap" of relation "klines" does not exist`)
	p.Must("alter table kline.klines rename column mean to vwap")
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// Partitions older than is kept are dropped, newer ones stay.
func TestServersHistoryPostgresDropsWhatIsOlderThanIsKept(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := postgresBed(t, 1, p, "keep_trades 7d\n\t\t\tkeep_klines 3650d")
	lines := redisTrades(t, 30)[:4000]
	b.pour(lines, 1, nil)
	l := b.closing(lines)
	inPostgres(t, p, l)
	b.kcat("OLD\t" + `{"symbol":"OLD","price":"1","size":"1","ts":915148800000,"id":"of-1999"}` + "\n")
	b.stored(time.Minute)
	becomes(t, p, "the rest, with the trade of 1999", "select min(tid) from kline.trades_rest", "of-1999")
	b.kill() // old partitions are looked for at the start, and once an hour
	b.node.Restart()
	b.ready()
	now := time.Now().UnixMilli()
	b.kcat(fmt.Sprintf("BTCUSDT\t"+`{"symbol":"BTCUSDT","price":"1","size":"1","ts":%d,"id":"now"}`+"\n", now))
	b.stored(time.Minute)
	becomes(t, p, "the trades, the newest alone", "select count(*), min(tid) from kline.trades", "1\tnow")
	if got := p.Must("select count(*) from kline.klines where open_time < '2025-01-01'"); got != fmt.Sprint(len(klineRows(l))) {
		t.Errorf("%s klines of %d are left", got, len(klineRows(l)))
	}
	// What comes too early or too late for a partition of its own waits in the rest.
	b.kcat(fmt.Sprintf("BTCUSDT\t"+`{"symbol":"BTCUSDT","price":"1","size":"1","ts":%d,"id":"future"}`+"\n", now+40*24*3600*1000))
	b.stored(time.Minute)
	becomes(t, p, "the rest, with the trade of the future", "select min(tid) from kline.trades_rest", "future")
}

// Two nodes share the partitions; one dies again and again, and so does the server.
func TestServersHistoryPostgresTwoNodes_D10_B06(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	s := newServers(t)
	place := s.place(4)
	place.session = "6s"
	nodes := []*bed{start(t, place, postgresWords(p, "")), start(t, place, postgresWords(p, ""))}
	lines := redisTrades(t, 31)
	nodes[0].pour(lines, *historyKills+2, func(i int) {
		switch {
		case i%3 == 2:
			p.Kill9()
			p.Restart()
		default:
			nodes[i%2].kill()
			time.Sleep(time.Second)
			nodes[i%2].node.Restart()
			nodes[i%2].ready()
		}
	})
	b := nodes[0]
	owned := func() int {
		n := 0
		for _, b := range nodes {
			for _, part := range b.status().Partitions {
				if part.State == "running" && part.Lag == 0 {
					n++
				}
			}
		}
		return n
	}
	for deadline := time.Now().Add(2 * time.Minute); owned() < 4; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the partitions did not find an owner")
		}
	}
	b.heartbeat(place.topic("ticks"), lines[len(lines)-1].TS+15*24*3600*1000)
	inPostgres(t, p, b.check(allIntervals, true))
	becomes(t, p, "the positions that were moved, 4 of each table", "select count(*) from kline.positions where next >= 0", "8")
}
