package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// bed is a cluster in memory with all topics of one engine.
type bed struct {
	t      *testing.T
	fake   *kfake.Cluster
	at     Cluster
	topics Topics
	layout Layout
	cl     *kgo.Client // manual partitions
	adm    *kadm.Client
}

func newBed(t *testing.T, partitions int32, opts ...kfake.Opt) *bed {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	b := &bed{t: t, fake: fake, at: Cluster{Brokers: fake.ListenAddrs()}, topics: Topics{Input: "ticks"}}
	b.cl, err = kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cl.Close)
	b.adm = kadm.NewClient(b.cl)
	b.layout, err = Ensure(b.ctx(), b.at, b.topics, EnsureOptions{Create: true, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	b.t.Cleanup(cancel)
	return ctx
}

// trades writes n records with the values from, from+1, ... to the input.
func (b *bed) trades(p int32, from, n int) {
	b.t.Helper()
	for i := range n {
		b.write("ticks", p, []byte(strconv.Itoa(from+i)))
	}
}

func (b *bed) write(topic string, p int32, value []byte, headers ...Header) int64 {
	b.t.Helper()
	r := &kgo.Record{Topic: topic, Partition: p, Value: value, Headers: headers}
	if err := b.cl.ProduceSync(b.ctx(), r).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	return r.Offset
}

// read returns all data records of topic[p].
func (b *bed) read(topic string, p int32) []Rec {
	b.t.Helper()
	start, end, err := Bounds(b.ctx(), b.at, topic, p)
	if err != nil {
		b.t.Fatal(err)
	}
	var recs []Rec
	if err := ReadRange(b.ctx(), b.at, topic, p, start, end, func(r Rec) bool { recs = append(recs, r); return true }); err != nil {
		b.t.Fatal(err)
	}
	return recs
}

func (b *bed) config(direct bool) ClientConfig {
	return ClientConfig{Cluster: b.at, Topics: b.topics, Layout: b.layout, Group: "g", Node: "n1", Direct: direct}
}

func (b *bed) committed(p int32) (int64, string) {
	b.t.Helper()
	got, err := b.adm.FetchOffsets(b.ctx(), "g")
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		b.t.Fatal(err)
	}
	if o, ok := got.Lookup("ticks", p); ok {
		return o.At, o.Metadata
	}
	return -1, ""
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// summer is a small engine: each record is a number, each output the sum so far.
// Its state is next and sum; every batch becomes one unit with a checkpoint.
type summer struct {
	c *Client

	mu       sync.Mutex // protects all below
	workers  map[int32]*sumWorker
	failed   map[int32]error
	seen     map[int32][]Batch // shapes only, without records
	assigned int
	revoked  int
	lost     int
	journal  bool
}

type sumWorker struct {
	next, sum, jn, n int64
	queue            chan *Batch
	done             chan struct{}
}

func newSummer() *summer {
	return &summer{workers: map[int32]*sumWorker{}, failed: map[int32]error{}, seen: map[int32][]Batch{}}
}

func (s *summer) Assigned(ctx context.Context, p int32) (int64, error) {
	w := &sumWorker{jn: -1, queue: make(chan *Batch, 1000), done: make(chan struct{})}
	cp, err := s.c.LoadCheckpoint(ctx, p)
	switch {
	case errors.Is(err, ErrNoCheckpoint):
		if w.next, _, err = s.c.Bounds(ctx, p); err != nil {
			return 0, err
		}
	case err != nil:
		return 0, err
	default:
		w.next, w.jn = cp.To, cp.JN
		w.sum, w.n = int64(binary.LittleEndian.Uint64(cp.Body)), int64(binary.LittleEndian.Uint64(cp.Body[8:]))
	}
	if s.journal {
		tail, err := s.c.OpenJournal(ctx, p, JournalOpen{From: w.jn, LastN: w.n, Start: JournalRecord{At: w.next, Body: []byte("start")}})
		if err != nil {
			return 0, err
		}
		w.jn, w.n = tail.End, tail.Pending[len(tail.Pending)-1].N
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assigned++
	s.workers[p] = w
	go func() {
		defer close(w.done)
		for b := range w.queue {
			w.apply(s.c, b)
		}
	}()
	return w.next, nil
}

func (w *sumWorker) apply(c *Client, b *Batch) {
	defer b.Release()
	from := w.next
	u := &Unit{P: b.P}
	for _, r := range b.Records {
		if r.Offset < w.next {
			continue
		}
		v, _ := strconv.ParseInt(string(r.Value), 10, 64)
		w.sum += v
		w.next = r.Offset + 1
		u.Outs = append(u.Outs, Out{
			Topic: Klines, Key: []byte("s"), Value: strconv.AppendInt(nil, w.sum, 10), Timestamp: r.Timestamp,
			Headers: []Header{{Key: "so", Value: strconv.AppendInt(nil, r.Offset, 10)}},
		})
	}
	u.Checkpoint = w.checkpoint(from)
	_ = c.Publish(context.Background(), u) // an error ends the incarnation; Run says so
}

func (w *sumWorker) checkpoint(from int64) *Checkpoint {
	body := binary.LittleEndian.AppendUint64(nil, uint64(w.sum))
	body = binary.LittleEndian.AppendUint64(body, uint64(w.n))
	return &Checkpoint{From: from, To: w.next, JN: w.jn, Cfg: "c", Body: body, Meta: CommitMeta{WM: 7, Low: from}}
}

func (s *summer) Batch(b *Batch) {
	s.mu.Lock()
	w := s.workers[b.P]
	shape := *b
	shape.Records = append([]Rec(nil), b.Records...)
	s.seen[b.P] = append(s.seen[b.P], shape)
	s.mu.Unlock()
	if w != nil {
		w.queue <- b
	}
}

func (s *summer) take(ps []int32) []*sumWorker {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ws []*sumWorker
	for _, p := range ps {
		if w := s.workers[p]; w != nil {
			ws = append(ws, w)
		}
		delete(s.workers, p)
	}
	return ws
}

func (s *summer) Revoked(_ context.Context, ps []int32) {
	for _, w := range s.take(ps) {
		close(w.queue)
		<-w.done
	}
	s.mu.Lock()
	s.revoked += len(ps)
	s.mu.Unlock()
}

func (s *summer) Lost(ps []int32) {
	for _, w := range s.take(ps) {
		close(w.queue)
	}
	s.mu.Lock()
	s.lost += len(ps)
	s.mu.Unlock()
}

func (s *summer) Failed(p int32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed[p] = err
}

func (s *summer) failure(p int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed[p]
}

func (s *summer) batches(p int32) []Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Batch(nil), s.seen[p]...)
}

// life is one running incarnation.
type life struct {
	*summer
	stop func()
	end  chan error
}

func (b *bed) live(direct bool, more ...func(*ClientConfig, *summer)) *life {
	b.t.Helper()
	cfg, s := b.config(direct), newSummer()
	for _, m := range more {
		m(&cfg, s)
	}
	c, err := NewClient(cfg, s)
	if err != nil {
		b.t.Fatal(err)
	}
	s.c = c
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{summer: s, stop: cancel, end: make(chan error, 1)}
	go func() { l.end <- c.Run(ctx); close(l.end) }()
	b.t.Cleanup(func() { cancel(); <-l.end })
	return l
}

// sums returns what a reader of klines sees that follows the reader rule.
func (b *bed) sums(p int32) (sums []int64, repeats int) {
	b.t.Helper()
	last := int64(-1)
	recs := b.read("klines", p)
	for i := range recs {
		h, _ := recs[i].Header("so")
		so, err := strconv.ParseInt(string(h), 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		if so <= last {
			repeats++
			continue
		}
		last = so
		v, err := strconv.ParseInt(string(recs[i].Value), 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		sums = append(sums, v)
	}
	return sums, repeats
}

// wantSums checks the sums of 1..n.
func (b *bed) wantSums(p int32, n int) {
	b.t.Helper()
	eventually(b.t, fmt.Sprintf("%d sums of partition %d", n, p), func() bool {
		if _, end, err := Bounds(b.ctx(), b.at, "klines", p); err != nil || end < int64(n) {
			return false
		}
		sums, _ := b.sums(p) // among the records may be repeats
		return len(sums) >= n
	})
	sums, _ := b.sums(p)
	if len(sums) != n {
		b.t.Fatalf("partition %d: %d sums, want %d", p, len(sums), n)
	}
	total := int64(0)
	for i, v := range sums {
		if total += int64(i + 1); v != total {
			b.t.Fatalf("partition %d: sum %d is %d, want %d", p, i, v, total)
		}
	}
}

func (b *bed) setGroup(p int32, at int64) {
	b.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset("ticks", p, at, -1)
	got, err := b.adm.CommitOffsets(b.ctx(), "g", offsets)
	if err == nil {
		err = got.Error()
	}
	if errors.Is(err, nil) {
		return
	}
	// A static member that stopped is still in the group for its session.
	b.t.Logf("group not empty: %v", err)
	gone, err := b.adm.LeaveGroup(b.ctx(), kadm.LeaveGroup("g").InstanceIDs("n1"))
	if err == nil {
		err = gone.Error()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	if got, err = b.adm.CommitOffsets(b.ctx(), "g", offsets); err != nil || got.Error() != nil {
		b.t.Fatal(err, got.Error())
	}
}

// abort leaves n records of an aborted transaction and its marker.
func (b *bed) abort(topic string, p int32, n int) { b.transact(topic, p, n, kgo.TryAbort) }

func (b *bed) transact(topic string, p int32, n int, end kgo.TransactionEndTry) {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("t"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%d", 1000+i)}
		if err := cl.ProduceSync(b.ctx(), r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := cl.EndTransaction(b.ctx(), end); err != nil {
		b.t.Fatal(err)
	}
}
