package feed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

const (
	// deliveryTimeout is how long a batch is tried before it goes to the disk.
	deliveryTimeout = 30 * time.Second
	// DefaultSpill is the default size of the spill file, bytes.
	DefaultSpill = 64 << 20
	// seenFor is how long the nodes remember what was produced.
	seenFor = 5 * time.Minute
)

// delivery brings records onto the topic. What the topic does not take in time
// goes to a file, and from then on everything behind it, until the file was
// sent: the order of a symbol's trades stays. A full file makes its feed wait.
type delivery struct {
	out     Topic
	source  string
	log     Logger
	observe Observer
	timeout time.Duration
	clock   clock.Clock
	life    context.Context // of the feed: what goes to the disk outlives a connection
	waits   func(int64)     // told how many bytes wait in the file

	mu      sync.Mutex // protects the rest
	file    *spill
	drain   *safego.Handle // runs while there is something in the file
	acked   []string       // message ids that the other nodes were not told of
	spilled int64          // batches, since the start
	room    chan struct{}  // closed when the file got shorter
}

// openDelivery opens the file of a source and begins to send what is in it.
func openDelivery(ctx context.Context, l *live, out Topic) (*delivery, error) {
	d := &delivery{
		out: out, source: l.SourceName, log: l.Log, observe: l.Observer, timeout: l.DeliveryTimeout,
		clock: l.Clock, life: ctx, room: make(chan struct{}),
	}
	d.waits = func(n int64) {
		d.observe.FeedSpill(d.source, n)
		l.note(func(r *Report) { r.Spilled = n })
	}
	path := filepath.Join(out.SpillDir(), fileName(l.SourceName)+".spill")
	file, err := openSpill(path, l.SpillBytes)
	if err != nil {
		return nil, err
	}
	d.file = file
	if file.damaged != "" {
		d.observe.FeedError(d.source, reasonSpill)
		d.log.Warn("the end of the spill file is torn or damaged: it was put aside and not sent", "source", d.source, "file", file.damaged)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if file.waiting() > 0 {
		d.log.Info("sending what an earlier process could not send", "source", d.source, "bytes", file.waiting())
		d.waits(file.waiting())
		d.startDrain()
	}
	return d, nil
}

// fileName makes a file name of the name of a source: letters, digits and
// hyphens stand for themselves, anything else by its code.
func fileName(source string) string {
	b := make([]byte, 0, len(source))
	for i := range len(source) {
		c := source[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			b = append(b, c)
			continue
		}
		b = fmt.Appendf(b, "_%02x", c)
	}
	return string(b)
}

// clear reports whether everything that was delivered is on the topic.
func (d *delivery) clear() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drain == nil
}

// deliver returns when all records are acknowledged or safe on the disk. Only
// the end of ctx keeps it from that, and then nobody knows which are.
func (d *delivery) deliver(ctx context.Context, recs []Record) error {
	recs = d.unseen(ctx, recs)
	if len(recs) == 0 {
		return nil
	}
	if d.clear() {
		if d.send(ctx, recs) == nil {
			d.remember(recs)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return d.keep(ctx, recs)
}

// send tries until the time is over. A send under way cannot be taken back: it
// is left to itself, and what it brings about after all is there twice, which
// the ids tell.
func (d *delivery) send(ctx context.Context, recs []Record) error {
	within, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	for n := 0; ; n++ {
		result := make(chan error, 1)
		safego.Go("feed delivery", func(err error) { result <- err }, func() { result <- d.out.Write(within, recs) })
		var err error
		select {
		case err = <-result:
		case <-within.Done():
			err = within.Err()
		}
		if err == nil {
			return nil
		}
		if within.Err() != nil {
			return err
		}
		d.observe.FeedError(d.source, reasonWrite)
		if sleep(within, d.clock, fullJitter(n, firstPause, maxPause)) != nil {
			return err
		}
	}
}

// keep writes recs to the file; while it is full it waits.
func (d *delivery) keep(ctx context.Context, recs []Record) error {
	for told := false; ; {
		d.mu.Lock()
		err := d.file.append(recs)
		if err == nil {
			d.spilled++
			d.waits(d.file.waiting())
			if d.drain == nil {
				d.log.Warn("the topic does not take trades: they go to the disk", "source", d.source, "file", d.file.path)
				d.startDrain()
			}
			d.mu.Unlock()
			return nil
		}
		if d.drain == nil && errors.Is(err, errSpillFull) {
			// A file that is too small for one batch must not stop the feed.
			d.mu.Unlock()
			return d.insist(ctx, recs)
		}
		room := d.room
		d.mu.Unlock()
		if !told {
			told = true
			d.observe.FeedError(d.source, reasonSpill)
			d.log.Warn("trades wait: the topic does not take them, and the disk does not either", "source", d.source, "error", err)
		}
		if err := d.await(ctx, room); err != nil {
			return err
		}
		if d.clear() {
			return d.insist(ctx, recs)
		}
	}
}

// await waits for room in the file, or a second: a disk may have got room too.
func (d *delivery) await(ctx context.Context, room <-chan struct{}) error {
	timer := d.clock.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-room:
	case <-timer.C():
	case <-ctx.Done():
	}
	return ctx.Err()
}

// insist sends without an end but that of ctx.
func (d *delivery) insist(ctx context.Context, recs []Record) error {
	for n := 0; ; n++ {
		err := d.send(ctx, recs)
		if err == nil {
			d.remember(recs)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := sleep(ctx, d.clock, fullJitter(n, firstPause, maxPause)); err != nil {
			return err
		}
	}
}

// startDrain sends the file in the background. The caller holds d.mu.
func (d *delivery) startDrain() {
	d.drain = safego.Keep("feed spill", func(err error) {
		d.observe.FeedError(d.source, reasonSpill)
		d.log.Warn("sending the spill file ended in a panic: it begins again after a pause", "source", d.source, "pause", maxPause, "error", err)
	}, func() bool { return sleep(d.life, d.clock, maxPause) == nil }, func() { d.drainAll(d.life) })
}

// oldest is the batch to send next, of no length when there is none: then the drain
// has ended. Unlocked by a defer, as what follows, or a panic would keep the lock.
func (d *delivery) oldest() (recs []Record, length int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file.waiting() > 0 {
		return d.file.next()
	}
	d.waits(0)
	d.log.Info("the spill file is empty, the feed goes on", "source", d.source)
	d.drain = nil
	d.wake()
	return nil, 0, nil
}

// gone drops the oldest batch, which was sent.
func (d *delivery) gone(length int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.file.sent(length)
	d.waits(d.file.waiting())
	d.wake()
	return err
}

func (d *delivery) drainAll(ctx context.Context) {
	for {
		recs, length, err := d.oldest()
		if length == 0 && err == nil {
			return
		}
		if err == nil {
			err = d.insist(ctx, recs)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = d.gone(length)
		}
		if err != nil {
			d.observe.FeedError(d.source, reasonSpill)
			d.log.Warn("sending the spill file waits", "source", d.source, "error", err)
			if sleep(ctx, d.clock, maxPause) != nil {
				return
			}
		}
	}
}

// wake tells who waits for room. The caller holds d.mu.
func (d *delivery) wake() {
	close(d.room)
	d.room = make(chan struct{})
}

// unseen drops what another node, or this one before a restart, has produced a
// moment ago. One pipeline a batch: it also tells of the batch before.
func (d *delivery) unseen(ctx context.Context, recs []Record) []Record {
	d.mu.Lock()
	mark := d.acked
	d.acked = nil
	d.mu.Unlock()
	ask := make([]string, 0, len(recs))
	for i := range recs {
		if id := recs[i].messageID(); id != "" {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 && len(mark) == 0 {
		return recs
	}
	seen, err := d.out.Shared().Seen(ctx, mark, ask, seenFor)
	if err != nil || len(seen) != len(ask) {
		return recs
	}
	out, n := recs[:0:0], 0
	for i := range recs {
		if recs[i].messageID() != "" {
			n++
			if seen[n-1] {
				continue
			}
		}
		out = append(out, recs[i])
	}
	return out
}

// remember keeps ids of acknowledged records until the next batch. Only these:
// an id that is remembered before its record is on the topic would lose it.
func (d *delivery) remember(recs []Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range recs {
		if id := recs[i].messageID(); id != "" && len(d.acked) < maxRemembered {
			d.acked = append(d.acked, id)
		}
	}
}

// maxRemembered bounds what waits to be told.
const maxRemembered = 10_000

// close waits for the file's sending to end, which ctx of openDelivery ends.
func (d *delivery) close() error {
	d.mu.Lock()
	drain := d.drain
	d.mu.Unlock()
	if drain != nil {
		drain.Wait()
	}
	return d.file.close()
}

// fullJitter is a pause drawn from 0 to a bound that doubles with each attempt.
func fullJitter(attempt int, first, limit time.Duration) time.Duration {
	return rand.N(min(first<<min(attempt, 20), limit) + 1)
}
