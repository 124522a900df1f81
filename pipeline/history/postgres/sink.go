package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// closeTimeout bounds the farewell.
const closeTimeout = time.Second

// Sink is one table of one server.
type Sink struct {
	cfg      Config
	conn     *pgx.Conn // nil while closed
	staging  staging
	known    map[string]bool // partitions by suffix
	retained time.Time       // the last look at old partitions
	buffer   []byte          // rows on their way, used again
	recent   recent          // trades
	numbers  []int           // 0, 1, 2 .., used again
	// detours are how many batches more go through the staging table, and
	// lastDetour is how many it were the last time.
	detours, lastDetour int
}

// New builds a sink. It does not dial.
func New(cfg Config) *Sink {
	cfg = cfg.withDefaults()
	return &Sink{cfg: cfg, staging: stagingOf(cfg.Stream)}
}

// Open implements history.Sink.
func (s *Sink) Open(ctx context.Context, topic string, n int32) (map[int32]int64, error) {
	s.Close()
	conn, err := s.cfg.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.conn = conn
	s.recent.forget()
	if err := s.cfg.migrate(ctx, conn); err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, s.staging.create); err != nil {
		return nil, classify(fmt.Errorf("making the staging table: %w", err))
	}
	if err := s.knownPartitions(ctx); err != nil {
		return nil, err
	}
	return s.positions(ctx, topic, n)
}

// Write implements history.Sink.
func (s *Sink) Write(ctx context.Context, b *history.Batch) error {
	s.retain(ctx)
	if err := s.ensure(ctx, b.Rows(), s.timeOf(b)); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		if err := s.move(ctx, tx, b.Topic, b.Moves); err != nil {
			return err
		}
		if b.Rows() == 0 {
			return nil
		}
		refused, err := s.store(ctx, tx, b)
		if err != nil || len(refused) == 0 {
			return err
		}
		return b.Refuse(ctx, refused)
	})
	if err == nil || errors.Is(err, history.ErrMoved) {
		return err
	}
	return classify(err)
}

// minDetour and maxDetour bound how long a table that held one row already is
// not tried directly again.
const (
	minDetour = 4
	maxDetour = 256
)

// store writes the rows. Trades that are new go straight into the table, which
// is nearly twice as fast as by the staging table; a duplicate makes the server
// refuse them all. So those that came lately take the detour by the staging table,
// and where a duplicate was older, the batch and some after it do.
func (s *Sink) store(ctx context.Context, tx pgx.Tx, b *history.Batch) ([]history.Refusal, error) {
	rows := s.all(b.Rows())
	if s.staging.direct != "" {
		fresh, seen := s.recent.split(b.Trades)
		switch {
		case s.detours > 0:
			s.detours--
		case len(fresh) > 0:
			done, err := s.storeDirectly(ctx, tx, b, fresh)
			if err != nil {
				return nil, err
			}
			if done {
				rows = seen
			}
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	// A savepoint around each attempt: a row that is refused ends a transaction.
	part := func(lo, hi int) error {
		return inSavepoint(ctx, tx, func(nested pgx.Tx) error { return s.storePart(ctx, nested, b, rows[lo:hi]) })
	}
	refused, err := history.Split(0, len(rows), part, aboutContent)
	for i := range refused {
		refused[i].Row = rows[refused[i].Row]
	}
	return refused, err
}

// all is every index below n. It is valid until the next call.
func (s *Sink) all(n int) []int {
	for i := len(s.numbers); i < n; i++ {
		s.numbers = append(s.numbers, i)
	}
	return s.numbers[:n]
}

// storeDirectly reports whether the table took the rows. If not, the next batches
// take the detour: twice as many as the last time.
func (s *Sink) storeDirectly(ctx context.Context, tx pgx.Tx, b *history.Batch, rows []int) (bool, error) {
	s.fill(b, rows)
	err := inSavepoint(ctx, tx, func(pgx.Tx) error {
		_, err := s.conn.PgConn().CopyFrom(ctx, bytes.NewReader(s.buffer), s.cfg.in(s.staging.direct))
		return err
	})
	switch {
	case err == nil:
		s.lastDetour = s.lastDetour / 2
		return true, nil
	case aboutContent(err):
		s.lastDetour = min(max(2*s.lastDetour, minDetour), maxDetour)
		s.detours = s.lastDetour - 1
		return false, nil
	}
	return false, fmt.Errorf("copying %d rows: %w", len(rows), err)
}

// inSavepoint runs f so that its failure leaves the transaction usable.
func inSavepoint(ctx context.Context, tx pgx.Tx, f func(pgx.Tx) error) error {
	nested, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := f(nested); err != nil {
		return errors.Join(err, nested.Rollback(ctx))
	}
	return nested.Commit(ctx)
}

// fill puts rows into the buffer, as COPY reads them.
func (s *Sink) fill(b *history.Batch, rows []int) {
	s.buffer = s.buffer[:0]
	for _, i := range rows {
		if s.cfg.Stream == history.Trades {
			s.buffer = appendTrade(s.buffer, &b.Trades[i])
		} else {
			s.buffer = appendKline(s.buffer, &b.Klines[i])
		}
	}
}

// storePart copies rows into the staging table and from there into the table.
func (s *Sink) storePart(ctx context.Context, tx pgx.Tx, b *history.Batch, rows []int) error {
	if len(rows) < b.Rows() {
		// A part before this one may have left its rows; they go at the end of the
		// transaction otherwise.
		if _, err := tx.Exec(ctx, s.staging.empty); err != nil {
			return err
		}
	}
	s.fill(b, rows)
	if _, err := s.conn.PgConn().CopyFrom(ctx, bytes.NewReader(s.buffer), s.staging.copy); err != nil {
		return fmt.Errorf("copying %d rows: %w", len(rows), err)
	}
	if _, err := tx.Exec(ctx, s.cfg.in(s.staging.insert)); err != nil {
		return fmt.Errorf("inserting %d rows: %w", len(rows), err)
	}
	return nil
}

// timeOf is what rows are partitioned by.
func (s *Sink) timeOf(b *history.Batch) func(i int) time.Time {
	if s.cfg.Stream == history.Trades {
		return func(i int) time.Time { return time.Unix(0, b.Trades[i].EventNS) }
	}
	return func(i int) time.Time { return time.UnixMilli(b.Klines[i].T) }
}

// Close implements history.Sink.
func (s *Sink) Close() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = s.conn.Close(ctx) // the session is given up; what it did not commit is undone
	s.conn = nil
}

var _ history.Sink = (*Sink)(nil)
