package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// positions makes a row for each partition that has none, so that a position is
// always moved and never made, and returns what is known.
func (s *Sink) positions(ctx context.Context, topic string, n int32) (map[int32]int64, error) {
	_, err := s.conn.Exec(ctx, s.cfg.in(`insert into S.positions (topic, p, next) select $1, p, -1 from generate_series(0, $2::int - 1) p on conflict do nothing`), topic, n)
	if err != nil {
		return nil, classify(fmt.Errorf("making the positions: %w", err))
	}
	rows, err := s.conn.Query(ctx, s.cfg.in(`select p, next from S.positions where topic = $1 and next >= 0`), topic)
	if err != nil {
		return nil, classify(fmt.Errorf("reading the positions: %w", err))
	}
	have := map[int32]int64{}
	var p int32
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&p, &next}, func() error {
		have[p] = next
		return nil
	})
	if err != nil {
		return nil, classify(fmt.Errorf("reading the positions: %w", err))
	}
	return have, nil
}

// move takes the positions on. It comes first in the transaction: a second
// follower waits here, finds the position moved and has not sent its rows in
// vain.
func (s *Sink) move(ctx context.Context, tx pgx.Tx, topic string, moves []history.Move) error {
	ps, from, to := make([]int32, len(moves)), make([]int64, len(moves)), make([]int64, len(moves))
	for i, m := range moves {
		ps[i], from[i], to[i] = m.P, m.From, m.To
	}
	tag, err := tx.Exec(ctx, s.cfg.in(`update S.positions t set next = m.nxt
		from unnest($2::int[], $3::bigint[], $4::bigint[]) m (p, prev, nxt)
		where t.topic = $1 and t.p = m.p and t.next = m.prev`), topic, ps, from, to)
	if err != nil {
		return classify(fmt.Errorf("moving the positions: %w", err))
	}
	if tag.RowsAffected() != int64(len(moves)) {
		return history.ErrMoved
	}
	return nil
}
