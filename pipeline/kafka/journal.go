package kafka

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// JournalRecord is one record of a partition's journal.
type JournalRecord struct {
	// Offset in the journal; set when it was read or acknowledged.
	Offset int64
	// At is the input offset before which it acts.
	At int64
	// N is its number in the journal: +1 each, kept in the state.
	N int64
	// LO and LC are offset and CRC-32C of the last input record before At.
	LO int64
	LC uint32
	// Timestamp is Kafka's, ms.
	Timestamp int64
	// Body is the list of operations, opaque here.
	Body []byte
}

// JournalOpen says where a restored partition stands in its journal.
type JournalOpen struct {
	// From is the checkpoint's JN; negative without a checkpoint: the log start.
	From int64
	// LastN is the number of the last record that counted, 0 if none did.
	LastN int64
	// Published is the journal offset behind the last decision that is known to be
	// published (Checkpoint.Published).
	Published int64
	// Start is the record that this incarnation announces itself with. Offset
	// and N are set here.
	Start JournalRecord
}

// JournalTail is what OpenJournal found.
type JournalTail struct {
	// Pending are the records that count, in order; they act at their At. The
	// last one is our own Start; in transactions there is none.
	Pending []JournalRecord
	// Void is the number of records skipped by the rule of N.
	Void int
	// End is the offset behind our Start: from here on only we write.
	End int64
}

// maxStarts bounds the handshake. Each turn lost means one more send of a dead
// predecessor that became visible in between; it had at most one in flight.
const maxStarts = 8

// OpenJournal announces this incarnation and returns what stands in the journal
// from o.From up to the announcement. A send of the dead predecessor that
// becomes visible later carries a number that is taken, and is void for every
// reader. A hole in the numbers, or a From outside the log, is ErrJournalLost.
func (c *Client) OpenJournal(ctx context.Context, p int32, o JournalOpen) (JournalTail, error) {
	topic := c.cfg.Topics.Name(Journal)
	start, end, err := bounds(ctx, c.adm, topic, p)
	if err != nil {
		return JournalTail{}, err
	}
	from := o.From
	if from < 0 {
		from = start
	}
	if c.txn != nil && o.Published <= from {
		// From is the offset behind a decision, where the marker of its transaction
		// stands. A decision behind that would have come with a mark: what a journal
		// that is quiet for longer than its retention has lost are markers.
		from = max(from, start)
	}
	if from < start || max(from, o.Published) > end {
		return JournalTail{}, fmt.Errorf("reading %s[%d] from %d, published up to %d (the log holds %d..%d): %w", topic, p, from, o.Published, start, end, ErrJournalLost)
	}
	// A journal whose start was cut: the first record counts, whatever its number.
	count := counter{last: o.LastN, open: o.LastN == 0 && start > 0}
	if err := c.readJournal(ctx, p, from, end, &count); err != nil {
		return JournalTail{}, err
	}
	if c.txn != nil {
		// A decision stands in the transaction of what it caused: nobody needs
		// to hear of us, and what is there has acted.
		c.txn.setJournalEnd(p, end)
		return JournalTail{Pending: count.recs, Void: count.void, End: end}, nil
	}
	return c.announce(ctx, p, o.Start, end, &count)
}

// announce appends start and reads from end up to it, until it is the record
// that counts.
func (c *Client) announce(ctx context.Context, p int32, start JournalRecord, end int64, count *counter) (JournalTail, error) {
	for range maxStarts {
		rec := start
		rec.N = count.last + 1
		offset, err := c.appendJournal(ctx, p, &rec)
		if err != nil {
			return JournalTail{}, err
		}
		if err := c.readJournal(ctx, p, end, offset+1, count); err != nil {
			return JournalTail{}, err
		}
		end = offset + 1
		if n := len(count.recs); n > 0 && count.recs[n-1].Offset == offset {
			return JournalTail{Pending: count.recs, Void: count.void, End: end}, nil
		}
	}
	return JournalTail{}, fmt.Errorf("opening %s[%d]: another process writes it: is a second engine running with the same topics?", c.cfg.Topics.Name(Journal), p)
}

// Decide appends a decision and returns its journal offset once it is
// acknowledged; then it may act. The caller numbers it: N is one above the last.
// One at a time per partition. Any error but ErrNotHeld ends the incarnation.
func (c *Client) Decide(ctx context.Context, p int32, rec JournalRecord) (int64, error) {
	began := c.now()
	offset, err := c.appendJournal(ctx, p, &rec)
	if err != nil {
		return 0, fmt.Errorf("writing a decision of partition %d: %w", p, err)
	}
	c.cfg.Cluster.Observer.Decided(p, c.now().Sub(began))
	return offset, nil
}

func (c *Client) appendJournal(ctx context.Context, p int32, rec *JournalRecord) (int64, error) {
	if err := c.begin(p); err != nil {
		return 0, err
	}
	defer c.end(p)
	defer c.endWith(ctx, "writing to the journal")()
	r := c.journalRecord(p, rec)
	if err := c.send.produce([]*kgo.Record{r}); err != nil {
		return 0, err
	}
	return r.Offset, nil
}

func (c *Client) journalRecord(p int32, rec *JournalRecord) *kgo.Record {
	return &kgo.Record{
		Topic: c.cfg.Topics.Name(Journal), Partition: p, Value: rec.Body, Timestamp: time.UnixMilli(rec.Timestamp),
		Headers: []Header{
			{Key: "at", Value: strconv.AppendInt(nil, rec.At, 10)},
			{Key: "n", Value: strconv.AppendInt(nil, rec.N, 10)},
			{Key: "lo", Value: strconv.AppendInt(nil, rec.LO, 10)},
			{Key: "lc", Value: strconv.AppendUint(nil, uint64(rec.LC), 10)},
		},
	}
}

// decisions are the journal records of a unit.
func (c *Client) decisions(u *Unit) []*kgo.Record {
	recs := make([]*kgo.Record, len(u.Decisions), len(u.Decisions)+len(u.Outs))
	for i := range u.Decisions {
		recs[i] = c.journalRecord(u.P, &u.Decisions[i])
	}
	return recs
}

func (c *Client) readJournal(ctx context.Context, p int32, from, to int64, count *counter) error {
	topic := c.cfg.Topics.Name(Journal)
	var bad error
	err := c.cfg.Cluster.readSpan(ctx, topic, p, from, to, func(r *kgo.Record) bool {
		rec, err := parseJournal(r)
		if err == nil {
			err = count.take(rec)
		}
		if err != nil {
			bad = fmt.Errorf("reading %s[%d] at %d: %w", topic, p, r.Offset, err)
		}
		return bad == nil
	})
	if bad != nil {
		return bad
	}
	return err
}

func parseJournal(r *kgo.Record) (JournalRecord, error) {
	rec := JournalRecord{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Body: r.Value}
	var lc int64
	if !number(r, "at", &rec.At) || !number(r, "n", &rec.N) || !number(r, "lo", &rec.LO) ||
		!number(r, "lc", &lc) || lc < 0 || lc > 1<<32-1 {
		return rec, fmt.Errorf("a header of at, n, lo, lc is missing or no number: %w", ErrJournalLost)
	}
	rec.LC = uint32(lc)
	return rec, nil
}

// counter applies the rule of N: a record counts iff its number is one above
// that of the last that counted.
type counter struct {
	last int64
	open bool // the first one counts
	recs []JournalRecord
	void int
}

func (k *counter) take(rec JournalRecord) error {
	switch {
	case k.open, rec.N == k.last+1:
		k.open, k.last = false, rec.N
		k.recs = append(k.recs, rec)
	case rec.N <= k.last:
		k.void++
	default:
		return fmt.Errorf("record %d follows record %d: %w", rec.N, k.last, ErrJournalLost)
	}
	return nil
}
