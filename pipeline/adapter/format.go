package adapter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// PresetGeneric is the trade JSON that our own feeds write, with fields that
// can be placed elsewhere.
const PresetGeneric = "generic"

// Format says how trade records are written. The zero value is the generic
// trade JSON. Its block in the Caddyfile:
//
//	format [generic] {
//		symbol|price|size|ts|id|side|seq|op|ref_id <path>
//		time_unit s|ms|us|ns|rfc3339
//		side_of taker|maker|none
//	}
type Format struct {
	// Preset is the dialect. Default: generic.
	Preset string `json:"preset,omitempty"`
	// Fields places fields of a trade: the key is the field's word, the value
	// its path, such as `p`, `data.price` or, where `data` is an array of
	// trades, `data[].price`. Default: each field under its own name.
	Fields map[string]string `json:"fields,omitempty"`
	// TimeUnit is the unit of ts: s, ms, us, ns or rfc3339. Nothing is guessed.
	// Default: ms.
	TimeUnit string `json:"time_unit,omitempty"`
	// SideOf is the party whose side is in the record: taker, maker or none. A
	// side that is true or false says whether that party is the buyer.
	// Default: taker.
	SideOf string `json:"side_of,omitempty"`
}

// Words returns the words of a format block, in the order of the manual.
func Words() []string {
	words := make([]string, 0, int(wire.NumFields)+1)
	for f := range wire.NumFields {
		if f != wire.FieldTN {
			words = append(words, f.String())
		}
	}
	return append(words, "time_unit", "side_of")
}

// Set takes over one line of a format block. Errors name the word and what is
// allowed.
func (f *Format) Set(word string, args ...string) error {
	if !slices.Contains(Words(), word) {
		return fmt.Errorf("unrecognized word %q in format (allowed: %s)", cut(word), strings.Join(Words(), ", "))
	}
	if len(args) != 1 {
		return fmt.Errorf("reading format: %s takes one argument, it has %d", word, len(args))
	}
	switch word {
	case "time_unit":
		return once(word, &f.TimeUnit, args[0])
	case "side_of":
		return once(word, &f.SideOf, args[0])
	}
	old := f.Fields[word]
	if err := once(word, &old, args[0]); err != nil {
		return err
	}
	if f.Fields == nil {
		f.Fields = map[string]string{}
	}
	f.Fields[word] = old
	return nil
}

func once(word string, to *string, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("reading format: %s has an empty value", word)
	case *to != "":
		return fmt.Errorf("reading format: %s is given twice", word)
	}
	*to = value
	return nil
}

// Mapping checks f and returns what decoders are made of.
func (f Format) Mapping() (*wire.Mapping, error) {
	if f.Preset != "" && f.Preset != PresetGeneric {
		return nil, fmt.Errorf("unrecognized format %q (allowed: %s)", cut(f.Preset), PresetGeneric)
	}
	m := &wire.Mapping{}
	// Sorted, so that of two faults the same one is named every time.
	for _, word := range slices.Sorted(maps.Keys(f.Fields)) {
		field, ok := wire.ParseField(word)
		if !ok {
			return nil, fmt.Errorf("unrecognized field %q in format (allowed: %s)", cut(word), strings.Join(Words()[:len(Words())-2], ", "))
		}
		path, err := wire.ParsePath(f.Fields[word])
		if err != nil {
			return nil, fmt.Errorf("reading format: %s: %w", word, err)
		}
		m.Paths[field] = path
	}
	var err error
	if f.TimeUnit != "" {
		if m.TimeUnit, err = wire.ParseTimeUnit(f.TimeUnit); err != nil {
			return nil, fmt.Errorf("reading format: %w", err)
		}
	}
	if f.SideOf != "" {
		if m.SideOf, err = wire.ParseSideOf(f.SideOf); err != nil {
			return nil, fmt.Errorf("reading format: %w", err)
		}
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("reading format: %w", err)
	}
	return m, nil
}

// cut bounds foreign text in an error.
func cut(s string) string {
	const limit = 64
	return s[:min(len(s), limit)]
}
