//go:build synctests

package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// inPlace sorts decisions by where they act; those of one place stay in order.
func inPlace(ds []decided) []decided {
	ds = slices.Clone(ds)
	slices.SortStableFunc(ds, func(a, b decided) int { return cmp.Compare(a.at, b.at) })
	return ds
}

// check compares everything that is on the topics with what has to be there.
func (w *world) check() {
	counters := make([]core.Counters, w.plan.partitions)
	for p := range w.plan.partitions {
		n, s := w.owner(p)
		if n == nil {
			w.t.Errorf("partition %d has lost its owner: %+v", p, s)
			return
		}
		counters[p] = n.watch.of(p)
	}
	all := w.readAll()
	for p := range w.plan.partitions {
		if err := w.checkPartition(all, p, counters[p]); err != nil {
			w.t.Errorf("partition %d: %v\n%s", p, err, all.dump(p))
		}
	}
}

func (w *world) checkPartition(all logs, p int32, counters core.Counters) error {
	outs := map[string][]*kgo.Record{}
	for _, topic := range []string{"klines", "late", "dlq"} {
		keep, repeats, err := kept(all[topic][p], w.plan.idempotent)
		if err != nil {
			return err
		}
		outs[topic] = keep
		w.tally.hit("records compared", len(keep))
		w.tally.hit("repeats dropped", repeats)
	}
	ds, void, err := decisions(all["journal"][p])
	if err != nil {
		return err
	}
	if void > 0 && !w.plan.idempotent {
		return fmt.Errorf("%d journal records were committed and do not count", void)
	}
	w.tally.hit("decisions", len(ds))
	if err := w.checkReplay(all[inputTopic][p], ds, outs, p); err != nil {
		return fmt.Errorf("against a replay: %w", err)
	}
	if err := checkRecount(all[inputTopic][p], outs, counters); err != nil {
		return fmt.Errorf("against a recount: %w", err)
	}
	if got := counters.Decisions + counters.Starts; got != int64(len(ds)) {
		return fmt.Errorf("the state counts %d decisions, the journal holds %d", got, len(ds))
	}
	return nil
}

// checkReplay compares byte for byte.
func (w *world) checkReplay(input []*kgo.Record, ds []decided, outs map[string][]*kgo.Record, p int32) error {
	y, err := newReplay(p, w.plan.partitions)
	if err != nil {
		return err
	}
	if err := y.run(input, ds); err != nil {
		return err
	}
	for topic, recs := range outs {
		want := y.outs[topic]
		for i := range min(len(recs), len(want)) {
			if got := text(recs[i]); got != want[i] {
				return fmt.Errorf("record %d of %s is\n%s\nwant\n%s", i, topic, got, want[i])
			}
		}
		if len(recs) != len(want) {
			return fmt.Errorf("%d records in %s, want %d; the first that is missing or too much: %s", len(recs), topic, len(want), firstBeyond(recs, want))
		}
	}
	return nil
}

func firstBeyond(recs []*kgo.Record, want []string) string {
	if len(recs) > len(want) {
		return text(recs[len(want)])
	}
	return want[len(recs)]
}

// checkRecount compares the bars with their trades, and the counters of the
// state with what was counted here.
func checkRecount(input []*kgo.Record, outs map[string][]*kgo.Record, c core.Counters) error {
	truth, err := newRecount(outs["late"], outs["dlq"])
	if err != nil {
		return err
	}
	for _, r := range input {
		if err := truth.take(r); err != nil {
			return err
		}
	}
	if len(truth.diverted) > 0 {
		return fmt.Errorf("diverted without a reason: %v", truth.diverted)
	}
	bars, err := readPublished(outs["klines"])
	if err != nil {
		return err
	}
	if err := truth.compare(bars); err != nil {
		return err
	}
	return truth.conservation(c, int64(len(outs["klines"])))
}

// conservation holds every counter of the state against the recount: nothing
// that came in is missing on the way out.
func (c *recount) conservation(got core.Counters, klines int64) error {
	var wrong []string
	for _, x := range []struct {
		name      string
		got, want int64
	}{
		{"records with trades", got.TradeRecords, c.tradeRecord}, {"heartbeats", got.Heartbeats, c.heartbeats},
		{"undecodable records", got.Undecodable, c.undecodable}, {"trades", got.Trades, c.trades},
		{"applied and restated", got.Applied + got.Restated, c.accepted}, {"duplicates", got.Duplicate, c.duplicate},
		{"late", got.Late, c.late}, {"rejected", got.Rejected, c.rejected},
		{"published bars", got.Klines + got.Restatements, klines},
		{"trades in bars, diverted and dropped", got.Applied + got.Restated + got.Duplicate + got.Late + got.Rejected, got.Trades},
	} {
		if x.got != x.want {
			wrong = append(wrong, fmt.Sprintf("%s: %d, want %d", x.name, x.got, x.want))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the counters of the state are wrong: %s", strings.Join(wrong, "; "))
	}
	return nil
}
