package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// crashSeeds is the number of schedules of a test run.
const crashSeeds = 400

// crashRun drives the worker of one partition through incarnations that are
// killed, step by step in the test's own goroutine: a seed gives the schedule.
type crashRun struct {
	t     *testing.T
	rng   *rand.Rand
	log   *crashLog
	store partitionStore // what the worker sees; nil: log
	clock *clock.Fake
	e     *Engine
	host  *nativeHost

	w         *worker
	cancel    context.CancelCauseFunc
	delivered int   // records of the input handed to the worker
	next      int64 // behind them
	end       int64 // high watermark of the last batch
	killed    int
}

func newCrashRun(t *testing.T, seed uint64) *crashRun {
	rng := rand.New(rand.NewPCG(seed, 7))
	c := &crashRun{t: t, rng: rng, clock: clock.NewFake(time.UnixMilli(1_700_000_000_000)), host: newNativeHost()}
	c.log = &crashLog{rng: rng, steps: -1, group: -1, outs: map[kafka.TopicKind][]written{}, points: map[string]int{}, clock: c.clock}
	c.e = c.engine(false)
	return c
}

func (c *crashRun) engine(transactional bool) *Engine {
	return c.engineWith(transactional, 0, "1s", "5s")
}

func (c *crashRun) engineWith(transactional bool, delay time.Duration, intervals ...string) *Engine {
	var itvs []core.Interval
	for _, name := range intervals {
		itv, err := core.ParseInterval(name)
		if err != nil {
			c.t.Fatal(err)
		}
		itvs = append(itvs, itv)
	}
	cfg := Config{
		Embedded: &EmbeddedSource{}, DataDir: c.t.TempDir(), Node: "n", Intervals: itvs, AllowedLateness: 10 * time.Second,
		Indicators: c.host, Clock: c.clock, WatermarkDelay: delay,
	}
	if transactional {
		cfg.Embedded, cfg.Kafka = nil, &KafkaSource{Brokers: []string{"nobody dials it"}}
	}
	e, err := New(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	e.layout = &kafka.Layout{N: 1, Mapping: "m"}
	return e
}

// produce appends records at the present time.
func (c *crashRun) produce(n int) {
	for range n {
		now := c.clock.Now().UnixMilli()
		offset := c.log.high
		if c.rng.IntN(12) == 0 {
			offset++ // a marker of a producer's transaction, or an aborted record
		}
		rec := kafka.Rec{Offset: offset, Timestamp: now}
		c.fillRecord(&rec, now)
		c.log.input = append(c.log.input, rec)
		c.log.visible = len(c.log.input)
		c.log.high = offset + 1
	}
	if c.rng.IntN(10) == 0 {
		c.log.high++ // a marker at the end
	}
}

func (c *crashRun) fillRecord(rec *kafka.Rec, now int64) {
	source := []string{"", "x", "old"}[min(c.rng.IntN(8), 2)%3]
	if c.rng.IntN(3) > 0 {
		source = ""
	}
	if source != "" {
		rec.Headers = append(rec.Headers, kafka.Header{Key: wire.HeaderSource, Value: []byte(source)})
	}
	event := now - c.rng.Int64N(700)
	switch c.rng.IntN(20) {
	case 0:
		event = now - c.rng.Int64N(9_000) // late: restates
	case 1:
		event = now - 20_000 - c.rng.Int64N(9_000) // too late
	}
	if source == "old" {
		rec.Timestamp -= 3_600_000
		event = rec.Timestamp
	}
	symbol := string(rune('A' + c.rng.IntN(3)))
	if source != "" {
		symbol = source + symbol
	}
	id := len(c.log.input)
	if c.rng.IntN(15) == 0 {
		id = max(id-c.rng.IntN(5), 0) // a duplicate, or a conflict
	}
	rec.Key = []byte(symbol)
	text := fmt.Sprintf(`{"symbol":%q,"price":"%d.%d","size":"%d","ts":%d,"id":%d,"side":"sell"}`,
		symbol, 90+c.rng.IntN(20), c.rng.IntN(10), 1+c.rng.IntN(9), event, id)
	switch c.rng.IntN(25) {
	case 0:
		text = `garbage`
	case 1:
		text = fmt.Sprintf(`[%s,{"symbol":%q,"price":"1","size":"1","ts":%d}]`, text, symbol, event-15_000)
	case 2:
		rec.Key = nil
		rec.Headers = append(rec.Headers, kafka.Header{Key: wire.HeaderKind, Value: []byte(wire.KindHeartbeat)})
		text = fmt.Sprintf(`{"src":%q,"ts":%d,"up":true}`, "x", now-300)
	}
	rec.Value = []byte(text)
}

// begin restores an incarnation; false if it was killed meanwhile.
func (c *crashRun) begin() bool {
	inc := &incarnation{e: c.e, client: c.partitions(), workers: map[int32]*running{}, failed: map[int32]string{}}
	ctx, cancel := context.WithCancelCause(context.Background())
	inc.ctx, inc.cancel = ctx, cancel
	w, err := inc.restore(ctx, 0)
	if err != nil {
		cancel(err)
		c.mustBeKill(err)
		return false
	}
	w.ctx = ctx
	// Small units, as if a batch closed thousands of bars: they end everywhere.
	w.pub.limit = []int{1, 2, 3, 7, unitLimit}[c.rng.IntN(5)]
	c.w, c.cancel = w, cancel
	w.pub.start(ctx)
	c.next, c.end = w.eng.Next(), c.log.high
	c.delivered = sort.Search(c.log.visible, func(i int) bool { return c.log.input[i].Offset >= c.next })
	if c.delivered == c.log.visible {
		c.next = c.log.high
	}
	return c.alive(w.begin())
}

func (c *crashRun) partitions() partitionStore {
	if c.store != nil {
		return c.store
	}
	return c.log
}

func (c *crashRun) mustBeKill(err error) {
	c.t.Helper()
	if !errors.Is(err, errKilled) {
		c.t.Fatalf("ended with an error that is no kill: %v", err)
	}
	c.killed++
}

// alive ends the incarnation if it has failed.
func (c *crashRun) alive(err error) bool {
	if err == nil {
		select {
		case err = <-c.w.pub.failed:
		default:
			return true
		}
	}
	c.mustBeKill(err)
	c.drop(err)
	return false
}

func (c *crashRun) drop(err error) {
	c.cancel(err)
	c.w.pub.stop()
	c.w.vals.close()
	if n := len(c.host.states); n > 0 {
		c.t.Fatalf("%d slots of the host were not given back", n)
	}
}

// deliver hands the worker up to n of the records that wait.
func (c *crashRun) deliver(n int) bool {
	atEnd := c.next >= c.end
	to := min(c.delivered+n, c.log.visible)
	b := &kafka.Batch{Records: append([]kafka.Rec(nil), c.log.input[c.delivered:to]...), HighWatermark: c.log.high, AtEnd: atEnd}
	if len(b.Records) > 0 {
		b.Next = b.Records[len(b.Records)-1].Offset + 1
	}
	if to == c.log.visible {
		b.Next = c.log.high
	}
	c.delivered, c.next, c.end = to, b.Next, c.log.high
	return c.alive(c.w.batch(b))
}

// live runs one incarnation until it is killed or stopped.
func (c *crashRun) live(turns int) {
	if !c.begin() {
		return
	}
	for range turns {
		ok := true
		switch c.rng.IntN(6) {
		case 0:
			c.clock.Advance(time.Duration(c.rng.Int64N(3000)) * time.Millisecond)
			ok = c.alive(c.w.punctuate())
		case 1:
			c.clock.Advance(4 * time.Second)
			ok = c.alive(c.w.punctuate())
		case 2, 3:
			c.clock.Advance(time.Duration(c.rng.Int64N(200)) * time.Millisecond)
			c.produce(c.rng.IntN(8))
		default:
			ok = c.deliver(1 + c.rng.IntN(10))
		}
		if !ok {
			return
		}
	}
	if c.rng.IntN(2) == 0 {
		if !c.alive(c.finish()) {
			return
		}
	}
	c.drop(errKilled)
}

// finish ends an incarnation in good order.
func (c *crashRun) finish() error {
	err := c.w.finish()
	if log, ok := c.store.(*txnLog); ok && err == nil {
		return log.commit()
	}
	return err
}

// complete runs the last incarnation: everything is read and written.
func (c *crashRun) complete() core.Counters {
	c.log.steps, c.log.dead = -1, false
	if !c.begin() {
		c.t.Fatal("the last incarnation did not begin")
	}
	for c.delivered < c.log.visible {
		if !c.deliver(7) {
			c.t.Fatal("the last incarnation ended")
		}
	}
	if err := c.finish(); err != nil {
		c.t.Fatal(err)
	}
	counters := c.w.eng.Counters()
	c.drop(errKilled)
	return counters
}

// golden replays input and journal without a kill and without own decisions.
func (c *crashRun) golden() *crashLog {
	counted, _, err := countJournal(c.log.journal, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	crashed := c.log
	c.log = &crashLog{
		rng: c.rng, steps: -1, group: -1, outs: map[kafka.TopicKind][]written{}, points: map[string]int{},
		input: crashed.input, visible: len(crashed.input), high: crashed.high, journal: counted,
	}
	for i := range counted {
		counted[i].Offset = int64(i)
	}
	c.complete()
	golden := c.log
	c.log = crashed
	return golden
}

func TestKillsLoseAndDoubleNothing(t *testing.T) {
	points := map[string]int{}
	kills, records := 0, 0
	for seed := range uint64(crashSeeds) {
		c := newCrashRun(t, seed)
		c.produce(10)
		for range 2 + c.rng.IntN(6) {
			c.log.dead, c.log.steps = false, c.rng.IntN(60)
			if c.rng.IntN(3) == 0 {
				c.log.steps = c.rng.IntN(6)
			}
			c.live(10 + c.rng.IntN(60))
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		counters := c.complete()
		golden := c.golden()
		for _, kind := range []kafka.TopicKind{kafka.Klines, kafka.Late, kafka.DLQ} {
			records += compareTopics(t, seed, kind, c.log, golden)
		}
		_, void, _ := countJournal(c.log.journal, 0)
		if got := counters.Decisions + counters.Starts + int64(void); got != int64(len(c.log.journal)) {
			t.Fatalf("seed %d: %d journal records are accounted for (%d acted, %d starts, %d void), there are %d",
				seed, got, counters.Decisions, counters.Starts, void, len(c.log.journal))
		}
		kills += c.killed
		for p, n := range c.log.points {
			points[p] += n
		}
	}
	for _, p := range []string{
		"before the outputs", "between outputs", "before the checkpoint", "before the commit",
		"before a decision is written", "before a decision is acknowledged", "before the start is written", "before the start is acknowledged",
	} {
		if points[p] == 0 {
			t.Errorf("no schedule was killed %s", p)
		}
	}
	t.Logf("%d seeds, %d kills, %d records compared, kill points: %v", crashSeeds, kills, records, points)
}

func compareTopics(t *testing.T, seed uint64, kind kafka.TopicKind, crashed, golden *crashLog) int {
	t.Helper()
	got, err := crashed.read(kind)
	if err != nil {
		t.Fatalf("seed %d, topic %v: %v", seed, kind, err)
	}
	want, err := golden.read(kind)
	if err != nil {
		t.Fatalf("seed %d, topic %v of the replay: %v", seed, kind, err)
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("seed %d, topic %v, record %d:\n got %+v\nwant %+v", seed, kind, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("seed %d, topic %v: %d records, the replay has %d", seed, kind, len(got), len(want))
	}
	return len(got)
}

// TestTheClockStandsStillWhileTheBrokerDoesNotAnswer: what arrives meanwhile waits
// in the log, and the clock must not make it late.
func TestTheClockStandsStillWhileTheBrokerDoesNotAnswer(t *testing.T) {
	idle := func(c *crashRun) (n int) {
		for _, r := range c.log.journal {
			if strings.Contains(string(r.Body), `"idle"`) {
				n++
			}
		}
		return n
	}
	c := newCrashRun(t, 1)
	if !c.begin() {
		t.Fatal("the incarnation did not begin")
	}
	c.produce(20)
	for c.delivered < c.log.visible {
		c.deliver(20)
	}
	c.log.deaf = true
	for range 10 {
		c.clock.Advance(4 * time.Second)
		if !c.alive(c.w.punctuate()) {
			t.Fatal("the incarnation ended")
		}
	}
	if n := idle(c); n > 0 {
		t.Errorf("%d sources were closed by the clock while nobody knew what is in the log", n)
	}
	c.log.deaf = false
	if !c.alive(c.w.punctuate()) || idle(c) == 0 {
		t.Error("nothing was closed when the broker answered again")
	}
	c.drop(errKilled)
}
