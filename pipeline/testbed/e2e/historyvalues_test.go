package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// published are the values of one instance over one series, as the topic tells
// them: beside each bar, and as restatements of earlier bars change them.
type published struct {
	newest map[int64]string // by open time: what the last record says
	beside map[int64]string // what the record of the bar itself says
}

// publishedOf reads the topic in the order of the log.
func (b *bed) publishedOf(symbol, interval, instance string) published {
	b.t.Helper()
	p := published{map[int64]string{}, map[int64]string{}}
	err := oracle.Kcat(b.t.Context(), b.place.brokers(), b.place.topic("klines"), func(r oracle.Record) error {
		if r.Payload == nil || !strings.Contains(*r.Payload, fmt.Sprintf(`"sym":%q,"itv":%q`, symbol, interval)) {
			return nil
		}
		if r.Headers["k"] == "ind" {
			var again struct {
				Ind string
				T   []int64
				V   [][]json.RawMessage
			}
			if err := json.Unmarshal([]byte(*r.Payload), &again); err != nil || again.Ind != instance {
				return err
			}
			for i, at := range again.T {
				var outputs []json.RawMessage
				for _, column := range again.V {
					outputs = append(outputs, column[i])
				}
				p.newest[at] = fmt.Sprintf("%s", outputs)
			}
			return nil
		}
		var k struct {
			Open int64 `json:"t"`
			Ind  map[string]struct{ V []json.RawMessage }
		}
		if err := unmarshalExactly(*r.Payload, &k.Open, &k.Ind); err != nil || r.Headers["k"] != "" {
			return err
		}
		p.beside[k.Open] = fmt.Sprintf("%s", k.Ind[instance].V)
		p.newest[k.Open] = p.beside[k.Open]
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// unmarshalExactly reads t and ind of a kline; encoding/json takes T for t.
func unmarshalExactly(text string, open *int64, ind any) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return err
	}
	if err := json.Unmarshal(fields["t"], open); err != nil || fields["ind"] == nil {
		return err
	}
	return json.Unmarshal(fields["ind"], ind)
}

// valueOf is what a row of /v1/values says, in the form of published: between the
// open time and the flags stand the outputs.
func valueOf(t *testing.T, row json.RawMessage) (at int64, outputs string) {
	t.Helper()
	var fields []json.RawMessage
	err := json.Unmarshal(row, &fields)
	if err == nil && len(fields) > 2 {
		err = json.Unmarshal(fields[0], &at)
	}
	if err != nil || len(fields) < 3 {
		t.Fatalf("%v in %s", err, row)
	}
	return at, fmt.Sprintf("%s", fields[1:len(fields)-1])
}

// stragglers lets every fortieth trade come 15 s late: its bar is restated behind
// bars that nothing restates any more.
func stragglers(ls []line) []line {
	for i := range ls {
		if i%40 == 7 {
			ls[i].arrival += 15_000
		}
	}
	return byArrival(ls)
}

// A late trade changes a bar, and with it the values of the bars behind it, whose
// own rows in a database stay as they were. Read from PostgreSQL and from
// ClickHouse these values are what the topic said last.
func TestServersHistoryValuesFollowRestatedBars_D10(t *testing.T) {
	t.Parallel()
	pg := server.StartPostgres(t, server.PostgresConfig{})
	ch := server.StartClickHouse(t)
	b := start(t, newEmbedded(t, 2), deepWords(pg, ch))
	lines := stragglers(midnight(t)[:16000])
	b.pour(lines, 2, nil)
	b.closing(lines)
	for _, store := range []string{"postgres", "clickhouse"} {
		for _, instance := range []string{"sma(20)", "ema(20)", "macd(12,26,9)"} {
			p := b.publishedOf("BTCUSDT", "1s", instance)
			rows, sources := b.walk("/v1/values?sym=BTCUSDT&itv=1s&ind="+instance, 5000)
			if !slices.ContainsFunc(sources, func(s string) bool { return strings.HasPrefix(s, store) }) || len(rows) != len(p.newest) {
				t.Fatalf("%d rows from %q, %d bars have values on the topic", len(rows), sources, len(p.newest))
			}
			later, wrong := 0, 0
			for _, row := range rows[:len(rows)-40] { // the last ones are in memory
				at, got := valueOf(t, row)
				if p.newest[at] != p.beside[at] {
					later++
				}
				if got != p.newest[at] {
					if wrong++; wrong < 4 {
						t.Errorf("%s: %s of %d is %s, the topic said %s beside the bar and %s in the end", store, instance, at, got, p.beside[at], p.newest[at])
					}
				}
			}
			if later == 0 {
				t.Error("no value was restated after its bar: the scenario proves less than it says")
			}
			t.Logf("%s: %d values of %s, %d of them restated after their bar, %d wrong", store, len(rows)-40, instance, later, wrong)
		}
		if store == "postgres" {
			pg.Kill9()
		}
	}
	pg.Restart()
	b.stored(time.Minute)
}
