package feed

import (
	"context"
	"math"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// beatTime is the pause between two heartbeats.
const beatTime = 250 * time.Millisecond

// pulse is the state of the heartbeats.
type pulse struct {
	next   time.Time // when the next one is due
	told   int64     // event time of the last one, ms
	newest int64     // newest event time that was acknowledged, ms
}

// wait is how long the next heartbeat takes from now.
func (p *pulse) wait(now time.Time) time.Duration {
	if !p.next.After(now) {
		return math.MaxInt64 // none was due, or the feed has none
	}
	return p.next.Sub(now)
}

// beat tells every partition that no trade older than horizon will follow, if a
// heartbeat is due. Before the first trade there is nothing to tell.
func (r *Replay) beat(ctx context.Context, now time.Time, horizon int64) error {
	if r.cfg.NoHeartbeats || now.Before(r.pulse.next) || horizon <= 0 {
		return nil
	}
	r.pulse.next = now.Add(beatTime)
	r.pulse.told = max(r.pulse.told, horizon)
	return r.tell(ctx, true)
}

// lastBeat closes what the file's last trades allow to close: after them
// nothing follows.
func (r *Replay) lastBeat(ctx context.Context) error {
	end := max(r.pulse.newest, r.place.event)
	if r.cfg.NoHeartbeats || end <= 0 {
		return nil
	}
	r.pulse.told = max(r.pulse.told, end)
	return r.tell(ctx, true)
}

// down declares the source down: its bars stay open until it is back.
func (r *Replay) down(ctx context.Context) error {
	if r.cfg.NoHeartbeats {
		return nil
	}
	return r.tell(ctx, false)
}

// tell writes one heartbeat to every partition.
func (r *Replay) tell(ctx context.Context, up bool) error {
	value := wire.AppendHeartbeat(nil, core.Heartbeat{Source: r.cfg.SourceName, TS: r.pulse.told, Up: up})
	now := r.cfg.Clock.Now().UnixMilli()
	recs := make([]Record, 0, 16)
	for p := range r.out.Partitions() {
		recs = append(recs, Record{
			Value: value, Timestamp: now, Partition: p,
			Headers: []Header{
				{Key: wire.HeaderKind, Value: []byte(wire.KindHeartbeat)},
				{Key: wire.HeaderSource, Value: []byte(r.cfg.SourceName)},
			},
		})
	}
	if len(recs) == 0 {
		return nil
	}
	return r.write(ctx, recs)
}
