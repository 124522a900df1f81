package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// redisView is what a Redis view holds, or has to: hash of bars or of values to
// its fields.
type redisView struct {
	bars   map[string]map[string]string // version|JSON by open time
	values map[string]map[string]string // {"t","v"} by instance
}

// newestValue is the part of a value that the topic says in one place.
type newestValue struct {
	T int64           `json:"t"`
	V json.RawMessage `json:"v"`
}

// wantedView reads the topic klines and says, byte for byte, what a view of the
// newest most bars has to hold. Its reading is its own: nothing is shared with
// the product but the letter of the formats.
func (b *bed) wantedView(prefix, mapping string, most int) redisView {
	b.t.Helper()
	want := redisView{map[string]map[string]string{}, map[string]map[string]string{}}
	newest := map[string]map[string]newestValue{}
	highest := map[int32]string{}
	err := oracle.Kcat(b.t.Context(), b.place.brokers(), b.place.topic("klines"), func(r oracle.Record) error {
		version := viewVersion(r)
		if version <= highest[r.Partition] || r.Payload == nil {
			return nil // a repeat
		}
		highest[r.Partition] = version
		var parts map[string]json.RawMessage
		if err := json.Unmarshal([]byte(*r.Payload), &parts); err != nil {
			return err
		}
		series := viewSeries(parts)
		bars := fmt.Sprintf("%s:{%s.%d}:bar%s", prefix, mapping, r.Partition, series)
		inds := fmt.Sprintf("%s:{%s.%d}:ind%s", prefix, mapping, r.Partition, series)
		switch r.Headers["k"] {
		case "":
			if want.bars[bars] == nil {
				want.bars[bars], newest[inds] = map[string]string{}, map[string]newestValue{}
			}
			want.bars[bars][string(parts["t"])] = version + "|" + *r.Payload
			return addValues(newest[inds], parts)
		case "ind":
			return restateValue(newest[inds], parts)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, fields := range want.bars {
		trimFields(fields, most)
	}
	for key, values := range newest {
		want.values[key] = map[string]string{}
		for name, v := range values {
			want.values[key][name] = fmt.Sprintf("%d %s", v.T, v.V)
		}
	}
	return want
}

func viewVersion(r oracle.Record) string {
	so, err1 := strconv.ParseInt(r.Headers["so"], 10, 64)
	sk, err2 := strconv.ParseInt(r.Headers["sk"], 10, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf("%016d.%09d", so, sk)
}

// viewSeries is the end of the keys of a series.
func viewSeries(parts map[string]json.RawMessage) string {
	sym, itv := strings.Trim(string(parts["sym"]), `"`), strings.Trim(string(parts["itv"]), `"`)
	return fmt.Sprintf(":%d:%s%d:%s", len(sym), sym, len(itv), itv)
}

// addValues takes over the values of a kline where no later bar has some.
func addValues(newest map[string]newestValue, parts map[string]json.RawMessage) error {
	at, err := strconv.ParseInt(string(parts["t"]), 10, 64)
	if err != nil || len(parts["ind"]) == 0 {
		return err
	}
	var values map[string]newestValue
	if err := json.Unmarshal(parts["ind"], &values); err != nil {
		return err
	}
	for name, v := range values {
		if at >= newest[name].T {
			newest[name] = newestValue{at, v.V}
		}
	}
	return nil
}

// restateValue takes over a restated value of the newest bar.
func restateValue(newest map[string]newestValue, parts map[string]json.RawMessage) error {
	var times []int64
	var outputs [][]json.RawMessage
	name := strings.Trim(string(parts["ind"]), `"`)
	if err := json.Unmarshal(parts["t"], &times); err != nil {
		return err
	}
	if err := json.Unmarshal(parts["v"], &outputs); err != nil {
		return err
	}
	last := len(times) - 1
	if last < 0 || newest[name].T != times[last] {
		return nil
	}
	var now []string
	for _, column := range outputs {
		now = append(now, string(column[last]))
	}
	newest[name] = newestValue{times[last], json.RawMessage("[" + strings.Join(now, ",") + "]")}
	return nil
}

// trimFields leaves the newest.
func trimFields(fields map[string]string, most int) {
	times := slices.SortedFunc(maps.Keys(fields), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	for _, t := range times[:max(len(times)-most, 0)] {
		delete(fields, t)
	}
}

// redisCLI asks with the program that everybody has.
func redisCLI(t *testing.T, r *server.Redis, words ...string) []byte {
	t.Helper()
	args := append([]string{"-p", strconv.Itoa(r.Port()), "--json"}, words...)
	out, err := exec.CommandContext(t.Context(), "redis-cli", args...).Output()
	if err != nil {
		t.Fatalf("asking with redis-cli: %v", err)
	}
	return out
}

// foundView reads a whole view from the servers that hold it. A cluster that is
// just failing over may refuse.
func foundView(t *testing.T, prefix, mapping string, servers ...*server.Redis) (redisView, error) {
	t.Helper()
	got := redisView{map[string]map[string]string{}, map[string]map[string]string{}}
	for _, r := range servers {
		var keys []string
		if err := json.Unmarshal(redisCLI(t, r, "KEYS", prefix+":{"+mapping+".*"), &keys); err != nil {
			return got, fmt.Errorf("reading the names of the keys: %w", err)
		}
		for _, key := range keys {
			kind := strings.SplitN(key[strings.Index(key, "}:")+2:], ":", 2)[0]
			if kind != "bar" && kind != "ind" {
				continue
			}
			var fields map[string]string
			if err := json.Unmarshal(redisCLI(t, r, "HGETALL", key), &fields); err != nil {
				return got, fmt.Errorf("reading %s: %w", key, err)
			}
			if kind == "bar" {
				got.bars[key] = fields
				continue
			}
			got.values[key] = map[string]string{}
			for name, text := range fields {
				var v newestValue
				if _, body, ok := strings.Cut(text, "|"); !ok || json.Unmarshal([]byte(body), &v) != nil {
					t.Fatalf("%s %s holds %.100q", key, name, text)
				}
				got.values[key][name] = fmt.Sprintf("%d %s", v.T, v.V)
			}
		}
	}
	return got, nil
}

// differs says where a view is not what the topic says; "" = nowhere.
func (want redisView) differs(got redisView) string {
	for name, pair := range map[string][2]map[string]map[string]string{"bars": {want.bars, got.bars}, "values": {want.values, got.values}} {
		for key, fields := range pair[1] {
			if pair[0][key] == nil && len(fields) > 0 {
				return fmt.Sprintf("%s: %s is in redis and not on the topic", name, key)
			}
		}
		for key, fields := range pair[0] {
			for field, text := range fields {
				if got := pair[1][key][field]; got != text {
					return fmt.Sprintf("%s: %s %s is %.150q, want %.150q", name, key, field, got, text)
				}
			}
			if len(pair[1][key]) != len(fields) {
				return fmt.Sprintf("%s: %s has %d fields, want %d", name, key, len(pair[1][key]), len(fields))
			}
		}
	}
	return ""
}

// viewBecomes waits until the view is what the topic says, and returns how long
// that took.
func (b *bed) viewBecomes(limit time.Duration, prefix string, most int, servers ...*server.Redis) time.Duration {
	b.t.Helper()
	began := time.Now()
	mapping := b.mapping()
	want := b.wantedView(prefix, mapping, most)
	if len(want.bars) == 0 {
		b.t.Error("there is no bar on the topic: nothing was compared")
	}
	for {
		got, err := foundView(b.t, prefix, mapping, servers...)
		differs := want.differs(got)
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
