// Package plain is the stream handler that one writes first, as a Caddy module: the yardstick of the fan-out figures.
//
// The central type is [Handler]. It follows the topic of klines with a client of its own; a [hub] turns each record into one event,
// encoded once, and offers it to a channel of 1,000 events per subscriber; the goroutine of each request writes and flushes one event
// after the other.
//
// It keeps no history, resumes nothing, shows no snapshot, and drops a subscriber whose channel is full.
package plain

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
)

// Handler answers every request with the stream of one topic.
type Handler struct {
	// Broker is the host:port of a Kafka broker. Default: none, required.
	Broker string `json:"broker"`
	// Topic is a topic of klines. Default: none, required.
	Topic string `json:"topic"`

	hub    *hub
	client *kgo.Client
	log    *zap.Logger
}

// Register adds the handler and its Caddyfile directive `plain_stream <broker> <topic>`. It is called once, before the command runs.
func Register() {
	caddy.RegisterModule(Handler{})
	httpcaddyfile.RegisterHandlerDirective("plain_stream", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		p := new(Handler)
		if !h.AllArgs(&p.Broker, &p.Topic) {
			return nil, h.ArgErr()
		}
		return p, nil
	})
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.plain_stream", New: func() caddy.Module { return new(Handler) }}
}

// Provision starts to follow the topic at its end.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	h.hub, h.log = newHub(), ctx.Logger()
	h.client, err = kgo.NewClient(kgo.SeedBrokers(h.Broker), kgo.ConsumeTopics(h.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	h.hub.run.Go(func() { h.follow(ctx) })
	return nil
}

// Cleanup ends the follower.
func (h *Handler) Cleanup() error {
	h.client.Close()
	h.hub.run.Wait()
	return nil
}

func (h *Handler) follow(ctx context.Context) {
	for {
		fetches := h.client.PollFetches(ctx)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) { h.log.Warn("fetching failed", zap.Error(err)) })
		fetches.EachRecord(func(r *kgo.Record) {
			event, err := encode(r.Value)
			if err != nil {
				h.log.Warn("record left out", zap.Error(err))
				return
			}
			h.hub.broadcast(event)
		})
	}
}

// kline is the object that a stream carries, its numbers as they stand in the record.
type kline struct {
	Sym   string          `json:"sym"`
	Itv   string          `json:"itv"`
	T     int64           `json:"t"`
	End   int64           `json:"T"`
	O     json.Number     `json:"o"`
	H     json.Number     `json:"h"`
	L     json.Number     `json:"l"`
	C     json.Number     `json:"c"`
	V     json.Number     `json:"v"`
	QV    json.Number     `json:"qv"`
	N     int64           `json:"n"`
	BV    json.Number     `json:"bv"`
	BQV   json.Number     `json:"bqv"`
	VWAP  json.Number     `json:"vwap"`
	First json.RawMessage `json:"f"`
	Last  json.RawMessage `json:"L"`
	Final bool            `json:"final"`
	Rev   int64           `json:"rev"`
	Seq   int64           `json:"seq"`
	Q     string          `json:"q"`
}

// encode makes the event of a record.
func encode(record []byte) ([]byte, error) {
	var k kline
	if err := json.Unmarshal(record, &k); err != nil {
		return nil, fmt.Errorf("reading a kline: %w", err)
	}
	data, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("writing a kline: %w", err)
	}
	return fmt.Appendf(nil, "event: kline\ndata: %s\n\n", data), nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	events, leave := h.hub.subscribe()
	defer leave()
	flusher := http.NewResponseController(w)
	event := []byte("event: pos\ndata: {}\n\n") // tells the client that it is in
	for {
		if _, err := w.Write(event); err != nil {
			return nil // the client is gone
		}
		if err := flusher.Flush(); err != nil {
			return nil
		}
		var open bool
		select {
		case event, open = <-events:
			if !open {
				return nil
			}
		case <-r.Context().Done():
			return nil
		}
	}
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
