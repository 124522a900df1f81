package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// becomes asks the server until it gives this answer.
func becomes(t *testing.T, p *server.Postgres, what, sql, want string) {
	t.Helper()
	got, err := "", error(nil)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got, err = p.Query(sql); err == nil && got == want {
			return
		}
	}
	t.Fatalf("%s: got %q, %v, want %q", what, got, err, want)
}

// The server dies while the schema is being made: nothing of it is left, and the
// node makes it when the server is back.
func TestServersHistoryPostgresDiesWhileTheSchemaIsMade_D10(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	// A schema of the same name that is not committed holds up the node in the middle.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := make(chan error, 1)
	go func() {
		_, err := p.Query("begin; create schema kline; select pg_sleep(600)")
		held <- err
	}()
	becomes(t, p, "the session that holds the schema", "select count(*) from pg_stat_activity where wait_event = 'PgSleep'", "1")
	b := postgresBed(t, 2, p, "")
	becomes(t, p, "a node that waits", "select count(*) > 0 from pg_stat_activity where query like 'create schema%' and wait_event_type = 'Lock'", "t")
	lines := redisTrades(t, 28)
	b.pour(lines, 4, func(i int) {
		if i != 1 {
			return
		}
		p.Kill9()
		select {
		case err := <-held:
			if err == nil {
				t.Error("the session that held the schema survived its server")
			}
		case <-ctx.Done():
		}
		b.historyAway(patience, "postgres", "")
		p.Restart()
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
}

// The password is changed on the server, later where the node reads it: until
// then the history is refused and says why, and nothing is lost.
func TestServersHistoryPostgresPasswordIsRotated_D10_B13(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	p.Must("create role writer login password 'first-of-two'; grant create on database kline to writer")
	p.Admit("host all writer 127.0.0.1/32 scram-sha-256")
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first-of-two")
	b := start(t, newEmbedded(t, 2), fmt.Sprintf("history postgres {\n\t\t\taddress %s\n\t\t\tdatabase kline\n\t\t\tusername writer\n\t\t\tpassword {file.%s}\n\t\t}", p.Addr(), file))
	lines := redisTrades(t, 29)
	b.pour(lines, 6, func(i int) {
		switch i {
		case 1:
			b.stored(time.Minute)
			p.Must("alter role writer password 'second-of-two'; select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'writer'")
		case 3:
			b.historyAway(time.Minute, "postgres", "refuses the user or the password")
		case 4:
			write("second-of-two")
		}
	})
	inPostgres(t, p, b.closing(lines))
	b.undegraded()
	for _, secret := range []string{"first-of-two", "second-of-two"} {
		if strings.Contains(b.node.Logs().String(), secret) {
			t.Errorf("the log of the node holds the password %q", secret)
		}
	}
}
