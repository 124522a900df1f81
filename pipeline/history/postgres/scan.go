package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// scanRows is how many rows come at once.
const scanRows = 2000

// Scanner reads whole tables, in no order, for exports. Each scan has a session
// of its own and reads one snapshot; its memory is one piece of 2,000 rows.
type Scanner struct{ cfg Config }

// NewScanner builds a scanner. It does not dial.
func NewScanner(cfg Config) *Scanner { return &Scanner{cfg.withDefaults()} }

const scanKlines = `select sym, itv, (extract(epoch from open_time) * 1000)::bigint, (extract(epoch from close_time) * 1000)::bigint, rev, ep,
	o::text, h::text, l::text, c::text, v::text, qv::text, n, bv::text, bqv::text, vwap::text, first_id, last_id, q, coalesce(why, ''),
	seq, so, sk, coalesce(ind::text, '')
	from S.klines where ($1 = '' or sym = $1) and open_time >= to_timestamp($2 / 1000.0) and ($3 = 0 or open_time < to_timestamp($3 / 1000.0))`

// ScanKlines hands out all revisions of the bars of a symbol (empty: of all)
// that open in [from, to), ms; to = 0 is no bound. put's kline is its own.
func (s *Scanner) ScanKlines(ctx context.Context, symbol string, from, to int64, put func(*history.Kline) error) error {
	return s.scan(ctx, scanKlines, symbol, from, to, func(rows pgx.Rows) error {
		var k history.Kline
		var o, h, l, c, v, qv, bv, bqv, vwap, first, last, ind string
		err := rows.Scan(&k.Sym, &k.Itv, &k.T, &k.CloseT, &k.Rev, &k.EP, &o, &h, &l, &c, &v, &qv, &k.N, &bv, &bqv, &vwap, &first, &last, &k.Q, &k.Why,
			&k.Seq, &k.So, &k.Sk, &ind)
		if err != nil {
			return err
		}
		k.O, k.H, k.L, k.C, k.V, k.QV = []byte(o), []byte(h), []byte(l), []byte(c), []byte(v), []byte(qv)
		k.BV, k.BQV, k.VWAP, k.Final = []byte(bv), []byte(bqv), []byte(vwap), true
		k.FirstID, k.LastID = history.RawID(first), history.RawID(last)
		if k.Ind, err = history.ParseValues([]byte(ind)); err != nil {
			return err
		}
		return put(&k)
	})
}

const scanTrades = `select sym, tid, (extract(epoch from ts) * 1000000)::bigint, ns, price::text, size::text, coalesce(side, ''), src, p, o, i
	from S.trades where ($1 = '' or sym = $1) and ts >= to_timestamp($2 / 1000.0) and ($3 = 0 or ts < to_timestamp($3 / 1000.0))`

// ScanTrades hands out the trades of a symbol (empty: of all) in [from, to), ms;
// to = 0 is no bound.
func (s *Scanner) ScanTrades(ctx context.Context, symbol string, from, to int64, put func(*history.Trade) error) error {
	return s.scan(ctx, scanTrades, symbol, from, to, func(rows pgx.Rows) error {
		var t history.Trade
		var sym, id, price, size, side string
		var micros, nanos, index int64
		if err := rows.Scan(&sym, &id, &micros, &nanos, &price, &size, &side, &t.Source, &t.P, &t.Offset, &index); err != nil {
			return err
		}
		t.Symbol, t.EventNS, t.Index, t.ID = []byte(sym), micros*1000+nanos, int(index), core.NewTradeID([]byte(id))
		var err error
		if t.Price, err = core.ParseDecimal([]byte(price)); err != nil {
			return err
		}
		if t.Size, err = core.ParseDecimal([]byte(size)); err != nil {
			return err
		}
		switch side {
		case core.SideBuy.String():
			t.Side = core.SideBuy
		case core.SideSell.String():
			t.Side = core.SideSell
		}
		return put(&t)
	})
}

// scan runs a query piece by piece.
func (s *Scanner) scan(ctx context.Context, sql, symbol string, from, to int64, row func(pgx.Rows) error) error {
	conn, err := s.cfg.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it was only read
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// A slow disk of whoever takes the rows must not end the snapshot.
		if _, err := tx.Exec(ctx, "set local idle_in_transaction_session_timeout = 0; set local statement_timeout = 0"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "declare kline_scan no scroll cursor for "+s.cfg.in(sql), pgx.QueryExecModeSimpleProtocol, symbol, from, to); err != nil {
			return err
		}
		for {
			n, err := piece(ctx, tx, row)
			if err != nil || n == 0 {
				return err
			}
		}
	})
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && (refused.Code == "42P01" || refused.Code == "3F000") {
		return fmt.Errorf("reading the history: there is no such table in the schema %q: start the server with this history once", s.cfg.Schema)
	}
	if err != nil {
		return classify(fmt.Errorf("reading the history: %w", err))
	}
	return nil
}

// piece reads the next rows of the cursor.
func piece(ctx context.Context, tx pgx.Tx, row func(pgx.Rows) error) (int, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("fetch %d from kline_scan", scanRows))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		if err := row(rows); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}
