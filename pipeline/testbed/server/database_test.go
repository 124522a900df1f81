//go:build unix

package server

import (
	"testing"
	"time"
)

func TestDatabasesAnswerAgainAfterAKill(t *testing.T) {
	for name, begin := range map[string]func(testing.TB) *Database{"clickhouse": StartClickHouse, "questdb": StartQuestDB, "influxdb": StartInfluxDB} {
		t.Run(name, func(t *testing.T) {
			d := begin(t)
			ask := map[string]string{"clickhouse": "SELECT 41 + 1", "questdb": "select 41 + 1", "influxdb": "SHOW DATABASES"}[name]
			before := d.Must(ask)
			d.Kill9()
			if _, err := d.Query(ask); err == nil {
				t.Error("a killed server answers")
			}
			began := time.Now()
			d.Restart()
			if after := d.Must(ask); after != before || after == "" {
				t.Errorf("after the kill it answers %q, before %q", after, before)
			}
			t.Logf("answers again after %v", time.Since(began).Round(time.Millisecond))
		})
	}
}
