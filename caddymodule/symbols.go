package caddymodule

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const (
	maxSymbolsLimit = 1_000_000
	maxViewBars     = 1_000_000
	minViewMemory   = 1 << 20 // bytes; less is a number that lacks its unit
	maxScale        = 18
	autoScale       = -1
)

// Which prices trades of a symbol may have.
const (
	pricesPositive = "positive"
	pricesAny      = "any"
)

// SymbolRule is how symbols of a pattern are treated.
type SymbolRule struct {
	// Pattern is a symbol, or the beginning of one followed by `*`. Default: none, required.
	Pattern string `json:"pattern,omitempty"`
	// PriceScale is the number of decimals of prices, 0 to 18. Default: auto.
	PriceScale *int `json:"price_scale,omitempty"`
	// SizeScale is the number of decimals of sizes, 0 to 18. Default: auto.
	SizeScale *int `json:"size_scale,omitempty"`
	// Order says what orders trades of one moment: "trade_id", "seq" or "arrival". Default: auto.
	Order string `json:"order,omitempty"`
	// Prices says which prices there may be: "positive", or "any" for those of 0 and below too. Default: positive.
	Prices string `json:"prices,omitempty"`
}

// symbolPattern is a symbol, or the beginning of one and a star.
var symbolPattern = regexp.MustCompile(`\A(\*|[A-Za-z0-9][A-Za-z0-9._:/_-]{0,31}\*?)\z`)

// symbolName is the alphabet of a symbol.
var symbolName = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._:/_-]{0,31}\z`)

// parseSymbols reads
//
//	symbols {
//		<pattern> {
//			scale auto
//			order trade_id|seq|arrival
//			prices positive|any
//		}
//	}
//
// where scale also takes two numbers of decimals, `scale <price> <size>`.
func (a *App) parseSymbols(d *caddyfile.Dispenser) error {
	if err := alone(d); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		rule := SymbolRule{Pattern: d.Val()}
		if !symbolPattern.MatchString(rule.Pattern) {
			return d.Errf("parsing symbols: %q is neither a symbol nor the beginning of one with a star", cut(rule.Pattern))
		}
		if slices.ContainsFunc(a.Symbols, func(r SymbolRule) bool { return r.Pattern == rule.Pattern }) {
			return d.Errf("duplicate symbols option %q", rule.Pattern)
		}
		if err := alone(d); err != nil {
			return err
		}
		err := parseBlock(d, rule.Pattern, []word{
			{name: "scale", read: rule.readScale},
			choice("order", &rule.Order, symbolOrders()...),
			choice("prices", &rule.Prices, pricesPositive, pricesAny),
		})
		if err != nil {
			return err
		}
		a.Symbols = append(a.Symbols, rule)
	}
	return nil
}

func (r *SymbolRule) readScale(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 1 && args[0] == "auto" {
		return nil
	}
	if len(args) != 2 {
		return usage(d, "scale auto|<price> <size>")
	}
	price, err := parseCount(args[0], 0, maxScale)
	if err != nil {
		return d.Errf("parsing scale: %v", err)
	}
	sz, err := parseCount(args[1], 0, maxScale)
	if err != nil {
		return d.Errf("parsing scale: %v", err)
	}
	r.PriceScale, r.SizeScale = &price, &sz
	return nil
}

func symbolOrders() []string { return []string{"trade_id", "seq", "arrival"} }

// symbolRules is what the core takes.
func (a *App) symbolRules() ([]core.SymbolRule, error) {
	var out []core.SymbolRule
	for _, r := range a.Symbols {
		if !symbolPattern.MatchString(r.Pattern) {
			return nil, fmt.Errorf("checking symbols: %q is neither a symbol nor the beginning of one with a star", cut(r.Pattern))
		}
		if slices.ContainsFunc(out, func(o core.SymbolRule) bool { return o.Pattern == r.Pattern }) {
			return nil, fmt.Errorf("checking symbols: %q is there twice", r.Pattern)
		}
		rule := core.SymbolRule{Pattern: r.Pattern, PriceScale: autoScale, SizeScale: autoScale}
		for _, s := range []struct {
			given *int
			dst   *int8
		}{{r.PriceScale, &rule.PriceScale}, {r.SizeScale, &rule.SizeScale}} {
			if s.given == nil {
				continue
			}
			if *s.given < 0 || *s.given > maxScale {
				return nil, fmt.Errorf("checking symbols: scale %d of %q is not in 0 to %d", *s.given, r.Pattern, maxScale)
			}
			*s.dst = int8(*s.given) // #nosec G115 -- at most 18
		}
		var err error
		if rule.Order, err = symbolOrder(r.Order); err != nil {
			return nil, err
		}
		switch r.Prices {
		case "", pricesPositive:
		case pricesAny:
			rule.AnyPrice = true
		default:
			return nil, fmt.Errorf("checking symbols: unknown prices %q (allowed: positive, any)", cut(r.Prices))
		}
		out = append(out, rule)
	}
	return out, nil
}

func symbolOrder(word string) (core.Order, error) {
	switch word {
	case "":
		return core.OrderAuto, nil
	case "trade_id":
		return core.OrderTradeID, nil
	case "seq":
		return core.OrderSeq, nil
	case "arrival":
		return core.OrderArrival, nil
	}
	return 0, fmt.Errorf("checking symbols: unknown order %q (allowed: trade_id, seq, arrival)", cut(word))
}
