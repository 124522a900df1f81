package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// parseFormat reads
//
//	format <preset> {
//		symbol|price|size|ts|id|side|seq|op|ref_id <path>
//		time_unit s|ms|us|ns|rfc3339
//		side_of taker|maker|none
//	}
func parseFormat(d *caddyfile.Dispenser, dst **adapter.Format, presets ...string) error {
	f := new(adapter.Format)
	if err := choice("format", &f.Preset, presets...).read(d); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		args := d.RemainingArgs()
		if err := f.Set(name, args...); err != nil {
			return d.WrapErr(err)
		}
		if err := checkFormatWord(name, args[0]); err != nil {
			return d.WrapErr(err)
		}
	}
	if err := checkFormat(f, presets...); err != nil {
		return d.WrapErr(err)
	}
	*dst = f
	return nil
}

// checkFormatWord looks at one line alone, while its number is known; that the
// lines fit together is seen at the end of the block.
func checkFormatWord(name, value string) (err error) {
	switch name {
	case "time_unit":
		_, err = wire.ParseTimeUnit(value)
	case "side_of":
		_, err = wire.ParseSideOf(value)
	default:
		_, err = wire.ParsePath(value)
	}
	return err
}

// checkFormat validates what did not come through the Caddyfile.
func checkFormat(f *adapter.Format, presets ...string) error {
	if f != nil && f.Preset != "" && !slices.Contains(presets, f.Preset) {
		return fmt.Errorf("checking format: unknown preset %q (allowed: %s)", cut(f.Preset), strings.Join(presets, ", "))
	}
	_, err := mappingOf(f)
	return err
}

// mappingOf is the form that decoders are made of; nil is the generic JSON. The
// preset of a feed names the shape of its file, which is not the mapping's
// business.
func mappingOf(f *adapter.Format) (*wire.Mapping, error) {
	if f == nil {
		return nil, nil
	}
	fields := *f
	fields.Preset = ""
	return fields.Mapping()
}
