package feed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// errRotate ends a connection that the venue would cut soon.
var errRotate = errors.New("the connection is as old as the venue lets it become")

// arrival is one frame, or with nil the word of the other side that it is there.
type arrival struct {
	frame []byte
	at    time.Time
}

// How many frames wait for being read before the venue has to wait, and how many bytes
// of them: a thousand of the largest would be a gigabyte.
const (
	arrivals     = 1024
	arrivalBytes = 16 << 20
)

// subscribePause is how long the next message waits behind one that subscribes: who
// sends more than five in a second is cut by Binance, with each connection.
const subscribePause = 300 * time.Millisecond

// socket is one connection. Its goroutines end when it is closed.
type socket struct {
	conn *websocket.Conn
	// subscribed is closed when the last subscription was sent, nil where that was
	// done before anything is read.
	subscribed chan struct{}
	in         chan arrival
	waiting    atomic.Int64  // bytes that in holds
	taken      chan struct{} // has one when there are fewer
	failed     chan error    // the first errors
	cancel     context.CancelFunc
	handles    []*safego.Handle
}

// dial connects and subscribes, or begins to. Redirects are not followed.
func (w *WebSocket) dial(ctx context.Context) (*socket, error) {
	via, client, err := w.fetch.proxies.next()
	if err != nil {
		return nil, &fetchError{reason: reasonProxy, err: err}
	}
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	header := http.Header{"User-Agent": {"caddy-kline"}}
	for name, value := range w.Fetch.Headers {
		header.Set(name, value())
	}
	conn, resp, err := websocket.Dial(within, w.cfg.URL, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close() // nothing of it is read
	}
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil, w.fetch.failed(err, via)
	}
	w.fetch.proxies.worked(via)
	conn.SetReadLimit(w.cfg.MaxFrame)
	messages := append(append([]string(nil), w.cfg.Subscribe...), w.venue.Subscribe(w.Symbols)...)
	if len(messages) > 0 {
		if err := conn.Write(within, websocket.MessageText, []byte(messages[0])); err != nil {
			_ = conn.CloseNow() // the error is the write's
			return nil, w.fetch.failed(err, nil)
		}
		messages = messages[1:]
	}
	return w.open(ctx, conn, messages), nil
}

// open reads and pings, and subscribes by the messages that remain.
func (w *WebSocket) open(ctx context.Context, conn *websocket.Conn, messages []string) *socket {
	ctx, cancel := context.WithCancel(ctx)
	s := &socket{conn: conn, in: make(chan arrival, arrivals), taken: make(chan struct{}, 1), failed: make(chan error, 4), cancel: cancel}
	start := func(name string, f func(context.Context, *socket) error) {
		s.handles = append(s.handles, safego.Go(name, s.fail, func() { s.fail(f(ctx, s)) }))
	}
	start("feed websocket read", w.read)
	start("feed websocket ping", w.ping)
	if w.venue.Ping != "" {
		start("feed websocket say", w.say)
	}
	if len(messages) > 0 {
		s.subscribed = make(chan struct{})
		s.handles = append(s.handles, safego.Go("feed websocket subscribe", s.fail, func() {
			if err := w.subscribe(ctx, s, messages); err != nil {
				s.fail(err)
			}
		}))
	}
	return s
}

// subscribe sends what remains of the subscriptions while the first ones are heard.
func (w *WebSocket) subscribe(ctx context.Context, s *socket, messages []string) error {
	for _, m := range messages {
		if err := sleep(ctx, w.Clock, subscribePause); err != nil {
			return err
		}
		if err := w.write(ctx, s, m); err != nil {
			return err
		}
	}
	close(s.subscribed)
	return nil
}

// write sends one message.
func (w *WebSocket) write(ctx context.Context, s *socket, text string) error {
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.conn.Write(within, websocket.MessageText, []byte(text)); err != nil {
		return w.fetch.failed(err, nil)
	}
	return nil
}

// fail keeps the first errors; the channel has room for one of each goroutine.
func (s *socket) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

func (s *socket) close() {
	s.cancel()
	_ = s.conn.CloseNow() // the venue has nothing to be told
	for _, h := range s.handles {
		h.Wait()
	}
}

// read hands on frames. While nobody takes them the venue waits.
func (w *WebSocket) read(ctx context.Context, s *socket) error {
	for {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) == websocket.StatusMessageTooBig || errors.Is(err, websocket.ErrMessageTooBig) {
				return &fetchError{reason: reasonTooLarge, err: fmt.Errorf("reading the stream of %s: a frame has more than %d bytes", w.fetch.host, w.cfg.MaxFrame)}
			}
			return w.fetch.failed(err, nil)
		}
		if err := s.put(ctx, arrival{frame, w.Clock.Now()}); err != nil {
			return err
		}
	}
}

// put waits for room. A frame that is larger than all of it comes alone.
func (s *socket) put(ctx context.Context, a arrival) error {
	size := int64(len(a.frame))
	for n := s.waiting.Load(); n > 0 && n+size > arrivalBytes; n = s.waiting.Load() {
		select {
		case <-s.taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.waiting.Add(size)
	select {
	case s.in <- a:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// took makes room again for a frame that was taken out of in.
func (s *socket) took(a arrival) arrival {
	s.waiting.Add(-int64(len(a.frame)))
	select {
	case s.taken <- struct{}{}:
	default: // it is known already
	}
	return a
}

// ping asks for a sign of life. The answer comes behind all frames before it, so
// it also says that nothing is on its way.
func (w *WebSocket) ping(ctx context.Context, s *socket) error {
	for {
		if err := sleep(ctx, w.Clock, w.cfg.PingEvery); err != nil {
			return err
		}
		began := w.Clock.Now()
		within, cancel := context.WithTimeout(ctx, max(10*time.Second, 2*w.cfg.PingEvery))
		err := s.conn.Ping(within)
		cancel()
		if err != nil {
			return w.fetch.failed(fmt.Errorf("waiting for a sign of life: %w", err), nil)
		}
		select {
		case s.in <- arrival{at: began}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// say sends what the venue itself wants to hear.
func (w *WebSocket) say(ctx context.Context, s *socket) error {
	for {
		if err := sleep(ctx, w.Clock, w.venue.PingEvery); err != nil {
			return err
		}
		if err := w.write(ctx, s, w.venue.Ping); err != nil {
			return err
		}
	}
}
