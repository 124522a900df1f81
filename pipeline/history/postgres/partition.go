package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

const (
	// maxPartitions bounds what event times can make a table grow to: a feed
	// that invents dates must not fill the catalog. Rows beyond stay in the rest.
	maxPartitions = 4000
	// retentionPeriod is how often old partitions are looked for.
	retentionPeriod = time.Hour
)

// span is one partition: the first moment in it, and the first behind it.
type span struct{ from, to time.Time }

// spanOf is the partition that t falls into.
func (p Period) spanOf(t time.Time) span {
	t = t.UTC()
	if p == Month {
		from := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return span{from, from.AddDate(0, 1, 0)}
	}
	from := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return span{from, from.AddDate(0, 0, 1)}
}

// suffix is the end of the partition's name.
func (p Period) suffix(s span) string {
	if p == Month {
		return s.from.Format("_200601")
	}
	return s.from.Format("_20060102")
}

// spanNamed is the partition with that suffix.
func spanNamed(suffix string) (span, bool) {
	if t, err := time.Parse("_20060102", suffix); err == nil {
		return Day.spanOf(t), true
	}
	t, err := time.Parse("_200601", suffix)
	return Month.spanOf(t), err == nil
}

// oldest is the first moment that gets a partition of its own. What a feed dates
// earlier, or later than tomorrow, stays in the partition of the rest.
var oldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// table is the name of the sink's table.
func (s *Sink) table() string { return s.cfg.Stream.String() }

// column is what it is partitioned by.
func (s *Sink) column() string {
	if s.cfg.Stream == history.Klines {
		return "open_time"
	}
	return "ts"
}

// knownPartitions reads which partitions there are, by suffix.
func (s *Sink) knownPartitions(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass($1)`,
		s.cfg.in("S."+s.table()))
	if err != nil {
		return classify(fmt.Errorf("reading the partitions: %w", err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return classify(fmt.Errorf("reading the partitions: %w", err))
	}
	s.known = map[string]bool{}
	for _, name := range names {
		s.known[strings.TrimPrefix(name, s.table())] = true
	}
	return nil
}

// ensure makes the partitions that the times need. at yields the time of row i.
func (s *Sink) ensure(ctx context.Context, n int, at func(i int) time.Time) error {
	latest := s.cfg.Clock.Now().AddDate(0, 0, 1)
	var last span
	for i := range n {
		t := at(i)
		if !t.Before(last.from) && t.Before(last.to) || t.Before(oldest) || t.After(latest) {
			continue
		}
		last = s.cfg.Period.spanOf(t)
		suffix := s.cfg.Period.suffix(last)
		if s.known[suffix] || len(s.known) >= maxPartitions {
			continue
		}
		if err := s.makePartition(ctx, suffix, last); err != nil {
			return classify(fmt.Errorf("making the partition %s%s: %w", s.table(), suffix, err))
		}
		s.known[suffix] = true
	}
	return nil
}

// makePartition also moves the rows that wait in the rest, whose time has come.
func (s *Sink) makePartition(ctx context.Context, suffix string, sp span) error {
	text := func(t time.Time) string { return "'" + t.Format(time.RFC3339) + "'" }
	fill := strings.NewReplacer("NEW", "S."+s.table()+suffix, "REST", "S."+s.table()+"_rest", "TABLE", "S."+s.table(),
		"COL", s.column(), "FROM_T", text(sp.from), "TO_T", text(sp.to)).Replace
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "select to_regclass($1) is not null", s.cfg.in(fill("NEW"))).Scan(&there); err != nil || there {
			return err
		}
		for _, sql := range []string{
			"lock table REST in access exclusive mode",
			"create table NEW (like TABLE including all)",
			"with moved as (delete from REST where COL >= FROM_T and COL < TO_T returning *) insert into NEW select * from moved",
			"alter table TABLE attach partition NEW for values from (FROM_T) to (TO_T)",
		} {
			if _, err := tx.Exec(ctx, s.cfg.in(fill(sql))); err != nil {
				return err
			}
		}
		return nil
	})
	// The period was changed in the configuration: what partitions of the other
	// length cover is covered.
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code == "42P17" {
		return nil
	}
	return err
}

// retain drops partitions all of whose rows are older than is kept, and deletes
// such rows from the rest. A failure is
// told and tried again an hour later: it must not stop what comes in.
func (s *Sink) retain(ctx context.Context) {
	now := s.cfg.Clock.Now()
	if s.cfg.Keep <= 0 || now.Sub(s.retained) < retentionPeriod {
		return
	}
	s.retained = now
	horizon := now.Add(-s.cfg.Keep)
	if _, err := s.conn.Exec(ctx, s.cfg.in("delete from S."+s.table()+"_rest where "+s.column()+" < $1"), horizon); err != nil {
		s.cfg.Log.Warn("deleting old rows failed, it is tried again in an hour", "table", s.table(), "error", err)
		return
	}
	for suffix := range s.known {
		sp, ok := spanNamed(suffix)
		if !ok || sp.to.After(horizon) {
			continue
		}
		err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(schemaLock)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, s.cfg.in("drop table if exists S."+s.table()+suffix))
			return err
		})
		if err != nil {
			s.cfg.Log.Warn("dropping a partition that is older than is kept failed, it is tried again in an hour", "partition", s.table()+suffix, "error", err)
			return
		}
		delete(s.known, suffix)
		s.cfg.Log.Info("a partition is older than is kept and was dropped", "partition", s.table()+suffix)
	}
}
