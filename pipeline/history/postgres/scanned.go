package postgres

import (
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// scanned is one row on its way into a record; its memory is used again.
type scanned struct {
	open, end   time.Time
	decimals    [9]string
	first, last string
	targets     []any
}

// into lists where the columns of selectKlines go.
func (s *scanned) into(k *wire.KlineRecord) []any {
	if s.targets == nil {
		s.targets = []any{&k.Sym, &k.Itv, &s.open, &s.end}
		for i := range 6 {
			s.targets = append(s.targets, &s.decimals[i])
		}
		s.targets = append(s.targets, &k.N)
		for i := 6; i < 9; i++ {
			s.targets = append(s.targets, &s.decimals[i])
		}
		s.targets = append(s.targets, &s.first, &s.last, &k.Rev, &k.Seq, &k.Q, &k.Why, &k.P, &k.O0, &k.O1, &k.EP)
	}
	return s.targets
}

// finish fills what is not scanned as it is.
func (s *scanned) finish(k *wire.KlineRecord) {
	k.T, k.CloseT, k.Final = s.open.UnixMilli(), s.end.UnixMilli(), true
	for i, dst := range [...]*[]byte{&k.O, &k.H, &k.L, &k.C, &k.V, &k.QV, &k.BV, &k.BQV, &k.VWAP} {
		*dst = append((*dst)[:0], s.decimals[i]...)
	}
	k.FirstID = wire.AppendTradeID(k.FirstID[:0], []byte(s.first))
	k.LastID = wire.AppendTradeID(k.LastID[:0], []byte(s.last))
}

// replaceOrder puts the direction into a statement.
func replaceOrder(sql, order string) string { return strings.ReplaceAll(sql, "ORDER", order) }

// code is the server's code of an error, empty without one.
func code(err error) string {
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
