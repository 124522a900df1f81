package postgres

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// idleSessions is how many sessions wait for the next question.
const idleSessions = 4

// Reader reads klines back for those who ask for more than memory holds. It
// writes nothing and makes nothing: where the sink has made no table yet, there
// are no bars. Its methods may be called from any goroutine.
type Reader struct {
	cfg  Config
	name string
	idle chan *pgx.Conn
	// closed makes questions that are on their way end their session.
	closed atomic.Bool
}

// NewReader builds a reader of the table of klines under a name that answers
// show. It does not dial.
func NewReader(name string, cfg Config) *Reader {
	return &Reader{cfg: cfg.withDefaults(), name: name, idle: make(chan *pgx.Conn, idleSessions)}
}

// Name implements serve.Store.
func (r *Reader) Name() string { return r.name }

// selectKlines takes the newest revision of each bar. The inner select walks the
// key in its own order, so that the server reads as many rows as it answers, over
// all partitions; asked for the newest revisions at once it sorts the whole range.
// Numbers are text, which is exact.
const selectKlines = `select k.sym, k.itv, k.open_time, k.close_time, k.o::text, k.h::text, k.l::text, k.c::text, k.v::text, k.qv::text, k.n,
	k.bv::text, k.bqv::text, k.vwap::text, k.first_id, k.last_id, k.rev, k.seq, k.q, coalesce(k.why, ''), k.p, k.o0, k.o1, k.ep
	from (select distinct on (open_time) open_time from S.klines
		where sym = $1 and itv = $2 and open_time >= $3 and open_time < $4
		order by open_time ORDER, rev ORDER, ep ORDER limit $5) bars
	cross join lateral (select * from S.klines every
		where every.sym = $1 and every.itv = $2 and every.open_time = bars.open_time order by every.ep desc, every.rev desc limit 1) k
	order by bars.open_time`

// undefinedTable and undefinedSchema are the server's codes for what the sink has not made yet.
const undefinedTable, undefinedSchema = "42P01", "3F000"

// Bars implements serve.Store.
func (r *Reader) Bars(ctx context.Context, q serve.BarQuery, fn func(*wire.KlineRecord) error) error {
	conn, err := r.session(ctx)
	if err != nil {
		return err
	}
	err = r.bars(ctx, conn, q, fn)
	if code(err) == undefinedTable || code(err) == undefinedSchema {
		err = nil
	}
	r.giveBack(conn)
	return err
}

func (r *Reader) bars(ctx context.Context, conn *pgx.Conn, q serve.BarQuery, fn func(*wire.KlineRecord) error) error {
	rows, err := conn.Query(ctx, r.statement(q.Newest), q.Symbol, q.Interval, time.UnixMilli(q.From), time.UnixMilli(q.To), q.Limit)
	if err != nil {
		return classify(fmt.Errorf("reading klines: %w", err))
	}
	defer rows.Close()
	var k wire.KlineRecord
	var row scanned
	for rows.Next() {
		if err := rows.Scan(row.into(&k)...); err != nil {
			return fmt.Errorf("reading klines: %w", err)
		}
		row.finish(&k)
		if err := fn(&k); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return classify(fmt.Errorf("reading klines: %w", err))
	}
	return nil
}

func (r *Reader) statement(newest bool) string {
	order := "asc"
	if newest {
		order = "desc"
	}
	return r.cfg.in(replaceOrder(selectKlines, order))
}

// session is an idle one, or a new one. Whether it still lives shows with the
// question; a server that was restarted fails as many as were idle, so a session
// that is known to be closed is not used.
func (r *Reader) session(ctx context.Context) (*pgx.Conn, error) {
	for {
		select {
		case conn := <-r.idle:
			if conn.IsClosed() || conn.Ping(ctx) != nil {
				drop(conn)
				continue
			}
			return conn, nil
		default:
			return r.dial(ctx)
		}
	}
}

// sessionSettings make a session that can write nothing, whose statements the
// server itself ends (a question that nobody waits for any more goes on otherwise),
// and which is not tempted to read whole tables by statistics that are out of date.
const sessionSettings = "set default_transaction_read_only = on; set statement_timeout = '5s'; set enable_seqscan = off; set enable_bitmapscan = off; " +
	"set max_parallel_workers_per_gather = 0; set jit = off; set plan_cache_mode = force_custom_plan"

// dial opens a session.
func (r *Reader) dial(ctx context.Context) (*pgx.Conn, error) {
	conn, err := r.cfg.connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, sessionSettings); err != nil {
		drop(conn)
		return nil, classify(fmt.Errorf("preparing a session: %w", err))
	}
	return conn, nil
}

// giveBack keeps a session that can be used again.
func (r *Reader) giveBack(conn *pgx.Conn) {
	if conn.IsClosed() {
		return
	}
	select {
	case r.idle <- conn:
	default:
		drop(conn)
	}
	if r.closed.Load() { // by a reload while it was in use
		r.Close()
	}
}

// Close ends the idle sessions. Questions that are on their way end theirs.
func (r *Reader) Close() {
	r.closed.Store(true)
	for {
		select {
		case conn := <-r.idle:
			drop(conn)
		default:
			return
		}
	}
}

func drop(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // it is given up
}

var _ serve.Store = (*Reader)(nil)
