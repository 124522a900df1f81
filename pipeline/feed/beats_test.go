package feed

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// stalled is a topic as the producer of Kafka shows it: while the brokers are away a
// write waits for them, and what was handed over is written when they are back.
type stalled struct {
	*log

	mu     sync.Mutex // protects the rest
	back   chan struct{}
	handed []Record // while the brokers are away
	waits  int      // heartbeats that were handed over meanwhile
}

func (s *stalled) Write(ctx context.Context, recs []Record) error {
	s.mu.Lock()
	back := s.back
	if back == nil {
		defer s.mu.Unlock()
		return s.log.Write(ctx, recs)
	}
	s.handed = append(s.handed, recs...)
	if header(&recs[0], wire.HeaderKind) == wire.KindHeartbeat {
		s.waits++
	}
	s.mu.Unlock()
	select {
	case <-back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stalled) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = make(chan struct{})
}

func (s *stalled) comeBack(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.log.Write(context.Background(), s.handed); err != nil {
		t.Error(err)
	}
	close(s.back)
	s.back, s.handed = nil, nil
}

func (s *stalled) waitingBeats() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waits
}

// brokenPromise is the first trade that comes for the first time behind a heartbeat
// that promised nothing as old, 0 none.
func (l *log) brokenPromise(t *testing.T) int64 {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var promised, newest int64
	for i := range l.records {
		r := &l.records[i]
		if header(r, wire.HeaderKind) == wire.KindHeartbeat {
			if hb, err := wire.DecodeHeartbeat(r.Value); err == nil && hb.Up {
				promised = max(promised, hb.TS)
			}
			continue
		}
		trades, err := wire.NewDecoder(nil).Decode(r.Value, nil)
		if err != nil || len(trades) != 1 {
			t.Fatalf("record %d cannot be read: %v", i, err)
		}
		one := &trades[0]
		if one.ID.Num > newest && one.EventNS/nanosPerMilli < promised {
			return one.ID.Num
		}
		newest = max(newest, one.ID.Num)
	}
	return 0
}

func TestTradesGoToTheDiskWhileAHeartbeatWaitsForTheTopic_B02(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, *exchange, Live, Topic) func() Report{
		"websocket": func(t *testing.T, e *exchange, cfg Live, out Topic) func() Report {
			w, err := NewWebSocket(WebSocketConfig{Live: cfg, URL: strings.Replace(e.server.URL, "http", "ws", 1) + "/ws", PingEvery: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			runs(t, w.Run, out)
			within(t, "a connection", func() bool { return e.connected() == 1 })
			return w.Report
		},
		"http": func(t *testing.T, _ *exchange, cfg Live, out Topic) func() Report {
			h, err := NewHTTP(HTTPConfig{Live: cfg, Period: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			runs(t, h.Run, out)
			return h.Report
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, c := newExchange(t), newCounts()
			out := &stalled{log: newLog(t)}
			cfg := e.config(c)
			cfg.DeliveryTimeout = 2 * time.Second
			report := start(t, e, cfg, out)
			e.live(1)
			within(t, "a heartbeat behind a trade", func() bool { return len(out.ids("A")) == 1 && len(out.beats()) > 0 })
			out.leave()
			within(t, "a heartbeat that waits", func() bool { return out.waitingBeats() > 0 })
			e.live(3)
			within(t, "trades on the disk", func() bool { return report().Spilled > 0 })
			if n := out.waitingBeats(); n != 1 {
				t.Errorf("%d heartbeats wait", n)
			}
			back := time.Now().UnixMilli()
			out.comeBack(t)
			e.live(2)
			within(t, "all trades, and heartbeats again", func() bool {
				newest := int64(0)
				for _, id := range out.ids("A") {
					newest = max(newest, id)
				}
				b := out.beats()
				return newest == 6 && b[len(b)-1].TS > back
			})
			if id := out.brokenPromise(t); id != 0 {
				t.Errorf("trade %d comes behind a heartbeat that promised nothing as old", id)
			}
		})
	}
}
