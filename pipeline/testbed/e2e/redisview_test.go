package e2e

import (
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// defaultViewBars is view_bars where no test says anything else.
const defaultViewBars = 1000

// redisCLI asks with the program that everybody has.
func redisCLI(t *testing.T, r *server.Redis, words ...string) []byte {
	t.Helper()
	out, err := oracle.RedisCLI(t.Context(), r.Port(), words...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// viewBecomes waits until the view is what the topic says, and returns how long
// that took.
func (b *bed) viewBecomes(limit time.Duration, prefix string, most int, servers ...*server.Redis) time.Duration {
	b.t.Helper()
	began := time.Now()
	mapping := b.mapping()
	var ports []int
	for _, r := range servers {
		ports = append(ports, r.Port())
	}
	for {
		// Read again each time: the clock may close a bar after the first look at the topic.
		want, err := oracle.WantedView(b.t.Context(), b.place.brokers(), b.place.topic("klines"), prefix, mapping, most)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(want.Bars) == 0 {
			b.t.Fatal("there is no bar on the topic: nothing can be compared")
		}
		// A cluster that is just failing over may refuse.
		got, err := oracle.FoundView(b.t.Context(), prefix, mapping, ports...)
		differs := want.Differs(got)
		if err != nil {
			differs = err.Error()
		}
		if differs == "" {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			b.t.Errorf("the view did not become the topic within %v: %s", limit, differs)
			return limit
		}
		time.Sleep(100 * time.Millisecond)
	}
}
