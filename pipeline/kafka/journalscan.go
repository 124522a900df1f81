package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadJournal returns the records of topic[p] below the offset to that count, in
// order of the journal: a second core acts on them at their places. Whatever is
// void by its number is left out; a hole in the numbers is ErrJournalLost.
// Journals are short: they hold what the clock decided, not trades.
func ReadJournal(ctx context.Context, cluster Cluster, topic string, p int32, to int64) ([]JournalRecord, error) {
	start, end, err := Bounds(ctx, cluster, topic, p)
	if err != nil {
		return nil, err
	}
	// A journal whose start was cut: the first record counts, whatever its number.
	count := counter{open: start > 0}
	var bad error
	err = cluster.withDefaults().readSpan(ctx, topic, p, start, min(to, end), func(r *kgo.Record) bool {
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
		return nil, bad
	}
	return count.recs, err
}
