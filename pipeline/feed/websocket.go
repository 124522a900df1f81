package feed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// WebSocketConfig describes a WebSocket feed. Fetch.Base is where holes are
// filled from; Live says the rest.
type WebSocketConfig struct {
	Live
	// URL is the address of the stream. Default: that of the preset.
	URL string
	// Subscribe are messages sent after the connection, in front of those of the
	// preset. Default: none.
	Subscribe []string
	// NoBackfill leaves holes open: they are told, not filled.
	NoBackfill bool
	// PingEvery is how often the connection is tried. Default: 2 s.
	PingEvery time.Duration
	// MaxFrame bounds a message, bytes. Default: 1 MiB.
	MaxFrame int64
}

// WebSocket reads the stream of a venue. Of several nodes one has the
// connection. Trades of a symbol leave in the order of their ids; what is missing
// in between, or was sent while there was no connection, is asked for over HTTP.
type WebSocket struct {
	*live
	cfg     WebSocketConfig
	canFill bool // over HTTP

	topic Topic
	fetch *fetcher // nil where nothing can be asked for
	out   *delivery
	lease *leases
	beats *beats
}

// NewWebSocket checks the configuration. It opens nothing.
func NewWebSocket(cfg WebSocketConfig) (*WebSocket, error) {
	l, err := newLive(cfg.Live)
	if err != nil {
		return nil, err
	}
	if cfg.URL == "" {
		cfg.URL = l.venue.Socket
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return nil, fmt.Errorf("configuring feed websocket: the format %s needs `url <address>` that begins with ws:// or wss://", l.venue.Name)
	}
	if l.venue.Name == adapter.PresetGeneric && len(cfg.Subscribe) == 0 && len(l.Symbols) == 0 {
		return nil, errors.New("configuring feed websocket: nothing is subscribed")
	}
	if cfg.PingEvery < 0 || cfg.MaxFrame < 0 {
		return nil, errors.New("configuring feed websocket: ping and max_frame must not be negative")
	}
	if err := l.Fetch.complete(l.venue.REST); err != nil {
		return nil, err
	}
	setDefault(&cfg.PingEvery, 2*time.Second)
	setDefault(&cfg.MaxFrame, 1<<20)
	asks := l.Fetch.Base != "" && (l.venue.Page != "" || l.venue.Name == adapter.PresetGeneric)
	return &WebSocket{live: l, cfg: cfg, canFill: asks && !cfg.NoBackfill}, nil
}

// Name is the source of the trades.
func (w *WebSocket) Name() string { return w.SourceName }

// fills reports whether holes can be asked for at all.
func (w *WebSocket) fills() bool { return w.canFill }

// Pauses between two connections.
const (
	firstReconnect = 250 * time.Millisecond
	maxReconnect   = 30 * time.Second
)

// Run reads the stream until ctx ends.
func (w *WebSocket) Run(ctx context.Context, out Topic) (err error) {
	w.begin()
	w.topic = out
	if w.Fetch.Base == "" {
		w.Fetch.Base = strings.Replace(w.cfg.URL, "ws", "http", 1) // for the proxies and the limit alone
	}
	if w.fetch, err = newFetcher(w.live, out.Shared()); err != nil {
		return err
	}
	defer w.fetch.proxies.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if w.out, err = openDelivery(ctx, w.live, out); err != nil {
		return err
	}
	defer w.out.close() //nolint:errcheck // every batch in it was synced
	defer cancel()      // before close, which waits for the drain
	w.beats = newBeats(w.live, out, w.out)
	w.lease = newLeases(w.live, out.Shared(), []string{w.SourceName}, func(context.Context, []string) error { return nil })
	defer w.lease.release()
	fail := func(err error) { cancel(); w.trouble(err.Error()) }
	keep := safego.Go("feed lock", fail, func() {
		_ = w.lease.keep(ctx) // it returns when ctx ends
	})
	defer keep.Wait()
	beat := safego.Go("feed heartbeats", fail, func() { w.beats.run(ctx) })
	defer beat.Wait()
	defer cancel()
	return w.own(ctx)
}

// own waits for the lock, and reads the stream while it holds.
func (w *WebSocket) own(ctx context.Context) error {
	for {
		fence, until := w.lease.held(w.SourceName)
		if fence == 0 || !w.Clock.Now().Before(until) {
			w.lease.lost(w.SourceName)
			w.note(func(r *Report) { r.Symbols = 0 })
			if err := sleep(ctx, w.Clock, beatTime); err != nil {
				return err
			}
			continue
		}
		mine, cancel := context.WithCancel(ctx)
		watch := safego.Go("feed lock", nil, func() {
			defer cancel()
			w.watch(mine, fence)
		})
		err := w.connections(mine, fence)
		cancel()
		watch.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		w.Log.Info("another node may read the stream now", "source", w.SourceName)
	}
}

// watch returns when the lock is not this node's any more.
func (w *WebSocket) watch(ctx context.Context, fence int64) {
	for sleep(ctx, w.Clock, beatTime/5) == nil {
		if now, until := w.lease.held(w.SourceName); now != fence || !w.Clock.Now().Before(until) {
			return
		}
	}
}

// connections reads one connection after the other. Where the symbols stand is
// asked of the topic once: what another owner wrote before is there.
func (w *WebSocket) connections(ctx context.Context, fence int64) error {
	last, err := w.lookup(ctx, w.topic, w.Symbols)
	if err != nil {
		return err
	}
	s, err := newSession(w, fence, last)
	if err != nil {
		return err
	}
	defer s.close()
	w.note(func(r *Report) { r.Symbols = len(w.Symbols) })
	for n := 0; ; n++ {
		began := w.Clock.Now()
		err := s.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errRotate) || w.Clock.Now().Sub(began) > time.Minute {
			n = 0
		}
		if !errors.Is(err, errRotate) {
			if !errors.Is(err, errRefused) { // which was counted when it came
				w.Observer.FeedError(w.SourceName, reasonOf(err))
			}
			w.trouble(err.Error())
			w.beats.failed("", failuresDown)
			w.beats.tell(true, 0)
			w.Log.Warn("the stream broke, connecting again", "source", w.SourceName, "error", err, "attempt", n+1)
		}
		if err := sleep(ctx, w.Clock, fullJitter(n, firstReconnect, maxReconnect)); err != nil {
			return err
		}
	}
}

// reasonOf is the counter of an error that ended a connection.
func reasonOf(err error) string {
	fe := new(fetchError)
	if errors.As(err, &fe) {
		return fe.reason
	}
	return reasonConnect
}
