package caddymodule

import (
	"errors"
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
	files          *tlsFiles
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

// trier is a Source that can tell, while another engine still holds part of what
// it needs, whether the rest is to be had. held are names of Exclusive.
type trier interface {
	tryOut(held func(name string) bool) error
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
		return nil, usage(d, inlineKey+" "+strings.Join(guestNames(namespace), "|"))
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

func (a *App) loadGuests(ctx caddy.Context) error {
	if a.SourceRaw == nil {
		return errors.New("checking kline: no source given, add `source embedded` or `source kafka { ... }`")
	}
	mod, err := ctx.LoadModule(a, "SourceRaw")
	if err != nil {
		return fmt.Errorf("loading source: %w", err)
	}
	if a.source, err = asGuest[Source](mod, "Source"); err != nil {
		return err
	}
	if a.StoreRaw == nil {
		mod, err = ctx.LoadModuleByID("kline.stores.memory", nil)
	} else {
		mod, err = ctx.LoadModule(a, "StoreRaw")
	}
	if err != nil {
		return fmt.Errorf("loading store: %w", err)
	}
	if a.store, err = asGuest[Store](mod, "Store"); err != nil {
		return err
	}
	if err := a.loadHistories(ctx); err != nil {
		return err
	}
	return a.loadFeeds(ctx)
}

func (a *App) loadFeeds(ctx caddy.Context) error {
	if len(a.FeedsRaw) == 0 {
		return nil
	}
	mods, err := ctx.LoadModule(a, "FeedsRaw")
	if err != nil {
		return fmt.Errorf("loading feeds: %w", err)
	}
	names := make(map[string]bool)
	for _, mod := range mods.([]any) {
		f, err := asGuest[Feed](mod, "Feed")
		if err != nil {
			return err
		}
		if names[f.SourceName()] {
			return fmt.Errorf("checking feeds: two are named %q, give one a source_name", cut(f.SourceName()))
		}
		names[f.SourceName()] = true
		a.feeds = append(a.feeds, f)
	}
	return nil
}
