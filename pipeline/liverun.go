package pipeline

import (
	"context"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// run sends until ctx ends: bars in progress that others want, and what is
// wanted here.
func (l *liveBars) run(ctx context.Context) {
	layout, ok := l.e.found(ctx)
	if !ok {
		return
	}
	producer, err := kafka.NewProducer(kafka.ProducerConfig{
		Cluster: l.e.cluster, Topic: l.e.topics.Name(kafka.Live), Linger: time.Millisecond,
	})
	if err != nil {
		l.e.degrade("live bars", err)
		return
	}
	defer producer.Close()
	ticker := l.e.cfg.Clock.NewTicker(livePeriod)
	defer ticker.Stop()
	var told time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.kick:
		case <-ticker.C():
		}
		now := l.e.cfg.Clock.Now()
		recs := l.due(now)
		if l.telling() || now.Sub(told) >= wantedPeriod {
			told = now
			l.forget(now)
			recs = append(recs, l.wantedHere(layout.N)...)
		}
		if len(recs) == 0 {
			continue
		}
		if err := producer.Send(ctx, recs); err != nil && ctx.Err() == nil {
			l.e.degrade("live bars", err)
			continue
		}
		l.e.heal("live bars")
	}
}

// forget drops what nobody wants any more.
func (l *liveBars) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, until := range l.wanted {
		if now.After(until) {
			delete(l.wanted, s)
			delete(l.waiting, s)
		}
	}
}

func (l *liveBars) telling() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	tell := l.tell
	l.tell = false
	return tell
}

// due takes the bars that are to be sent now.
func (l *liveBars) due(now time.Time) []kafka.TradeRecord {
	l.mu.Lock()
	defer l.mu.Unlock()
	var recs []kafka.TradeRecord
	for s, b := range l.waiting {
		if b.value != nil && now.Sub(b.sent) >= livePeriod {
			recs = append(recs, kafka.TradeRecord{
				Key: []byte(s.symbol + "|" + s.interval), Value: b.value, Explicit: true, Partition: b.p, Headers: l.headers(),
			})
			b.value, b.sent = nil, now
		}
	}
	return recs
}

func (l *liveBars) headers(more ...kafka.Header) []kafka.Header {
	return append(more, kafka.Header{Key: wire.HeaderNode, Value: []byte(l.e.cfg.Node)})
}

// wantedHere is what readers of this node look at in partitions of others.
func (l *liveBars) wantedHere(n int32) []kafka.TradeRecord {
	var others []int32
	for p := range n {
		if !l.e.ours(p) {
			others = append(others, p)
		}
	}
	if len(others) == 0 {
		return nil
	}
	var list []byte
	count := 0
	for symbol, interval := range l.e.hub.Wanted(func(p int32) bool { return slices.Contains(others, p) }) {
		list = append(append(append(append(list, symbol...), '|'), interval...), '\n')
		if count++; count == maxWanted {
			break
		}
	}
	if count == 0 {
		return nil
	}
	return []kafka.TradeRecord{{
		Value: list, Explicit: true, Partition: others[0], Headers: l.headers(kafka.Header{Key: wire.HeaderKind, Value: []byte(wire.KindWanted)}),
	}}
}

// follow reads what the other nodes send, from now on: a bar in progress of the
// past is worth nothing.
func (l *liveBars) follow(ctx context.Context) {
	layout, ok := l.e.found(ctx)
	if !ok {
		return
	}
	wait := backoff{}
	for ctx.Err() == nil {
		cfg := kafka.FollowConfig{Cluster: l.e.cluster, Topic: l.e.topics.Name(kafka.Live), Partitions: layout.N, From: map[int32]int64{}}
		for p := range layout.N {
			cfg.From[p] = kafka.FromEnd
		}
		err := kafka.Follow(ctx, cfg, func(s kafka.Span) error {
			wait = backoff{}
			for i := range s.Records {
				l.take(s.P, &s.Records[i])
			}
			return nil
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		l.e.cfg.Log.Warn("following the bars of other nodes ended, trying again", "error", err)
		l.e.pause(ctx, wait.next())
	}
}

var _ liveView = (*liveBars)(nil)
