package oracle

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// View is what a Redis view holds, or has to: hash of bars or of values to its fields. Its reading of the topic is its own: nothing is
// shared with the product but the letter of the formats.
type View struct {
	Bars   map[string]map[string]string // version|JSON by open time
	Values map[string]map[string]string // time and outputs by instance
}

// newestValue is the part of a value that the topic says in one place.
type newestValue struct {
	T int64           `json:"t"`
	V json.RawMessage `json:"v"`
}

// WantedView reads the topic of klines and says, byte for byte, what a view of the newest most bars has to hold under prefix and the
// version of the mapping.
func WantedView(ctx context.Context, brokers, topic, prefix, mapping string, most int) (View, error) {
	want := View{map[string]map[string]string{}, map[string]map[string]string{}}
	newest := map[string]map[string]newestValue{}
	highest := map[int32]string{}
	err := Kcat(ctx, brokers, topic, func(r Record) error {
		version := viewVersion(r)
		if version <= highest[r.Partition] || r.Payload == nil {
			return nil // a repeat
		}
		highest[r.Partition] = version
		var parts map[string]json.RawMessage
		if err := json.Unmarshal([]byte(*r.Payload), &parts); err != nil {
			return fmt.Errorf("reading %s[%d]@%d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		series := viewSeries(parts)
		bars := fmt.Sprintf("%s:{%s.%d}:bar%s", prefix, mapping, r.Partition, series)
		inds := fmt.Sprintf("%s:{%s.%d}:ind%s", prefix, mapping, r.Partition, series)
		switch r.Headers["k"] {
		case "":
			if want.Bars[bars] == nil {
				want.Bars[bars], newest[inds] = map[string]string{}, map[string]newestValue{}
			}
			want.Bars[bars][string(parts["t"])] = version + "|" + *r.Payload
			return addValues(newest[inds], parts)
		case "ind":
			return restateValue(newest[inds], parts)
		}
		return nil
	})
	if err != nil {
		return want, err
	}
	for _, fields := range want.Bars {
		trimFields(fields, most)
	}
	for key, values := range newest {
		want.Values[key] = map[string]string{}
		for name, v := range values {
			want.Values[key][name] = fmt.Sprintf("%d %s", v.T, v.V)
		}
	}
	return want, nil
}

func viewVersion(r Record) string {
	at, err := positionOf(r)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%016d.%09d", at.offset, at.ordinal)
}

// viewSeries is the end of the keys of a series.
func viewSeries(parts map[string]json.RawMessage) string {
	sym, itv := strings.Trim(string(parts["sym"]), `"`), strings.Trim(string(parts["itv"]), `"`)
	return fmt.Sprintf(":%d:%s%d:%s", len(sym), sym, len(itv), itv)
}

// addValues takes over the values of a kline where no later bar has some.
func addValues(newest map[string]newestValue, parts map[string]json.RawMessage) error {
	at, err := strconv.ParseInt(string(parts["t"]), 10, 64)
	if err != nil {
		return fmt.Errorf("reading an open time: %w", err)
	}
	if len(parts["ind"]) == 0 {
		return nil
	}
	var values map[string]newestValue
	if err := json.Unmarshal(parts["ind"], &values); err != nil {
		return fmt.Errorf("reading indicator values: %w", err)
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
		return fmt.Errorf("reading the times of restated values: %w", err)
	}
	if err := json.Unmarshal(parts["v"], &outputs); err != nil {
		return fmt.Errorf("reading restated values: %w", err)
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

// RedisCLI asks the server on a port of this machine with the program that everybody has, and returns its answer as JSON.
func RedisCLI(ctx context.Context, port int, words ...string) ([]byte, error) {
	args := append([]string{"-p", strconv.Itoa(port), "--json"}, words...)
	out, err := exec.CommandContext(ctx, "redis-cli", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("asking with redis-cli: %w", err)
	}
	return out, nil
}

// FoundView reads a whole view from the servers on the ports, which hold it together.
func FoundView(ctx context.Context, prefix, mapping string, ports ...int) (View, error) {
	got := View{map[string]map[string]string{}, map[string]map[string]string{}}
	for _, port := range ports {
		var keys []string
		out, err := RedisCLI(ctx, port, "KEYS", prefix+":{"+mapping+".*")
		if err != nil {
			return got, err
		}
		if err := json.Unmarshal(out, &keys); err != nil {
			return got, fmt.Errorf("reading the names of the keys: %w", err)
		}
		for _, key := range keys {
			if err := got.add(ctx, port, key); err != nil {
				return got, err
			}
		}
	}
	return got, nil
}

// add reads one key.
func (v View) add(ctx context.Context, port int, key string) error {
	kind := strings.SplitN(key[strings.Index(key, "}:")+2:], ":", 2)[0]
	if kind != "bar" && kind != "ind" {
		return nil
	}
	out, err := RedisCLI(ctx, port, "HGETALL", key)
	if err != nil {
		return err
	}
	var fields map[string]string
	if err := json.Unmarshal(out, &fields); err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	if kind == "bar" {
		v.Bars[key] = fields
		return nil
	}
	v.Values[key] = map[string]string{}
	for name, text := range fields {
		var value newestValue
		if _, body, ok := strings.Cut(text, "|"); !ok || json.Unmarshal([]byte(body), &value) != nil {
			return fmt.Errorf("reading %s %s: it holds %.100q", key, name, text)
		}
		v.Values[key][name] = fmt.Sprintf("%d %s", value.T, value.V)
	}
	return nil
}

// Differs says where a view is not what the topic says; "" = nowhere.
func (v View) Differs(got View) string {
	for name, pair := range map[string][2]map[string]map[string]string{"bars": {v.Bars, got.Bars}, "values": {v.Values, got.Values}} {
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
