//go:build synctests

package sim

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// logs are the topics as a plain read_committed client finds them: records by
// topic and partition, in order.
type logs map[string]map[int32][]*kgo.Record

// readAll reads every topic from its start to its end.
func (w *world) readAll() logs {
	cl := w.client(kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	defer cl.Close()
	adm := kadm.NewClient(cl)
	all := logs{}
	left := map[string]map[int32]int64{}
	from := map[string]map[int32]kgo.Offset{}
	for _, topic := range append(outputTopics(), inputTopic) {
		all[topic], left[topic], from[topic] = map[int32][]*kgo.Record{}, map[int32]int64{}, map[int32]kgo.Offset{}
		for p, end := range w.ends(adm, topic) {
			if end > 0 {
				left[topic][p], from[topic][p] = end, kgo.NewOffset().AtStart()
			}
		}
	}
	cl.AddConsumePartitions(from)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for open := true; open; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.t.Fatalf("reading the topics: %v (left: %v)", err, left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all[r.Topic][r.Partition] = append(all[r.Topic][r.Partition], r)
			}
			if r.Offset+1 >= left[r.Topic][r.Partition] {
				delete(left[r.Topic], r.Partition)
			}
		})
		open = false
		for _, ps := range left {
			open = open || len(ps) > 0
		}
	}
	return all
}

// header returns the value of a header, "" if it is not there.
func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// place is the position of an output: input offset and ordinal.
type place struct{ so, sk int64 }

func (p place) less(q place) bool { return p.so < q.so || p.so == q.so && p.sk < q.sk }

func placeOf(r *kgo.Record) (place, error) {
	so, err1 := strconv.ParseInt(header(r, "so"), 10, 64)
	sk, err2 := strconv.ParseInt(header(r, "sk"), 10, 64)
	if err1 != nil || err2 != nil {
		return place{}, fmt.Errorf("%s[%d] at %d has no position: %v", r.Topic, r.Partition, r.Offset, r.Headers)
	}
	return place{so, sk}, nil
}

// kept are the records of an output topic that a reader keeps: those above all
// positions before them. In transactions that is every record; otherwise what is
// dropped has to be equal to what was kept.
func kept(recs []*kgo.Record, repeatsAllowed bool) (keep []*kgo.Record, repeats int, err error) {
	seen := map[place]*kgo.Record{}
	high := place{-1, -1}
	for _, r := range recs {
		at, err := placeOf(r)
		if err != nil {
			return nil, 0, err
		}
		if high.less(at) {
			high, seen[at] = at, r
			keep = append(keep, r)
			continue
		}
		first := seen[at]
		if first == nil {
			return nil, 0, fmt.Errorf("%s[%d] at %d: position %v comes behind %v and never before: a reader loses it", r.Topic, r.Partition, r.Offset, at, high)
		}
		if text(first) != text(r) {
			return nil, 0, fmt.Errorf("position %v is there twice with other bytes:\n%s\n%s", at, text(first), text(r))
		}
		if !repeatsAllowed {
			return nil, 0, fmt.Errorf("%s[%d]: position %v is committed twice, at %d and %d", r.Topic, r.Partition, at, first.Offset, r.Offset)
		}
		repeats++
	}
	return keep, repeats, nil
}

// text is all of a record that an output is compared by.
func text(r *kgo.Record) string {
	s := fmt.Sprintf("%d %s %s", r.Timestamp.UnixMilli(), r.Key, r.Value)
	for _, h := range r.Headers {
		s += " " + h.Key + "=" + string(h.Value)
	}
	return s
}
