//go:build unix

package server

import "testing"

func TestPostgresKeepsWhatItAcknowledgedOverAKill(t *testing.T) {
	p := StartPostgres(t, PostgresConfig{})
	p.Must("create table t (n int); insert into t select generate_series(1, 1000)")
	p.Kill9()
	if _, err := p.Query("select 1"); err == nil {
		t.Error("a killed server answers")
	}
	p.Restart()
	if got := p.Must("select count(*) from t"); got != "1000" {
		t.Errorf("after the kill the table has %s rows, want 1000", got)
	}
}
