package oracle

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
)

// Kline is a closed kline as it was published, on a topic (decimals are strings) or over HTTP (numbers). Times are ms.
type Kline struct {
	Symbol   string  `json:"sym"`
	Interval string  `json:"itv"`
	Open     int64   `json:"t"`
	End      int64   `json:"T"`
	O        Text    `json:"o"`
	H        Text    `json:"h"`
	L        Text    `json:"l"`
	C        Text    `json:"c"`
	V        Text    `json:"v"`
	QV       Text    `json:"qv"`
	BV       Text    `json:"bv"`
	BQV      Text    `json:"bqv"`
	VWAP     Text    `json:"vwap"`
	N        int64   `json:"n"`
	First    RawText `json:"f"`
	Last     RawText `json:"L"`
	Final    bool    `json:"final"`
	Revision int64   `json:"rev"`
	Seq      int64   `json:"seq"`
	Quality  string  `json:"q"`
	Why      string  `json:"why"`
	Source   *Source `json:"src"` // nil where the surface does not show it
}

// Source is where a kline's trades stand in the input.
type Source struct {
	Partition int32 `json:"p"`
	From      int64 `json:"o0"`
	To        int64 `json:"o1"`
}

// RawText is JSON as it stands, so that the id 7 and the id "7" differ.
type RawText string

// UnmarshalJSON keeps the text.
func (r *RawText) UnmarshalJSON(text []byte) error {
	*r = RawText(text)
	return nil
}

// Key names a kline.
type Key struct {
	Symbol, Interval string
	Open             int64
}

// Key returns the name of k.
func (k Kline) Key() Key { return Key{k.Symbol, k.Interval, k.Open} }

// position is (so, sk) of the reader rule.
type position struct{ offset, ordinal int64 }

func (p position) above(q position) bool {
	return p.offset > q.offset || p.offset == q.offset && p.ordinal > q.ordinal
}

// Reader reads the topics that the engine writes by the reader rule: per partition the highest position counts, and records that
// are not above it are repeats of a crash. The zero value is ready to use, for one topic.
type Reader struct {
	Klines    []Kline // in the order of the topic, all revisions
	Repeats   int     // dropped by the rule; 0 in transactional mode
	Differing int     // repeats whose bytes are not those of the first: always a bug

	highest map[int32]position
	sums    map[int32]map[position][sha256.Size]byte
}

// Add takes one record of the klines topic.
func (r *Reader) Add(record Record) error {
	fresh, err := r.fresh(record)
	if err != nil || !fresh || record.Headers["k"] != "" || record.Payload == nil {
		return err // gaps and restated values are passed over, but they have a position as well
	}
	var kline Kline
	if err := json.Unmarshal([]byte(*record.Payload), &kline); err != nil {
		return fmt.Errorf("reading kline %s[%d]@%d: %w", record.Topic, record.Partition, record.Offset, err)
	}
	r.Klines = append(r.Klines, kline)
	return nil
}

// fresh applies the rule to one record.
func (r *Reader) fresh(record Record) (bool, error) {
	if r.highest == nil {
		r.highest, r.sums = map[int32]position{}, map[int32]map[position][sha256.Size]byte{}
	}
	at, err := positionOf(record)
	if err != nil {
		return false, err
	}
	var sum [sha256.Size]byte // of no value: zeros
	if record.Payload != nil {
		sum = sha256.Sum256([]byte(*record.Payload))
	}
	highest, known := r.highest[record.Partition]
	if known && !at.above(highest) {
		r.Repeats++
		if first, same := r.sums[record.Partition][at]; !same || first != sum {
			r.Differing++
		}
		return false, nil
	}
	if !known {
		r.sums[record.Partition] = map[position][sha256.Size]byte{}
	}
	r.highest[record.Partition] = at
	r.sums[record.Partition][at] = sum
	return true, nil
}

func positionOf(record Record) (position, error) {
	offset, err := strconv.ParseInt(record.Headers["so"], 10, 64)
	if err != nil {
		return position{}, fmt.Errorf("reading header so of %s[%d]@%d: %w", record.Topic, record.Partition, record.Offset, err)
	}
	ordinal, err := strconv.ParseInt(record.Headers["sk"], 10, 64)
	if err != nil {
		return position{}, fmt.Errorf("reading header sk of %s[%d]@%d: %w", record.Topic, record.Partition, record.Offset, err)
	}
	return position{offset, ordinal}, nil
}

// Refused collects the topics late and dlq: the places of the trades in them, with the reason. Use one per topic and merge the maps.
type Refused struct {
	Places map[Place]string
	reader Reader
}

// Add takes one record of late or dlq. Records of followers (reason sink) are no trades.
func (r *Refused) Add(record Record) error {
	if r.Places == nil {
		r.Places = map[Place]string{}
	}
	if record.Headers["reason"] == "sink" {
		return nil
	}
	if fresh, err := r.reader.fresh(record); err != nil || !fresh {
		return err
	}
	numbers := map[string]int64{}
	for _, name := range []string{"sp", "so", "idx"} {
		n, err := strconv.ParseInt(record.Headers[name], 10, 64)
		if err != nil && (name != "idx" || record.Headers[name] != "") {
			return fmt.Errorf("reading header %s of %s[%d]@%d: %w", name, record.Topic, record.Partition, record.Offset, err)
		}
		numbers[name] = n
	}
	r.Places[Place{int32(numbers["sp"]), numbers["so"], int(numbers["idx"])}] = record.Headers["reason"]
	return nil
}

// Repeats is how many records the reader rule has dropped.
func (r *Refused) Repeats() int { return r.reader.Repeats }
