package history

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// The server fails at any step, and its answers get lost.
func TestEveryRowIsThereOnceWhateverTheServerDoes(t *testing.T) {
	for name, transactional := range map[string]bool{"transactions": true, "rows first, by key": false} {
		t.Run(name, func(t *testing.T) {
			b, d := newBed(t), newDatabase(transactional)
			d.random = rand.New(rand.NewPCG(1, 2))
			cfg := b.config(Trades, d)
			b.run(cfg)
			for i := range 10 {
				b.trades(i*50, 50)
			}
			b.holds(d, 500)
			if b.count("error unreachable") == 0 {
				t.Error("nothing failed: nothing was tried")
			}
			if n := d.most(); n > 64+500 {
				t.Errorf("a batch had %d rows", n)
			}
		})
	}
}

// Two nodes that both believe they own the partitions.
func TestTwoFollowersOfOneDatabaseWriteEveryRowOnce(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	b.run(b.config(Trades, d))
	b.run(b.config(Trades, d))
	for i := range 20 {
		b.trades(i*100, 100)
	}
	b.holds(d, 2000)
}

// A follower goes on where the database stands, not where it was itself.
func TestAFollowerBeginsWhereTheDatabaseStands(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	b.trades(0, 100)
	_, stop := b.run(b.config(Trades, d))
	b.holds(d, 100)
	stop()
	b.trades(100, 100)
	d.mu.Lock()
	clear(d.rows)
	d.mu.Unlock()
	b.run(b.config(Trades, d))
	b.holds(d, 100)
}

func TestADatabaseThatIsAwayIsDegradedAndComesBack(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	d.setDown(true)
	f, _ := b.run(b.config(Trades, d))
	b.trades(0, 50)
	b.eventually("the history to be degraded", func() bool { return b.degraded() == 1 })
	if s := f.Status().Streams[0]; s.State != stateAway || !strings.Contains(s.Error, "away") || s.Lag != nil {
		t.Errorf("the status says %+v", s)
	}
	d.setDown(false)
	b.holds(d, 50)
	// It says so after its first batch, and the rows are there before they are counted.
	b.eventually("the history to be healthy, and the count of all rows", func() bool {
		s := f.Status().Streams[0]
		return b.degraded() == 0 && s.State == stateFollowing && s.Rows >= 50 && s.Lag != nil && *s.Lag == 0
	})
	if s := f.Status().Streams[0]; s.State != stateFollowing || s.Error != "" || s.Rows != 50 || s.Lag == nil || *s.Lag != 0 {
		t.Errorf("the status says %+v", s)
	}
}

// The lag stood still at what it was when the database went away.
func TestTheLagOfADatabaseThatIsAwayGrowsWithTheTopic(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	f, _ := b.run(b.config(Trades, d))
	b.trades(0, 50)
	b.holds(d, 50)
	d.setDown(true)
	b.trades(50, 10)
	b.eventually("the history to be degraded", func() bool { return b.degraded() == 1 })
	b.trades(60, 60)
	b.eventually("the lag to be that of the topic", func() bool { s := f.Status().Streams[0]; return s.Lag != nil && *s.Lag == 70 })
}

// Nothing was produced since: a history that comes back says so all the same.
func TestAnIdleHistoryHeals(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	d.positions[0], d.positions[1] = 0, 0
	d.setDown(true)
	b.run(b.config(Trades, d))
	b.eventually("the history to be degraded", func() bool { return b.degraded() == 1 })
	d.setDown(false)
	b.eventually("the history to be healthy", func() bool { return b.degraded() == 0 })
}

func TestOnlyOwnPartitionsAreWritten(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	b.own(1)
	f, _ := b.run(b.config(Trades, d))
	b.trades(0, 100)
	b.holds(d, 50)
	b.own(0, 1)
	b.holds(d, 100)
	b.own()
	b.eventually("the state waiting", func() bool { return f.Status().Streams[0].State == stateWaiting })
}

func TestRefusedRowsGoToTheDeadLetterTopicAndTheRestGoesOn(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	d.bad = func(row string) bool { return strings.HasSuffix(row, "/17/0") }
	b.hear(true)
	b.run(b.config(Trades, d))
	b.trades(0, 100)
	b.eventually("a dead letter that cannot be written", func() bool { return b.count("error dead_letter") > 0 })
	if at := d.at(); at[0] > 17 || at[1] > 17 {
		t.Errorf("positions %v are behind a row that is nowhere", at)
	}
	b.hear(false)
	b.holds(d, 98)
	if len(b.letters) != 2 || b.count("refused") != 2 {
		t.Fatalf("%d dead letters, %d counted, want 2", len(b.letters), b.count("refused"))
	}
	headers := map[string]string{}
	for _, h := range b.letters[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	for key, want := range map[string]string{"reason": "sink", "sink": "test.trades", "topic": "ticks", "off": "17", "idx": "0", "cause": errBad.Error()} {
		if headers[key] != want {
			t.Errorf("the header %s is %q, want %q", key, headers[key], want)
		}
	}
}

// What cannot be read is no row, and no second dead letter; what the engine
// refuses and can be read is raw history.
func TestRecordsThatAreNoTradesAreLeftOut(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	b.run(b.config(Trades, d))
	b.produce(
		&kgo.Record{Topic: "ticks", Value: []byte(`{"src":"x","ts":1,"up":true}`), Headers: []kgo.RecordHeader{{Key: "k", Value: []byte("hb")}}},
		&kgo.Record{Topic: "ticks", Value: []byte(`nonsense`)},
		&kgo.Record{Topic: "ticks", Value: []byte(`{"symbol":"A","price":"-1","size":"1","ts":1}`)},
		&kgo.Record{Topic: "ticks"},
		&kgo.Record{Topic: "ticks", Value: []byte(`[{"symbol":"A","price":"1","size":"1","ts":1},{"symbol":"A","price":"x","size":"1","ts":1},{"symbol":"A","price":"2","size":"1","ts":1}]`)},
	)
	b.holds(d, 3)
	if d.rows["0/2/0"] != 1 || d.rows["0/4/0"] != 1 || d.rows["0/4/2"] != 1 || len(b.letters) != 0 {
		t.Errorf("rows %v, %d dead letters", d.rows, len(b.letters))
	}
}

func TestKlinesThatCannotBeReadAreDeadLettered(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	b.run(b.config(Klines, d))
	at := []kgo.RecordHeader{{Key: "so", Value: []byte("1")}, {Key: "sk", Value: []byte("0")}}
	b.produce(
		&kgo.Record{Topic: "klines", Value: []byte(`{"sym":"A"}`), Headers: at},
		&kgo.Record{Topic: "klines", Value: []byte(`{"sym":"A"}`)}, // without a position: not ours
		&kgo.Record{Topic: "klines", Value: []byte(klineA), Headers: at},
	)
	b.holds(d, 1)
	if len(b.letters) != 1 || b.count("refused") != 1 {
		t.Errorf("%d dead letters, %d counted, want 1", len(b.letters), b.count("refused"))
	}
}

const klineA = `{"sym":"A","itv":"1m","t":60000,"T":119999,"o":"1","h":"1","l":"1","c":"1","v":"1","qv":"1","n":1,"bv":"0","bqv":"0","vwap":"1","f":1,"L":1,"final":true,"rev":0,"seq":1,"q":"trades","src":{"p":0,"o0":0,"o1":0},"wm":120500,"ep":1}`

// The topic's retention was faster than the database.
func TestWhatRetentionTookIsToldAndCounted(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	_, stop := b.run(b.config(Trades, d))
	b.trades(0, 20)
	b.holds(d, 20)
	stop()
	b.trades(20, 40)
	b.cut(25)
	f, _ := b.run(b.config(Trades, d))
	b.holds(d, 30)
	if got := f.Status().Streams[0].Lost; got != 30 || b.count("lost") != 30 {
		t.Errorf("the status says that %d records are lost, %d were counted, want 30", got, b.count("lost"))
	}
}

// gated is a database that is slow: it writes when it is let.
type gated struct {
	Sink
	writing chan<- struct{} // a write has begun
	let     <-chan struct{} // closed: writes go on
}

func (g gated) Write(ctx context.Context, b *Batch) error {
	select {
	case g.writing <- struct{}{}:
	default:
	}
	select {
	case <-g.let:
	case <-ctx.Done():
		return ctx.Err()
	}
	return g.Sink.Write(ctx, b)
}

// The topic's retention overtakes a database that is slow and not away, so in the
// middle of a turn: what was read is written, what was not is told and counted, and
// what the database holds is not written again.
func TestWhatRetentionTakesFromASlowDatabaseIsToldAndCounted(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	writing, let := make(chan struct{}, 1), make(chan struct{})
	cfg := b.config(Trades, d)
	cfg.MaxRows = 1 // pieces of one record: most of the first fetch waits in the client
	cfg.Open = func(s Stream) Sink { return gated{d.sink(s), writing, let} }
	b.own(1) // of a partition that was not fetched by then nobody knows what is missing
	b.trades(0, 40)
	f, _ := b.run(cfg)
	<-writing
	b.trades(40, 40)
	b.cut(30)
	close(let)
	b.holds(d, 30)
	if got := f.Status().Streams[0].Lost; got != 10 || b.count("lost") != 10 {
		t.Errorf("the status says that %d records are lost, %d were counted, want 10", got, b.count("lost"))
	}
	if b.count("rewind") == 0 {
		t.Error("no position was found outside of the log: nothing was tried")
	}
}

// The topic was deleted and made again: positions mean nothing in it.
func TestATopicMadeAgainIsWrittenFromItsStart(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	_, stop := b.run(b.config(Trades, d))
	b.trades(0, 100)
	b.holds(d, 100)
	stop()
	admin := kadm.NewClient(b.client)
	if _, err := admin.DeleteTopics(t.Context(), "ticks"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.CreateTopics(t.Context(), testPartitions, 1, nil, "ticks"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	b.client.PurgeTopicsFromClient("ticks")
	clear(d.rows)
	b.trades(0, 10)
	b.run(b.config(Trades, d))
	b.holds(d, 10)
	b.trades(10, 10)
	b.holds(d, 20)
	if at := d.at(); at[0] != 10 || at[1] != 10 {
		t.Errorf("the positions are %v, want 10 of each", at)
	}
	if b.count("rewind") == 0 {
		t.Error("nobody was told")
	}
}

// A server that takes no large batch gets smaller ones.
func TestBatchesShrinkWhileTheServerFails(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	b.trades(0, 4000)
	cfg := b.config(Trades, d)
	cfg.MaxRows = 2000
	tooLarge := 0
	cfg.Open = func(s Stream) Sink { return &narrow{Sink: d.sink(s), most: 600, tooLarge: &tooLarge} }
	b.run(cfg)
	b.holds(d, 4000)
	if tooLarge == 0 {
		t.Error("no batch was too large: nothing was tried")
	}
}

// TestRecordsThatNameTheirFormatAreReadByIt: our own feeds, ingest and imports write the
// generic form whatever format the source has, and say so.
func TestRecordsThatNameTheirFormatAreReadByIt(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	price, err := wire.ParsePath("p")
	if err != nil {
		t.Fatal(err)
	}
	m := &wire.Mapping{TimeUnit: wire.UnitSeconds}
	m.Paths[wire.FieldPrice] = price
	b.engine.Mapping = m
	b.run(b.config(Trades, d))
	ours := []kgo.RecordHeader{{Key: "ct", Value: []byte(wire.ContentTrade)}}
	b.produce(
		&kgo.Record{Topic: "ticks", Value: []byte(`{"symbol":"A","p":"1","size":"1","ts":1700000000,"id":1}`)},
		&kgo.Record{Topic: "ticks", Value: []byte(`{"symbol":"A","price":"1","size":"1","ts":1700000000000,"id":2}`), Headers: ours},
	)
	b.holds(d, 2)
	// A format may differ in the unit of time alone: then it is the time that is wrong.
	r, rows := newReader(Trades, &wire.Mapping{TimeUnit: wire.UnitMicros}), new(Batch)
	for _, headers := range [][]kgo.RecordHeader{nil, ours} {
		rec := kafka.Rec{Value: []byte(`{"symbol":"A","price":"1","size":"1","ts":1700000000000,"id":2}`), Headers: headers}
		if err := r.read(0, &rec, rows); err != nil {
			t.Fatal(err)
		}
	}
	if len(rows.Trades) != 2 || rows.Trades[0].EventNS != 1_700_000_000_000_000 || rows.Trades[1].EventNS != 1_700_000_000_000_000_000 {
		t.Errorf("rows %+v", rows.Trades)
	}
}

func TestSourcesOfAnyBytesAreText(t *testing.T) {
	r, rows := newReader(Trades, nil), new(Batch)
	for _, name := range []string{"plain", "b\xf6rse", "a\x00b"} {
		rec := kafka.Rec{Value: []byte(`{"symbol":"A","price":"1","size":"1","ts":1,"id":2}`), Headers: []kafka.Header{{Key: "src", Value: []byte(name)}}}
		if err := r.read(0, &rec, rows); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for i := range rows.Trades {
		got = append(got, rows.Trades[i].Source)
	}
	if want := []string{"plain", "b\ufffdrse", "a\ufffdb"}; !slices.Equal(got, want) {
		t.Errorf("sources %q, want %q", got, want)
	}
}

// TestATopicMadeAgainIsForgottenPartitionByPartition: a topic that was made again is read
// from its start until each of its partitions has a position in it; one may have the
// length that it had before.
func TestATopicMadeAgainIsForgottenPartitionByPartition(t *testing.T) {
	b, d := newBed(t), newDatabase(true)
	d.positions = map[int32]int64{0: 50, 1: 50}
	turn := newTurn(New(b.config(Trades, d)), b.engine, Trades)
	if err := turn.open(t.Context(), []int32{0, 1}); err != nil {
		t.Fatal(err)
	}
	_ = turn.lost(kafka.ErrInputLost)
	c := piece{Span: kafka.Span{P: 0, From: 0, To: 50, End: 50}}
	c.rows.Trades = append(c.rows.Trades, Trade{Origin: Origin{P: 0, Offset: 0}})
	turn.collect(&c, true)
	if err := turn.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := d.stored(); n != 1 {
		t.Errorf("%d rows are stored: those of a partition that has its old length wait", n)
	}
	if turn.again[0] || !turn.again[1] {
		t.Errorf("to be read from their start: %v, want partition 1 alone", turn.again)
	}
}
