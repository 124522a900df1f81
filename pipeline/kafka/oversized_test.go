package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bomb writes one batch of n records to ticks[0] that unpacks to more than maxUnpacked.
func (b *bed) bomb() (n int) {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.at.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.ProducerBatchMaxBytes(90<<20), kgo.BrokerMaxWriteBytes(200<<20),
		kgo.MaxBufferedBytes(500<<20), kgo.ProducerLinger(time.Second))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	zeros := make([]byte, 900<<10)
	n = maxUnpacked/len(zeros) + 1
	var recs []*kgo.Record
	for range n {
		recs = append(recs, &kgo.Record{Topic: "ticks", Value: zeros})
	}
	if err := cl.ProduceSync(b.ctx(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// told lists what was handed over: offsets, with ! where a record stands for a batch.
func told(recs []Rec) string {
	var all []string
	for i := range recs {
		s := fmt.Sprint(recs[i].Offset)
		if recs[i].Oversized {
			s += "!"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func (l *life) told(p int32) string {
	var recs []Rec
	for _, b := range l.batches(p) {
		recs = append(recs, b.Records...)
	}
	return told(recs)
}

// One batch that nobody can unpack is told with one record, and what stands behind
// it is read: by members of the group, followers, readers of a range and searches.
func TestABatchThatUnpacksToTooMuchIsLeftOutAndTold(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 1)
		b.trades(0, 1, 3)
		end := int64(3 + b.bomb())
		b.trades(0, 4, 2)
		want := fmt.Sprintf("0 1 2 3! %d %d", end, end+1)
		l := b.live(direct)
		eventually(t, "the records behind the batch", func() bool { return strings.HasSuffix(l.told(0), fmt.Sprint(end+1)) })
		if got := l.told(0); got != want || l.failure(0) != nil {
			t.Errorf("handed over %s, want %s; failed: %v", got, want, l.failure(0))
		}
		last := l.batches(0)
		if at := last[len(last)-1].Next; at != end+2 {
			t.Errorf("the last batch ends at %d, want %d", at, end+2)
		}
		if !direct {
			return
		}
		f := b.follow(FollowConfig{Topic: "ticks"})
		eventually(t, "the follower behind the batch", func() bool { next, _, _ := f.at(0); return next == end+2 })
		if _, values, _ := f.at(0); values != "1 2 3  4 5" {
			t.Errorf("followed %q", values)
		}
		if got := told(b.ranged(0, end+2)); got != want {
			t.Errorf("the range has %s, want %s", got, want)
		}
		if got := told(b.ranged(5, end+2)); got != fmt.Sprintf("%d %d", end, end+1) {
			t.Errorf("the range from the middle of the batch has %s", got)
		}
		if r, ok, err := LastRecord(b.ctx(), b.at, "ticks", 0, func(r *Rec) bool { return string(r.Value) == "2" }); err != nil || !ok || r.Offset != 1 {
			t.Errorf("the record before the batch: %+v %v %v", r, ok, err)
		}
	})
}

func (b *bed) ranged(from, to int64) (recs []Rec) {
	b.t.Helper()
	r, err := OpenRange(b.at, "ticks", 0, from, to)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	for {
		some, err := r.Next(b.ctx())
		if errors.Is(err, io.EOF) {
			return recs
		}
		if err != nil {
			b.t.Fatal(err)
		}
		recs = append(recs, slices.Clone(some)...)
	}
}

// damaging changes one byte of the first value "damaged" that it reads.
type damaging struct {
	net.Conn
	done *atomic.Bool
}

func (c damaging) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if i := bytes.Index(p[:n], []byte("damaged")); i >= 0 && c.done.CompareAndSwap(false, true) {
		p[i] = 'D'
	}
	return n, err
}

// A fetch may bring good batches and a damaged one: its checksum is wrong, and the
// next fetch begins behind the good ones.
func TestRecordsBesideADamagedBatchAreNotLost(t *testing.T) {
	b := newBed(t, 1)
	plain, err := kgo.NewClient(kgo.SeedBrokers(b.at.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, v := range []string{"0", "1", "2", "damaged", "4", "5"} {
		if err := plain.ProduceSync(b.ctx(), &kgo.Record{Topic: "ticks", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range []string{"group", "follower"} {
		t.Run(what, func(t *testing.T) {
			var done atomic.Bool
			at := *b
			at.t = t
			at.at.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				return damaging{c, &done}, err
			}
			if what == "group" {
				l := at.live(true)
				eventually(t, "all records", func() bool { return strings.HasSuffix(l.told(0), "5") })
				if got := l.told(0); got != "0 1 2 3 4 5" {
					t.Errorf("handed over %s", got)
				}
			} else {
				f := at.follow(FollowConfig{Topic: "ticks"})
				eventually(t, "all records", func() bool { next, _, _ := f.at(0); return next == 6 })
				if _, got, _ := f.at(0); got != "0 1 2 damaged 4 5" {
					t.Errorf("followed %s", got)
				}
			}
			if !done.Load() {
				t.Error("nothing was damaged")
			}
		})
	}
}
