package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

// lender gives a guest what may change from one config to the next while the
// engine lives: it asks the newest attachment at each new connection, so that a
// rotated secret or certificate needs no restart.
type lender interface {
	loan(kind string) *loan
}

// loan is what one guest of one config lends to the engine.
type loan struct {
	user, password secret
	files          tlsFiles
}

// Source is a guest of kline.sources: where trades are consumed.
type Source interface {
	// Identity is the part of the guest's configuration by which engines
	// differ, after placeholders were expanded; it marshals to JSON and holds
	// no secret.
	Identity() any
	// Exclusive names what two engines of one process must not hold at a time.
	Exclusive() []string
	// BuildSource fills the part of cfg that belongs to the source. It dials
	// nothing.
	BuildSource(cfg *pipeline.Config, l lender) error
	// lends is the loan of this config.
	lends() *loan
}

// Store is a guest of kline.stores: the view beside memory.
type Store interface {
	// Identity is as in Source.
	Identity() any
	// BuildStore fills the part of cfg that belongs to the store.
	BuildStore(cfg *pipeline.Config, l lender) error
	// lends is the loan of this config.
	lends() *loan
}

// Feed is a guest of kline.feeds: what produces trades into the input topic.
type Feed interface {
	// SourceName is the `src` of the feed's trades, unique per config.
	SourceName() string
	// Fingerprint tells whether a feed of the next config is the same one and
	// may go on running.
	Fingerprint() string
	// BuildFeed makes the feed; it opens nothing.
	BuildFeed(env feedEnv) (pipeline.Feed, error)
}

// History is a guest of kline.history: a database that follows.
type History interface {
	// Sink is the name in metrics and status, unique per config.
	Sink() string
	// Fingerprint tells whether a history of the next config is the same one and
	// may go on running.
	Fingerprint() string
	// BuildHistory makes the history; it opens nothing.
	BuildHistory(env historyEnv) (pipeline.History, error)
	// lends is the loan of this config.
	lends() *loan
}

// parseGuest reads `<word> <name> ... {}` into the JSON of the guest. The
// dispenser stands on the word.
func parseGuest(d *caddyfile.Dispenser, namespace, inlineKey string) ([]byte, error) {
	if !d.NextArg() {
		return nil, d.ArgErr()
	}
	name := d.Val()
	id := namespace + "." + name
	if _, err := caddy.GetModule(id); err != nil {
		return nil, d.Errf("unrecognized %s %q (allowed: %s)", inlineKey, cut(name), strings.Join(guestNames(namespace), ", "))
	}
	unm, err := caddyfile.UnmarshalModule(d, id)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(unm, inlineKey, name, nil), nil
}

// guestNames lists the guests compiled into this binary.
func guestNames(namespace string) []string {
	var names []string
	for _, info := range caddy.GetModules(namespace) {
		names = append(names, info.ID.Name())
	}
	return names
}

// asGuest asserts what a guest module must be.
func asGuest[T any](mod any, kind string) (T, error) {
	g, ok := mod.(T)
	if !ok {
		var zero T
		return zero, fmt.Errorf("loading %s: module %T does not implement caddymodule.%s", strings.ToLower(kind), mod, kind)
	}
	return g, nil
}
