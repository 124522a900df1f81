package wasmhost

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// DecodeManifest reads and checks a manifest: the schema of kl1, no duplicate
// and no unknown keys except those with the prefix x-, bounded depth and
// lengths, and the rules between fields. The error names the first field that
// is wrong, such as indicators[2].params[0].default.
func DecodeManifest(b []byte) (*Manifest, error) {
	root, err := parseStrict(b)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	d := new(manifestDecoder)
	m := d.manifest(root)
	if d.err == nil {
		d.err = checkManifest(m)
	}
	if d.err != nil {
		return nil, fmt.Errorf("checking the manifest: %w", d.err)
	}
	m.JSON = slices.Clone(b)
	return m, nil
}

// manifestDecoder walks the tree and keeps the first error, so that the
// walking code reads like the schema.
type manifestDecoder struct{ err error }

// manifestObject is one object of the tree with the path for errors.
type manifestObject struct {
	d    *manifestDecoder
	path string
	node jsonNode
}

func (d *manifestDecoder) fail(path, format string, args ...any) {
	if d.err != nil {
		return
	}
	d.err = fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...))
	if path == "" {
		d.err = fmt.Errorf(format, args...)
	}
}

// object opens a node. Keys outside of allowed and required are refused,
// except x- keys where the schema has them.
func (d *manifestDecoder) object(n jsonNode, path string, extensible bool, required, allowed []string) manifestObject {
	o := manifestObject{d: d, path: path, node: n}
	if n.kind != 'o' {
		d.fail(path, "must be an object")
		return o
	}
	for _, k := range n.keys {
		known := slices.Contains(required, k) || slices.Contains(allowed, k) || (extensible && strings.HasPrefix(k, "x-"))
		if !known {
			d.fail(path, "unknown key %s (allowed: %s)", quoted(k), strings.Join(slices.Concat(required, allowed), ", "))
		}
	}
	for _, k := range required {
		if _, ok := n.members[k]; !ok {
			d.fail(path, "%s is missing", k)
		}
	}
	return o
}

func (o manifestObject) at(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// form is what a text has to look like, and how that is told.
type form struct {
	is    func(string) bool
	words string
}

// misfit says that s has not the form.
func (f *form) misfit(s string) string { return quoted(s) + " is not " + f.words }

// text returns a string of at most limit characters, and of a form.
func (o manifestObject) text(key string, limit int, want *form) string {
	n, ok := o.node.members[key]
	if !ok {
		return ""
	}
	switch {
	case n.kind != 's':
		o.d.fail(o.at(key), "must be a string")
	case utf8.RuneCountInString(n.str) > limit:
		o.d.fail(o.at(key), "has more than %d characters", limit)
	case want != nil && !want.is(n.str):
		o.d.fail(o.at(key), "%s", want.misfit(n.str))
	}
	return n.str
}

// choice returns one of options, or fallback when the key is absent.
func (o manifestObject) choice(key, fallback string, options ...string) string {
	n, ok := o.node.members[key]
	if !ok {
		return fallback
	}
	if n.kind != 's' || !slices.Contains(options, n.str) {
		o.d.fail(o.at(key), "must be one of %s", strings.Join(options, ", "))
	}
	return n.str
}

func (o manifestObject) number(key string) (float64, bool) {
	n, ok := o.node.members[key]
	if ok && n.kind != 'n' {
		o.d.fail(o.at(key), "must be a number")
	}
	return n.num, ok
}

func (o manifestObject) optional(key string) *float64 {
	if f, ok := o.number(key); ok {
		return &f
	}
	return nil
}

// integer returns a whole number from lo to hi, or fallback when absent.
func (o manifestObject) integer(key string, fallback, lo, hi int64) int64 {
	f, ok := o.number(key)
	if !ok {
		return fallback
	}
	if f != math.Trunc(f) || f < float64(lo) || f > float64(hi) {
		if lo == hi {
			o.d.fail(o.at(key), "must be %d", lo)
		} else {
			o.d.fail(o.at(key), "must be a whole number from %d to %d", lo, hi)
		}
		return fallback
	}
	return int64(f)
}

// list calls each for every item of an array with lo to hi items.
func (o manifestObject) list(key string, lo, hi int, each func(n jsonNode, path string)) {
	n, ok := o.node.members[key]
	if !ok {
		return
	}
	if n.kind != 'a' || len(n.items) < lo || len(n.items) > hi {
		o.d.fail(o.at(key), "must be an array of %d to %d items", lo, hi)
		return
	}
	for i, item := range n.items {
		each(item, fmt.Sprintf("%s[%d]", o.at(key), i))
	}
}

// texts returns an array of different strings.
func (o manifestObject) texts(key string, lo, hi, limit int, want *form) []string {
	var out []string
	o.list(key, lo, hi, func(n jsonNode, path string) {
		switch {
		case n.kind != 's' || utf8.RuneCountInString(n.str) > limit:
			o.d.fail(path, "must be a string of at most %d characters", limit)
		case want != nil && !want.is(n.str):
			o.d.fail(path, "%s", want.misfit(n.str))
		case slices.Contains(out, n.str):
			o.d.fail(path, "%s occurs twice", quoted(n.str))
		}
		out = append(out, n.str)
	})
	return out
}
