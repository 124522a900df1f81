package history

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

const (
	// ownersPeriod is how often it is looked which partitions are ours.
	ownersPeriod = time.Second
	// idleLinger is how long positions without a row wait: heartbeats must not
	// cost a transaction each.
	idleLinger = 5 * time.Second
	// openTimeout bounds the first conversation with the database.
	openTimeout = 60 * time.Second
	// measurePeriod is how often the topic is asked how far it is while the database
	// is away.
	measurePeriod = 5 * time.Second
	// maxPending bounds the records of a batch in bytes.
	maxPending = 8 << 20
)

// errOwners ends a turn because partitions came or went.
var errOwners = errors.New("the partitions of this node have changed")

// turn is the loop of one stream; run is one pass of it. One goroutine owns it.
type turn struct {
	f        *Follower
	engine   Engine
	stream   Stream
	sinkName string // of the database and the stream
	topic    string // full name
	position string // what positions are kept under
	status   *record
	reader   *reader
	sink     Sink
	limit    int // rows per batch, less after failures
	silent   bool
	// again are the partitions whose positions mean nothing in the log: they begin at
	// its start.
	again map[int32]bool

	have    map[int32]int64 // the database's positions; -1: none
	ends    map[int32]int64 // of the log
	pending *Batch
	moves   map[int32]int64 // where the pending rows end
	bytes   int
	broken  []brokenRecord
	// measured is when measure looked last.
	measured time.Time
}

func newTurn(f *Follower, e Engine, s Stream) *turn {
	topic := e.Topics[s]
	return &turn{
		f: f, engine: e, stream: s, sinkName: f.cfg.Name + "." + s.String(), topic: topic,
		position: topic + "@" + e.Layout, status: f.status[s],
		reader: newReader(s, e.Mapping), sink: f.cfg.Open(s), limit: f.cfg.MaxRows, again: map[int32]bool{},
	}
}

// run follows from where the database stands until something goes wrong, or
// other partitions are ours.
func (t *turn) run(ctx context.Context, wait *backoff) error {
	owned := t.engine.owned()
	for _, p := range t.status.only(owned) {
		t.f.cfg.Observer.Sink(t.sinkName, p, 0)
	}
	if len(owned) == 0 {
		t.found()
		t.status.state(stateWaiting, "")
		return nil
	}
	defer t.sink.Close()
	if err := t.open(ctx, owned); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	pieces := make(chan piece, piecesAhead)
	reading := safego.Go("history reader", cancel, func() { cancel(t.read(ctx, owned, pieces)) })
	err := t.write(ctx, owned, pieces, wait)
	cancel(err)
	reading.Wait()
	return err
}

// open asks the database how far it has come.
func (t *turn) open(ctx context.Context, owned []int32) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	have, err := t.sink.Open(ctx, t.position, t.engine.Partitions)
	if err != nil {
		return err
	}
	t.have, t.ends, t.moves = map[int32]int64{}, map[int32]int64{}, map[int32]int64{}
	for _, p := range owned {
		t.have[p] = -1
		if next, ok := have[p]; ok {
			t.have[p] = next
		}
	}
	t.clear()
	return nil
}

// write collects rows and hands them over. It is the only one that touches the
// sink.
func (t *turn) write(ctx context.Context, owned []int32, pieces <-chan piece, wait *backoff) error {
	owners := t.f.cfg.Clock.NewTicker(ownersPeriod)
	defer owners.Stop()
	linger := newAlarm(t.f.cfg.Clock)
	defer linger.stop()
	first := map[int32]bool{}
	for {
		due := false
		select {
		case <-ctx.Done():
			return t.lost(context.Cause(ctx))
		case s := <-pieces:
			if s.overtaken != nil {
				return t.overtaken(ctx, s.overtaken, wait)
			}
			t.collect(&s, !first[s.P])
			first[s.P] = true
			due = t.full()
			linger.set(t.waits())
			if s.CaughtUp() && len(t.moves) == 0 {
				t.found()
			}
		case <-linger.C():
			due = true
			linger.rang()
		case <-owners.C():
			if !t.engine.sameOwners(owned) {
				return errors.Join(t.flush(ctx), errOwners)
			}
		}
		if !due {
			continue
		}
		if err := t.flush(ctx); err != nil {
			return err
		}
		linger.set(0)
		*wait = backoff{}
		t.found()
	}
}

// overtaken ends a turn that was slower than the topic's retention: what was read is
// written, and the first piece of the next turn shows what is missing.
func (t *turn) overtaken(ctx context.Context, cause error, wait *backoff) error {
	if err := t.flush(ctx); err != nil {
		return err
	}
	*wait = backoff{}
	t.f.cfg.Log.Warn("the topic no longer holds the next record: reading begins again where the database stands", "sink", t.sinkName, "topic", t.topic, "error", cause)
	return cause
}

// lost takes note that the positions mean nothing in the log.
func (t *turn) lost(err error) error {
	if errors.Is(err, kafka.ErrInputLost) {
		for p := range t.engine.Partitions {
			t.again[p] = true
		}
		t.f.cfg.Observer.SinkRewind(t.sinkName)
		t.f.cfg.Log.Warn("the topic is not the one that was written: all of it is written again", "sink", t.sinkName, "topic", t.topic, "error", err)
	}
	return err
}

// collect takes a piece of the log. first is the partition's first of the turn:
// only there a jump over what retention removed can show.
func (t *turn) collect(s *piece, first bool) {
	if have := t.have[s.P]; first && have >= 0 && s.From > have && !t.again[s.P] {
		t.f.cfg.Log.Error("retention removed records that were not in the database yet: they are missing there for ever",
			"sink", t.sinkName, "topic", t.topic, "partition", s.P, "records", s.From-have)
		t.f.cfg.Observer.HistoryLost(t.sinkName, s.From-have)
		t.status.lost(s.From - have)
	}
	t.pending.Trades = append(t.pending.Trades, s.rows.Trades...)
	t.pending.Klines = append(t.pending.Klines, s.rows.Klines...)
	t.broken = append(t.broken, s.broken...)
	t.bytes += s.bytes
	t.ends[s.P] = s.End
	if s.To != t.have[s.P] || t.again[s.P] {
		t.moves[s.P] = s.To
	}
	t.report(s.P)
}

// full reports whether the batch has to be written now.
func (t *turn) full() bool { return t.pending.Rows() >= t.limit || t.bytes >= maxPending }

// waits is how long the batch may wait; 0 is for ever.
func (t *turn) waits() time.Duration {
	switch {
	case t.pending.Rows()+len(t.broken) > 0:
		return t.f.cfg.Linger
	case len(t.moves) > 0:
		return idleLinger
	}
	return 0
}

// measure tells how far the partitions are behind while the database is away: the
// topic goes on meanwhile, and nothing reads it.
func (t *turn) measure(ctx context.Context) {
	now := t.f.cfg.Clock.Now()
	if len(t.have) == 0 || now.Sub(t.measured) < measurePeriod {
		return // it has never said where it stands, or a moment ago
	}
	t.measured = now
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	edges, err := kafka.EdgesOf(ctx, t.engine.Cluster, t.topic)
	if err != nil {
		return // what was known last stands
	}
	for _, p := range t.engine.owned() {
		if _, known := t.have[p]; known {
			t.ends[p] = max(t.ends[p], edges[p].End)
			t.report(p)
		}
	}
}

// report tells how far a partition is behind.
func (t *turn) report(p int32) {
	lag := max(t.ends[p]-max(t.have[p], 0), 0)
	t.status.behind(p, lag)
	t.f.cfg.Observer.Sink(t.sinkName, p, lag)
}

// failed and found tell the operator once each that the database does not go
// on, and that it does.
func (t *turn) failed(err error) {
	t.f.cfg.Observer.SinkError(t.sinkName, Reason(err))
	t.status.state(stateAway, err.Error())
	t.engine.Away("history "+t.sinkName, err)
	if !t.silent {
		t.silent = true
		t.f.cfg.Log.Warn("a history has stopped and is tried again; klines go on", "sink", t.sinkName, "error", err)
	}
}

func (t *turn) found() {
	t.status.state(stateFollowing, "")
	t.engine.Back("history " + t.sinkName)
	if t.silent {
		t.silent = false
		t.f.cfg.Log.Info("a history goes on", "sink", t.sinkName)
	}
}
