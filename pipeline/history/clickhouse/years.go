package clickhouse

import (
	"cmp"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

const (
	// yearMS is the width of a partition, yearNS the same for the times of trades.
	yearMS = 31_556_952_000
	yearNS = yearMS * 1_000_000
	// maxYears bounds the partitions of one insert. A server refuses one of more than
	// a hundred as a whole (max_partitions_per_insert_block, code 252), so that one
	// record with trades of 101 years would stop a history for ever. The setting is not
	// sent with the insert: a server that does not know it refuses that, and a user
	// whose profile is read-only in settings may not send any.
	maxYears = 90
)

// year is the partition of a row. Both sides cut towards zero.
func (s *Sink) year(b *history.Batch, row int) int64 {
	if s.cfg.Stream == history.Trades {
		return b.Trades[row].EventNS / yearNS
	}
	return b.Klines[row].T / yearMS
}

// inserts cuts rows into those of one insert each: nearly always all of them. Rows of
// one key stay in their order, since they are of one year.
func (s *Sink) inserts(b *history.Batch, rows []int) [][]int {
	n := s.together(b, rows)
	if n == len(rows) {
		return [][]int{rows}
	}
	// By year, or rows that jump among many years would become hundreds of inserts.
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(i, j int) int { return cmp.Compare(s.year(b, i), s.year(b, j)) })
	var parts [][]int
	for len(rows) > 0 {
		n = s.together(b, rows)
		parts, rows = append(parts, rows[:n]), rows[n:]
	}
	return parts
}

// together is how many of the first rows one insert may hold.
func (s *Sink) together(b *history.Batch, rows []int) int {
	years, last := map[int64]bool{}, int64(0)
	for n, row := range rows {
		y := s.year(b, row)
		if n > 0 && y == last {
			continue
		}
		if last = y; !years[y] && len(years) == maxYears {
			return n
		}
		years[y] = true
	}
	return len(rows)
}
