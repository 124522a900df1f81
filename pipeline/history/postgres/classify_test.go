package postgres

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// Poolers in between answer errors of their own, whose codes need not have five
// characters.
func TestErrorsWithoutACodeAreThoseOfTheServer(t *testing.T) {
	for code, want := range map[string]string{"": "server", "5": "server", "53300": "full", "28P01": "refused", "08006": "unreachable", "40001": "conflict"} {
		var got *history.ServerError
		if err := classify(&pgconn.PgError{Code: code}); !errors.As(err, &got) || got.Reason != want {
			t.Errorf("code %q: got %v", code, err)
		}
	}
}
