package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// viewBars is the default of the word view_bars.
const viewBars = 1000

// bars reads one series of the Redis view: open time to the bar as it stands
// there, behind its version.
func (r *realPlace) bars(t *testing.T, mapping string, p int32, symbol, itv string) map[int64]oracle.Kline {
	t.Helper()
	key := fmt.Sprintf("%s:{%s.%d}:bar:%d:%s%d:%s", r.name, mapping, p, len(symbol), symbol, len(itv), itv)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	port := r.redis.Addr()[strings.LastIndexByte(r.redis.Addr(), ':')+1:]
	out, err := exec.CommandContext(ctx, "redis-cli", "-p", port, "--json", "HGETALL", key).Output()
	if err != nil {
		t.Fatalf("reading %s with redis-cli: %v", key, err)
	}
	var fields map[string]string
	if err := json.Unmarshal(out, &fields); err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	bars := map[int64]oracle.Kline{}
	for field, text := range fields {
		_, body, ok := strings.Cut(text, "|")
		var k oracle.Kline
		if !ok || json.Unmarshal([]byte(body), &k) != nil || fmt.Sprint(k.Open) != field {
			t.Fatalf("%s %s holds %.100q", key, field, text)
		}
		bars[k.Open] = k
	}
	return bars
}

// newest are the bars that the view has to hold: per series the last viewBars,
// each in its newest revision.
func newest(l *logs) map[[2]string][]oracle.Kline {
	last := map[oracle.Key]oracle.Kline{}
	for _, k := range l.klines.Klines {
		last[k.Key()] = k
	}
	series := map[[2]string][]oracle.Kline{}
	for _, k := range last {
		at := [2]string{k.Symbol, k.Interval}
		series[at] = append(series[at], k)
	}
	return series
}

// viewDiffers compares the Redis view with the topic and says where it is not
// what the topic says.
func (b *bed) viewDiffers(r *realPlace, l *logs, mapping string) string {
	for at, want := range newest(l) {
		if len(want) > viewBars {
			continue // the view holds the newest only; its own tests cover the cut
		}
		got := r.bars(b.t, mapping, want[0].Source.Partition, at[0], at[1])
		if len(got) != len(want) {
			return fmt.Sprintf("%s %s: %d bars in redis, %d on the topic", at[0], at[1], len(got), len(want))
		}
		for _, k := range want {
			if g := got[k.Open]; g.Revision != k.Revision || g.C != k.C || g.V != k.V || g.Seq != k.Seq {
				return fmt.Sprintf("%s %s %d: redis has rev %d close %s, the topic rev %d close %s", at[0], at[1], k.Open, g.Revision, g.C, k.Revision, k.C)
			}
		}
	}
	return ""
}

func TestServersRedisViewRepairsItself(t *testing.T) {
	s := newServers(t)
	p := s.place(2)
	b := start(t, p, "")
	lines := shuffled(midnight(t), 2000, 7)
	third := len(lines) / 3
	b.kcat(text(lines[:third]))
	if _, err := p.redis.Do(t.Context(), "FLUSHALL"); err != nil {
		t.Fatal(err)
	}
	b.kcat(text(lines[third : 2*third]))
	p.redis.Kill9()
	b.kcat(text(lines[2*third:]))
	b.settle(time.Minute)
	if st := b.status(); len(st.Degraded) == 0 || !st.Ready {
		t.Errorf("with redis away: ready %v, degraded %v; want ready and the store named", st.Ready, st.Degraded)
	}
	p.redis.Restart()
	b.heartbeat(p.topic("ticks"), lines[len(lines)-1].TS+15*24*3600*1000)
	b.settle(time.Minute)
	l := b.check(allIntervals, true)
	differs := "nothing was compared"
	for deadline := time.Now().Add(30 * time.Second); differs != "" && time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		differs = b.viewDiffers(p, l, b.mapping())
	}
	if differs != "" {
		t.Errorf("the view did not become the topic again: %s", differs)
	}
	if st := b.status(); len(st.Degraded) != 0 {
		t.Errorf("redis is back, still degraded: %v", st.Degraded)
	}
}
