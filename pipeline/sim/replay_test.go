//go:build synctests

package sim

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// replay goes once through input and journal of one partition with a fresh core:
// what the topics have to hold, byte for byte.
type replay struct {
	core    *core.Engine
	decoder *wire.Decoder
	out     core.Outputs
	so, sk  int64 // of the next output
	outs    map[string][]string
}

// decided is a journal record that counts.
type decided struct {
	at        int64
	timestamp int64
	ops       []core.Op
}

func newReplay(p, partitions int32) (*replay, error) {
	cfg := engineConfig()
	c, err := core.New(core.Config{
		Partition: p, Partitions: partitions, Intervals: cfg.Intervals,
		WatermarkDelay: cfg.WatermarkDelay.Milliseconds(), AllowedLateness: cfg.AllowedLateness.Milliseconds(),
		IdleDelay: cfg.IdleDelay.Milliseconds(), MaxFuture: cfg.MaxFuture.Milliseconds(),
	})
	return &replay{core: c, decoder: wire.NewDecoder(nil), so: -1, outs: map[string][]string{}}, err
}

// decisions are the journal records of one partition that count, by the rule of
// their numbers.
func decisions(journal []*kgo.Record) (counted []decided, void int, err error) {
	last := int64(0)
	for _, r := range journal {
		n, err := strconv.ParseInt(header(r, "n"), 10, 64)
		if err != nil {
			return nil, 0, err
		}
		if n <= last {
			void++
			continue
		}
		if n != last+1 {
			return nil, 0, fmt.Errorf("journal record %d follows record %d", n, last)
		}
		last = n
		d := decided{timestamp: r.Timestamp.UnixMilli()}
		if d.at, err = strconv.ParseInt(header(r, "at"), 10, 64); err != nil {
			return nil, 0, err
		}
		if d.ops, err = wire.DecodeOps(r.Value); err != nil {
			return nil, 0, err
		}
		counted = append(counted, d)
	}
	return counted, void, nil
}

// run replays all of it. Decisions act in the order of their places: a dead
// owner may have decided further ahead than its successor.
func (y *replay) run(input []*kgo.Record, ds []decided) error {
	for _, r := range input {
		var rest []decided
		for _, d := range inPlace(ds) {
			if d.at > r.Offset {
				rest = append(rest, d)
				continue
			}
			if err := y.act(d); err != nil {
				return err
			}
		}
		ds = rest
		if err := y.apply(r); err != nil {
			return err
		}
	}
	for _, d := range inPlace(ds) {
		if err := y.act(d); err != nil {
			return err
		}
	}
	return nil
}

func (y *replay) act(d decided) error {
	for _, op := range d.ops {
		if err := y.core.Act(d.at, op, &y.out); err != nil {
			return err
		}
	}
	return y.emit(d.timestamp, nil)
}

func (y *replay) apply(r *kgo.Record) error {
	rec := core.Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Source: inputTopic}
	if src := header(r, "src"); src != "" {
		rec.Source = src
	}
	var err error
	if header(r, "k") == "hb" {
		var hb core.Heartbeat
		if hb, err = wire.DecodeHeartbeat(r.Value); err != nil {
			return err
		}
		if hb.Source == "" {
			hb.Source = rec.Source
		}
		err = y.core.Heartbeat(&rec, hb, &y.out)
	} else if trades, bad := y.decoder.Decode(r.Value, nil); bad != nil {
		err = y.core.Undecodable(&rec, core.ReasonDecode, "", &y.out)
	} else {
		err = y.core.Trades(&rec, trades, &y.out)
	}
	if err != nil {
		return err
	}
	return y.emit(rec.Timestamp, r)
}

// emit writes the outputs down as they have to stand on the topics.
func (y *replay) emit(timestamp int64, from *kgo.Record) error {
	defer y.out.Reset()
	for _, it := range y.out.Items {
		if !it.Diverted {
			k := &y.out.Klines[it.Index]
			r := y.record(k.So, timestamp)
			r.Key = wire.AppendKlineKey(nil, k.Symbol, k.Interval, k.OpenTime)
			r.Value = wire.AppendKline(nil, k, nil)
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "ct", Value: []byte("kline/json;1")})
			y.outs["klines"] = append(y.outs["klines"], text(r))
			continue
		}
		d := &y.out.Diverted[it.Index]
		if from == nil {
			return fmt.Errorf("a decision diverted a trade: %+v", d)
		}
		r := y.record(d.So, timestamp)
		r.Key, r.Value = from.Key, from.Value
		if d.Symbol != "" {
			r.Key = []byte(d.Symbol)
		}
		for _, h := range [][2]string{
			{"reason", d.Reason.String()}, {"field", d.Field}, {"sp", strconv.Itoa(int(from.Partition))}, {"idx", strconv.Itoa(d.Index)}, {"sym", d.Symbol},
		} {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
		}
		topic := "late"
		if d.Dead {
			topic = "dlq"
		}
		y.outs[topic] = append(y.outs[topic], text(r))
	}
	return nil
}

// record is an output at the next position of so.
func (y *replay) record(so, timestamp int64) *kgo.Record {
	if so != y.so {
		y.so, y.sk = so, 0
	}
	r := &kgo.Record{Timestamp: milli(timestamp), Headers: []kgo.RecordHeader{
		{Key: "so", Value: strconv.AppendInt(nil, so, 10)}, {Key: "sk", Value: strconv.AppendInt(nil, y.sk, 10)},
	}}
	y.sk++
	return r
}
