package wasmhost

import (
	"math"
	"strings"
)

// The methods of this file spell out the schema urn:caddy-kline:manifest:1.

func (d *manifestDecoder) manifest(n jsonNode) *Manifest {
	o := d.object(n, "", true, []string{"abi", "name", "version", "indicators"},
		[]string{"title", "description", "author", "license", "homepage"})
	o.integer("abi", 0, abiMajor, abiMajor)
	m := &Manifest{
		Name:        o.text("name", 41, moduleForm),
		Version:     o.text("version", 32, versionForm),
		Title:       o.text("title", 80, nil),
		Description: o.text("description", maxDescription, nil),
		Author:      o.text("author", 128, nil),
		License:     o.text("license", 64, nil),
		Homepage:    o.text("homepage", 128, httpsForm),
	}
	o.list("indicators", 1, 256, func(n jsonNode, path string) {
		m.Indicators = append(m.Indicators, d.indicator(n, path))
	})
	return m
}

func (d *manifestDecoder) indicator(n jsonNode, path string) *Indicator {
	o := d.object(n, path, true, []string{"id", "name", "params", "outputs"},
		[]string{"title", "short", "help", "category", "input", "pane", "state_version", "warmup", "history", "profiles", "levels", "range"})
	ind := &Indicator{
		ID:           uint32(o.integer("id", 0, 0, 65535)),
		Name:         o.text("name", 32, identForm),
		Title:        o.text("title", 80, nil),
		Short:        o.text("short", 80, nil),
		Help:         o.text("help", 128, nil),
		Category:     o.choice("category", "", "trend", "momentum", "volatility", "volume", "pattern", "statistic", "other"),
		Input:        o.choice("input", "bar", "bar", "src"),
		Pane:         o.choice("pane", "separate", "overlay", "separate"),
		StateVersion: uint32(o.integer("state_version", 1, 1, 65535)),
		Warmup:       o.integer("warmup", 0, 0, math.MaxInt32),
		History:      o.choice("history", "", "window", "decay", "accumulate", "state"),
		Profiles:     o.texts("profiles", 0, 8, 32, identForm),
	}
	o.list("params", 0, 32, func(n jsonNode, path string) { ind.Params = append(ind.Params, d.param(n, path)) })
	o.list("outputs", 1, 16, func(n jsonNode, path string) { ind.Outputs = append(ind.Outputs, d.output(n, path)) })
	o.list("levels", 0, 16, func(n jsonNode, path string) { ind.Levels = append(ind.Levels, d.level(n, path)) })
	o.list("range", 2, 2, func(n jsonNode, path string) {
		if n.kind != 'n' {
			d.fail(path, "must be a number")
		}
		ind.Range = append(ind.Range, n.num)
	})
	return ind
}

func (d *manifestDecoder) param(n jsonNode, path string) Param {
	o := d.object(n, path, true, []string{"name", "type", "default"},
		[]string{"title", "help", "group", "min", "max", "step", "options"})
	p := Param{
		Name:    o.text("name", 32, identForm),
		Title:   o.text("title", 80, nil),
		Help:    o.text("help", 128, nil),
		Group:   o.text("group", 80, nil),
		Type:    o.choice("type", "", "int", "float", "bool", "enum"),
		Min:     o.optional("min"),
		Max:     o.optional("max"),
		Options: o.texts("options", 2, 32, 64, optionForm),
	}
	p.Default, _ = o.number("default")
	if step, given := o.number("step"); given {
		if step <= 0 {
			d.fail(o.at("step"), "must be above 0")
		}
		p.Step = step
	}
	return p
}

func (d *manifestDecoder) output(n jsonNode, path string) Output {
	o := d.object(n, path, true, []string{"name"},
		[]string{"title", "plot", "color", "color_neg", "width", "style", "fill_to", "offset", "precision", "format"})
	return Output{
		Name:      o.text("name", 32, identForm),
		Title:     o.text("title", 80, nil),
		Plot:      o.choice("plot", "line", "line", "histogram", "columns", "area", "band", "marker", "dots", "none"),
		Color:     o.text("color", 9, colorForm),
		ColorNeg:  o.text("color_neg", 9, colorForm),
		Width:     int(o.integer("width", 0, 1, 4)),
		Style:     o.choice("style", "solid", "solid", "dashed", "dotted"),
		FillTo:    o.text("fill_to", 32, identForm),
		Offset:    int(o.integer("offset", 0, -500, 500)),
		Precision: int(o.integer("precision", -1, 0, 12)),
		Format:    o.choice("format", "number", "price", "volume", "percent", "number"),
	}
}

func (d *manifestDecoder) level(n jsonNode, path string) Level {
	o := d.object(n, path, false, []string{"value"}, []string{"title", "color"})
	l := Level{Title: o.text("title", 80, nil), Color: o.text("color", 9, colorForm)}
	l.Value, _ = o.number("value")
	return l
}

// The forms of texts.
var (
	moduleForm  = &form{isModuleName, "a module name of 2 to 41 characters out of a-z, 0-9 and -, a letter first"}
	versionForm = &form{isVersion, "a version such as 1.0.2: three numbers without leading zeros"}
	httpsForm   = &form{isHTTPS, "an address that begins with https://"}
	identForm   = &form{isIdent, "a name of a-z, 0-9 and _, a letter first"}
	optionForm  = &form{isOption, "an option of letters, digits and _ - . +"}
	colorForm   = &form{isColor, "a colour such as #1e90ff or #1e90ff80"}
)

// isIdent accepts ^[a-z][a-z0-9_]{0,31}$.
func isIdent(s string) bool {
	return len(s) >= 1 && len(s) <= 32 && lower(s[0]) && all(s, func(c byte) bool { return lower(c) || digit(c) || c == '_' })
}

// isModuleName accepts ^[a-z][a-z0-9-]{1,40}$.
func isModuleName(s string) bool {
	return len(s) >= 2 && len(s) <= 41 && lower(s[0]) && all(s, func(c byte) bool { return lower(c) || digit(c) || c == '-' })
}

// isVersion accepts three numbers without leading zeros, joined by dots.
func isVersion(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return false
	}
	for _, p := range parts {
		if p == "" || (len(p) > 1 && p[0] == '0') || !all(p, digit) {
			return false
		}
	}
	return true
}

// isColor accepts #rrggbb and #rrggbbaa.
func isColor(s string) bool {
	return (len(s) == 7 || len(s) == 9) && s[0] == '#' && all(s[1:], func(c byte) bool {
		return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
	})
}

// isOption accepts what can be written in an expression: an option with a
// comma or a parenthesis could never be chosen.
func isOption(s string) bool {
	return s != "" && all(s, func(c byte) bool {
		return lower(c) || digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == '.' || c == '+'
	})
}

func isHTTPS(s string) bool { return strings.HasPrefix(s, "https://") }

func lower(c byte) bool { return c >= 'a' && c <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
