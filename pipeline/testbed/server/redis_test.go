//go:build unix

package server

import (
	"testing"
	"time"
)

func TestRedisAfterAKill(t *testing.T) {
	tests := []struct {
		name    string
		durable bool
		want    string
	}{
		{"comes back empty", false, "-1"},
		{"durable keeps every acknowledged write", true, "v"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			r := StartRedis(t, RedisConfig{Durable: test.durable})
			t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
			if _, err := r.Do(t.Context(), "SET", "k", "v"); err != nil {
				t.Fatal(err)
			}
			r.Kill9()
			r.Restart()
			if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != test.want {
				t.Errorf("GET after the kill: %q, %v; want %q", got, err, test.want)
			}
			if _, err := r.Do(t.Context(), "NOSUCH"); err == nil {
				t.Error("an unknown command was answered without an error")
			}
			if err := r.Stop(5 * time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}
