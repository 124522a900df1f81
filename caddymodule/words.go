package caddymodule

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// maxQuoted bounds foreign text in error messages, in bytes.
const maxQuoted = 64

// word is one word of a block and what reads its arguments. When read is
// called, the dispenser stands on the word.
type word struct {
	name   string
	repeat bool // may stand several times
	read   func(d *caddyfile.Dispenser) error
}

// parseBlock reads the block that follows, word by word. owner is the name of
// the block in messages.
func parseBlock(d *caddyfile.Dispenser, owner string, table []word) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		i := slices.IndexFunc(table, func(w word) bool { return w.name == name })
		if i < 0 {
			return unknownWord(d, table)
		}
		if seen[name] && !table[i].repeat {
			return d.Errf("duplicate %s option %q (allowed once)", owner, name)
		}
		seen[name] = true
		if err := table[i].read(d); err != nil {
			return err
		}
	}
	return nil
}

// unknownWord lists what would have been understood. A word that is skipped in
// silence is how a typo turns a limit off.
func unknownWord(d *caddyfile.Dispenser, table []word) error {
	names := make([]string, len(table))
	for i, w := range table {
		names[i] = w.name
	}
	if len(names) == 0 {
		return d.Errf("unrecognized subdirective %q (no block expected)", cut(d.Val()))
	}
	return d.Errf("unrecognized subdirective %q (allowed: %s)", cut(d.Val()), strings.Join(names, ", "))
}

// onlyName consumes the name of a directive or guest that takes no argument.
func onlyName(d *caddyfile.Dispenser) error {
	d.Next()
	return alone(d)
}

// alone refuses arguments of the word that the dispenser stands on.
func alone(d *caddyfile.Dispenser) error {
	if name := d.Val(); d.NextArg() {
		return d.Errf("parsing %s: it takes no argument, %q is one", name, cut(d.Val()))
	}
	return nil
}

// usage refuses another number of arguments than form has, which is how the word
// is written.
func usage(d *caddyfile.Dispenser, form string) error {
	name, _, _ := strings.Cut(form, " ")
	return d.Errf("parsing %s: another number of arguments than in `%s`", name, form)
}

// text reads exactly one argument.
func text(name string, dst *string) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		if !d.AllArgs(dst) {
			return usage(d, name+" <value>")
		}
		return nil
	}}
}

// words reads one or more arguments.
func words(name string, dst *[]string) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		*dst = d.RemainingArgs()
		if len(*dst) == 0 {
			return usage(d, name+" <value>...")
		}
		return nil
	}}
}

// toggle reads a word without arguments.
func toggle(name string, dst *bool) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		if err := alone(d); err != nil {
			return err
		}
		*dst = true
		return nil
	}}
}

// choice reads one argument out of a closed list.
func choice(name string, dst *string, allowed ...string) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		var s string
		if !d.AllArgs(&s) {
			return usage(d, name+" "+strings.Join(allowed, "|"))
		}
		if !slices.Contains(allowed, s) {
			return d.Errf("parsing %s: unknown value %q (allowed: %s)", name, cut(s), strings.Join(allowed, ", "))
		}
		*dst = s
		return nil
	}}
}

// onOff reads `on` or `off` into a pointer, so that the default stays visible
// as nil.
func onOff(name string, dst **bool) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		var s string
		if err := choice(name, &s, "on", "off").read(d); err != nil {
			return err
		}
		on := s == "on"
		*dst = &on
		return nil
	}}
}

// duration reads a duration of zero or more; `d` is a unit.
func duration(name string, dst **caddy.Duration) word { return durationFrom(name, dst, 0) }

// positive reads a duration above zero.
func positive(name string, dst **caddy.Duration) word { return durationFrom(name, dst, 1) }

// durationFrom reads a duration of low or more.
func durationFrom(name string, dst **caddy.Duration, low time.Duration) word {
	return durationIn(name, dst, low, math.MaxInt64)
}

// durationIn reads a duration from low to high.
func durationIn(name string, dst **caddy.Duration, low, high time.Duration) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		var s string
		if !d.AllArgs(&s) {
			return usage(d, name+" <duration>")
		}
		v, err := caddy.ParseDuration(s)
		if err != nil {
			return d.Errf("parsing %s: %q is not a duration such as 500ms, 10s, 1m30s or 1d", name, cut(s))
		}
		if v < low {
			allowed := "0 or more"
			if low > 0 {
				allowed = "more than 0"
			}
			if low > 1 {
				allowed = low.String() + " or more"
			}
			return d.Errf("parsing %s: %q is too short (allowed: %s)", name, cut(s), allowed)
		}
		if v > high {
			return d.Errf("parsing %s: %q is too long (allowed: up to %s)", name, cut(s), high)
		}
		cd := caddy.Duration(v)
		*dst = &cd
		return nil
	}}
}

// count reads a whole number in [low, high].
func count(name string, dst *int, low, high int) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		var s string
		if !d.AllArgs(&s) {
			return usage(d, name+" <number>")
		}
		n, err := parseCount(s, low, high)
		if err != nil {
			return d.Errf("parsing %s: %v", name, err)
		}
		*dst = n
		return nil
	}}
}

// parseCount reads a whole number in [low, high].
func parseCount(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%q is not a whole number from %d to %d", cut(s), low, high)
	}
	return n, nil
}

// checked reads a word and checks what it says at once: behind the block, the
// error would name the line of its end.
func checked(w word, check func() error) word {
	read := w.read
	w.read = func(d *caddyfile.Dispenser) error {
		if err := read(d); err != nil {
			return err
		}
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
	return w
}

// size reads a number of bytes such as 512MiB, low or more: where somebody
// leaves the unit out, nothing would work and nobody say why.
func size(name string, dst *int64, low uint64) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		var s string
		if !d.AllArgs(&s) {
			return usage(d, name+" <size>")
		}
		n, err := humanize.ParseBytes(s)
		// Numbers pass through float64 in the adapter: above 2^53 another
		// number would arrive.
		if err != nil || n == 0 || n > 1<<53 || n > math.MaxInt64 {
			return d.Errf("parsing %s: %q is not a size such as 512MiB", name, cut(s))
		}
		if n < low {
			return d.Errf("parsing %s: %q is less than %dKiB (a number without a unit counts bytes)", name, cut(s), low>>10)
		}
		*dst = int64(n)
		return nil
	}}
}

// cut bounds foreign text for a message.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted-3], "") + "..."
}
