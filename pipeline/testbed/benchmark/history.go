package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/history/clickhouse"
	"github.com/caddy-kline/caddy-kline/pipeline/history/line"
	"github.com/caddy-kline/caddy-kline/pipeline/history/postgres"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
	"github.com/twmb/franz-go/pkg/kgo"
)

// historyBatch is the rows of one batch of every contender.
const historyBatch = 20_000

// history measures the databases: rows a second from the topic into the table, as the product does it, over a bare loop that sends
// the same rows and keeps no position.
func (b *bench) history() error {
	for _, part := range []func() error{b.tradesIntoPostgres, b.klinesIntoClickHouse, b.klinesIntoQuestDB} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// rowCount is the observer of a follower that is measured.
type rowCount struct {
	rows    atomic.Int64
	refused atomic.Int64
}

func (c *rowCount) HistoryRows(_ string, n int)    { c.rows.Add(int64(n)) }
func (c *rowCount) HistoryRefused(_ string, n int) { c.refused.Add(int64(n)) }
func (*rowCount) Sink(string, int32, int64)        {}
func (*rowCount) SinkError(sink, reason string)    { say("history %s: %s", sink, reason) }
func (*rowCount) SinkRewind(string)                {}
func (*rowCount) HistoryLost(string, int64)        {}
func (*rowCount) Panicked(string)                  {}

// quiet is a log that shows what stopped.
type quiet struct{}

func (quiet) Info(string, ...any)           {}
func (quiet) Warn(msg string, kv ...any)    { say("%s %v", msg, kv) }
func (q quiet) Error(msg string, kv ...any) { q.Warn(msg, kv...) }

// follow runs a history, which does not wait for company at the end of the topic, until it has written want rows, and returns rows a second.
func (b *bench) follow(stream history.Stream, topic string, want int, open func() history.Sink) (float64, error) {
	addr, err := b.broker()
	if err != nil {
		return 0, err
	}
	seen := new(rowCount)
	f := history.New(history.Config{
		Name: "bench", Streams: []history.Stream{stream}, Open: func(history.Stream) history.Sink { return open() }, MaxRows: historyBatch, Linger: 20 * time.Millisecond, Observer: seen, Log: quiet{},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	b.next++
	engine := history.Engine{
		Cluster: kafka.Cluster{Brokers: []string{addr}}, Partitions: partitions, Layout: fmt.Sprint("bench", b.next),
		Owns: func(int32) bool { return true }, Away: func(string, error) {}, Back: func(string) {},
		DeadLetter: func(context.Context, []kafka.TradeRecord) error { return errors.New("a row was refused") },
	}
	engine.Topics[stream] = topic
	began := time.Now()
	var run sync.WaitGroup
	run.Go(func() { f.Run(ctx, engine) })
	for seen.rows.Load() < int64(want) && ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
	}
	took := time.Since(began)
	cancel()
	run.Wait()
	if got := seen.rows.Load(); got != int64(want) || seen.refused.Load() > 0 {
		return 0, fmt.Errorf("the history wrote %d rows of %d, %d were refused", got, want, seen.refused.Load())
	}
	return float64(want) / took.Seconds(), nil
}

// tradesIntoPostgres holds the follower against a loop of COPY into a table with the same columns and the same primary key. A second topic
// has some of the same trades twice, as venues send them, which COPY alone could not take.
func (b *bench) tradesIntoPostgres() error {
	w := workload{name: "history.ticks", symbols: 500, rate: 20_000, trades: min(b.trades/5, 600_000)}
	untidy := w
	untidy.name, untidy.repeats = "history.untidy", 0.02
	for _, w := range []workload{w, untidy} {
		if err := b.topic(w); err != nil {
			return err
		}
	}
	var p *server.Postgres
	if err := b.bed.Do(func() { p = server.StartPostgres(b.bed, server.PostgresConfig{}) }); err != nil {
		return err
	}
	chunks, err := copyText(w)
	if err != nil {
		return err
	}
	var tidied, repeated, bare []float64
	for round := range b.rounds {
		rate, err := copyBare(p, chunks, w.trades, round)
		if err != nil {
			return err
		}
		bare = append(bare, rate)
		if rate, err = b.intoPostgres(p, w, fmt.Sprint("tidy", round)); err != nil {
			return err
		}
		tidied = append(tidied, rate)
		if rate, err = b.intoPostgres(p, untidy, fmt.Sprint("untidy", round)); err != nil {
			return err
		}
		repeated = append(repeated, rate)
	}
	b.note("history_postgres_copy_rows_per_s", median(bare))
	b.note("history_postgres_trades_per_s", median(tidied))
	b.note("history_postgres_repeated_trades_per_s", median(repeated))
	b.figure("history_postgres_over_bare_copy", ratio(tidied, bare), ">=", 0.5)
	b.figure("history_postgres_with_repeats_over_bare_copy", ratio(repeated, bare), ">=", 0.5)
	return nil
}

// intoPostgres returns how many records of the workload's topic a second the follower stores.
func (b *bench) intoPostgres(p *server.Postgres, w workload, schema string) (float64, error) {
	credentials := func() (string, string) { return "kline", "" }
	rate, err := b.follow(history.Trades, w.name, b.topics[w.name], func() history.Sink {
		return postgres.New(postgres.Config{Addr: p.Addr(), Schema: schema, Credentials: credentials, Stream: history.Trades, Log: quiet{}})
	})
	if err != nil {
		return 0, err
	}
	count, err := p.Query("select count(*) from " + schema + ".trades")
	if err != nil || count != fmt.Sprint(w.trades) {
		return 0, fmt.Errorf("the table holds %s trades, want %d: %w", count, w.trades, err)
	}
	return rate, nil
}

// ratio is the median of the rounds' ratios.
func ratio(over, under []float64) float64 {
	var values []float64
	for i := range over {
		values = append(values, over[i]/under[i])
	}
	return median(values)
}

// copyText is the workload's trades as COPY reads them, in batches.
func copyText(w workload) ([][]byte, error) {
	generator, err := load.New(load.Config{Symbols: w.symbols, Rate: w.rate, Count: w.trades, StartMS: time.Now().Add(-time.Hour).UnixMilli(), Seed: 1})
	if err != nil {
		return nil, fmt.Errorf("making trades: %w", err)
	}
	var chunks [][]byte
	var chunk []byte
	decoder, rows := wire.NewDecoder(nil), 0
	for trade, more := generator.Next(); more; trade, more = generator.Next() {
		decoded, err := decoder.Decode(trade.AppendJSON(nil), nil)
		if err != nil {
			return nil, fmt.Errorf("reading a made-up trade: %w", err)
		}
		t := history.Trade{Trade: decoded[0]}
		chunk = fmt.Appendf(chunk, "%s\t%s\t%s\t0\t%s\t%s\t%s\t\t0\t%d\t0\n", t.Symbol, t.AppendID(nil),
			time.Unix(0, t.EventNS).UTC().Format("2006-01-02 15:04:05.000000+00"), t.AppendPrice(nil), t.AppendSize(nil), side(t.Side), rows)
		if rows++; rows%historyBatch == 0 {
			chunks, chunk = append(chunks, chunk), nil
		}
	}
	return append(chunks, chunk), nil
}

func side(s core.Side) string {
	if s == core.SideUnknown {
		return `\N`
	}
	return s.String()
}

// copyBare sends the batches and returns rows a second.
func copyBare(p *server.Postgres, chunks [][]byte, rows, round int) (float64, error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, "postgres://kline@"+p.Addr()+"/kline?sslmode=disable")
	if err != nil {
		return 0, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // a yardstick
	table := fmt.Sprint("bare", round)
	_, err = conn.Exec(ctx, `create table `+table+` (sym text collate "C" not null, tid text collate "C" not null, ts timestamptz not null, ns smallint not null,
		price numeric not null, size numeric not null, side text, src text not null, p int not null, o bigint not null, i int not null, primary key (sym, tid, ts))`)
	if err != nil {
		return 0, fmt.Errorf("making the table: %w", err)
	}
	began := time.Now()
	for _, chunk := range chunks {
		if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(chunk), "copy "+table+" from stdin"); err != nil {
			return 0, fmt.Errorf("copying: %w", err)
		}
	}
	return float64(rows) / time.Since(began).Seconds(), nil
}

// klineTopic fills a topic with the klines of made-up bars, as the engine writes them.
func (b *bench) klineTopic(name string, bars int) error {
	if b.topics[name] > 0 {
		return nil
	}
	if err := b.create(name, partitions); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.Addr()), kgo.DefaultProduceTopic(name), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return fmt.Errorf("making a producer: %w", err)
	}
	defer client.Close()
	var failed atomic.Pointer[error]
	start := time.Now().Add(-24 * time.Hour).Truncate(time.Minute).UnixMilli()
	for i := range bars {
		symbol := fmt.Sprintf("S%03dUSDT", i%500)
		k := core.Kline{
			Symbol: symbol, Interval: "1s", OpenTime: start + int64(i/500)*1000, CloseTime: start + int64(i/500)*1000 + 999, PriceScale: 2, SizeScale: 5,
			O: 6_000_000 + int64(i%977), H: 6_000_900 + int64(i%977), L: 5_999_000, C: 6_000_100 + int64(i%331),
			V: core.Int128{Lo: uint64(100_000 + i)}, BV: core.Int128{Lo: 50_000}, QV: core.Int128{Lo: uint64(600_000_000_000 + i)}, BQV: core.Int128{Lo: 300_000_000_000},
			N: 42, First: core.TradeID{Kind: core.IDInt, Num: int64(i) * 42}, Last: core.TradeID{Kind: core.IDInt, Num: int64(i)*42 + 41},
			Final: true, Seq: int64(i/500) + 1, Epoch: 1, Watermark: start + int64(i/500)*1000 + 1500,
		}
		record := &kgo.Record{Key: []byte(symbol), Value: wire.AppendKline(make([]byte, 0, 320), &k, nil), Headers: []kgo.RecordHeader{
			{Key: wire.HeaderOffset, Value: fmt.Append(nil, i)}, {Key: wire.HeaderOrdinal, Value: []byte("0")},
		}}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return fmt.Errorf("producing klines: %w", err)
	}
	if err := failed.Load(); err != nil {
		return fmt.Errorf("producing klines: %w", *err)
	}
	b.topics[name] = bars
	return nil
}

// recorder is a server that takes rows and keeps their bytes, which the bare loop sends to the real one.
type recorder struct {
	mu     sync.Mutex // protects bodies
	bodies [][]byte
	table  string // what the requests to keep name
}

// ServeHTTP answers what both databases would answer to a history that begins.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	keeps := strings.Contains(req.URL.RawQuery, r.table) || bytes.HasPrefix(body, []byte(r.table))
	if keeps && len(body) > 0 {
		r.mu.Lock()
		r.bodies = append(r.bodies, body)
		r.mu.Unlock()
	}
	switch {
	case req.URL.Path == "/exec":
		fmt.Fprint(w, `{"dataset":[]}`)
	case strings.Contains(req.URL.RawQuery, "system.databases"):
		fmt.Fprint(w, "1\n")
	}
}

// klinesInto holds the follower against a loop that posts the bytes which the follower itself would send.
func (b *bench) klinesInto(name, table, path, query string, start func(testing.TB) *server.Database, open func(addr string, round int) history.Sink, before func(d *server.Database, round int) error) error {
	bars := min(b.trades/5, 600_000)
	if err := b.klineTopic("history.klines", bars); err != nil {
		return err
	}
	rec := &recorder{table: table}
	fake := httptest.NewServer(rec)
	defer fake.Close()
	addr := strings.TrimPrefix(fake.URL, "http://")
	if _, err := b.follow(history.Klines, "history.klines", bars, func() history.Sink { return open(addr, 0) }); err != nil {
		return fmt.Errorf("recording what %s would get: %w", name, err)
	}
	var d *server.Database
	if err := b.bed.Do(func() { d = start(b.bed) }); err != nil {
		return err
	}
	var ours, bare []float64
	for round := range b.rounds {
		if err := before(d, 2*round); err != nil {
			return err
		}
		rate, err := b.follow(history.Klines, "history.klines", bars, func() history.Sink { return open(d.Addr(), 2*round) })
		if err != nil {
			return err
		}
		ours = append(ours, rate)
		if err := before(d, 2*round+1); err != nil {
			return err
		}
		if _, err := open(d.Addr(), 2*round+1).Open(context.Background(), "none", 1); err != nil { // makes the tables
			return err
		}
		if rate, err = postBare("http://"+d.Addr()+path+"?"+strings.ReplaceAll(query, "ROUND", fmt.Sprint(2*round+1)), rec.bodies, bars); err != nil {
			return err
		}
		bare = append(bare, rate)
	}
	b.note("history_"+name+"_bare_rows_per_s", median(bare))
	b.note("history_"+name+"_klines_per_s", median(ours))
	b.figure("history_"+name+"_over_bare_loop", ratio(ours, bare), ">=", 0.5)
	return nil
}

func postBare(url string, bodies [][]byte, rows int) (float64, error) {
	began := time.Now()
	for _, body := range bodies {
		resp, err := http.Post(url, "text/plain", bytes.NewReader(body)) //nolint:noctx // a yardstick
		if err != nil {
			return 0, fmt.Errorf("sending rows: %w", err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode/100 != 2 {
			return 0, fmt.Errorf("sending rows: status %d: %.200q (%w)", resp.StatusCode, answer, err)
		}
	}
	return float64(rows) / time.Since(began).Seconds(), nil
}

func (b *bench) klinesIntoClickHouse() error {
	insert := "query=INSERT%20INTO%20roundROUND.klines%20(sym,itv,open_ms,ep,rev,close_ms,o,h,l,c,v,qv,n,bv,bqv,vwap,first_id,last_id,q,why,seq,wm,p,o0,o1,so,sk,ind,ver)%20FORMAT%20TabSeparated"
	return b.klinesInto("clickhouse", "klines+%28sym", "/", insert, server.StartClickHouse,
		func(addr string, round int) history.Sink {
			return clickhouse.New(clickhouse.Config{Addr: addr, Database: fmt.Sprint("round", round), Stream: history.Klines})
		}, func(*server.Database, int) error { return nil })
}

func (b *bench) klinesIntoQuestDB() error {
	return b.klinesInto("questdb", "klines,", "/write", "precision=ms", server.StartQuestDB,
		func(addr string, _ int) history.Sink { return line.New(line.Config{Addr: addr}) },
		func(d *server.Database, _ int) error {
			for _, table := range []string{"klines", "kline_positions"} {
				if _, err := d.Query("DROP TABLE IF EXISTS " + table); err != nil {
					return err
				}
			}
			return nil
		})
}
