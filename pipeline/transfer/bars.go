package transfer

import (
	"encoding/json"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// ImportedEpoch is the dataset epoch of imported bars. The engine's begin at 1,
// and of two records of one bar the higher epoch counts, so an imported bar never
// stands above one that the engine published.
const ImportedEpoch = 0

// barReader turns rows into bars.
type barReader struct {
	inherited
	unit  unitFinder
	itv   core.Interval     // of the last row
	texts map[string][]byte // of the row, by field
	row   *row
}

func newBarReader(cfg *Config, file string) *barReader {
	return &barReader{inherited: inherited{cfg: cfg, file: file}, unit: unitFinder{unit: cfg.unit, known: !cfg.auto}, texts: map[string][]byte{}}
}

func (b *barReader) unitName() string { return b.unit.name() }

func (b *barReader) setUnit(name string) { b.unit.restore(name) }

func (*barReader) derivedIDs() int64 { return 0 }

func (*barReader) unknownSides() int64 { return 0 }

// add implements entryReader.
func (b *barReader) add(r *row, batch *Batch) (int64, error) {
	if err := b.enter(r.member); err != nil {
		return 0, err
	}
	b.row = r
	if err := b.collect(r); err != nil {
		return 0, err
	}
	k, err := b.kline()
	if err != nil {
		return 0, err
	}
	k.Offset = r.line
	batch.Klines = append(batch.Klines, *k)
	return 1, nil
}

// collect finds the text of each field.
func (b *barReader) collect(r *row) error {
	clear(b.texts)
	if r.fields == nil {
		return b.collectObject(r.text)
	}
	for i, at := range r.layout.at {
		if at < 0 {
			continue
		}
		if at >= len(r.fields) {
			return faulty(r.layout.label(i), "the row has only %d columns", len(r.fields))
		}
		b.texts[barColumns.names[i]] = r.fields[at]
	}
	return nil
}

// collectObject reads a flat JSON object, such as a record of the topic klines.
func (b *barReader) collectObject(text []byte) error {
	var keys map[string]json.RawMessage
	if json.Unmarshal(text, &keys) != nil {
		return faulty("", "it is no JSON object of a bar; rows that are arrays need --columns or --venue")
	}
	for _, name := range barColumns.names {
		key := name
		if h := b.cfg.Columns.Headers[name]; h != "" {
			key = h
		}
		raw, found := keys[key]
		for _, other := range barColumns.also[name] {
			if !found && key == name {
				raw, found = keys[other]
			}
		}
		if !found || string(raw) == "null" {
			continue
		}
		if raw[0] == '"' {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return faulty(name, "is no text")
			}
			raw = []byte(s)
		}
		b.texts[name] = raw
	}
	return nil
}

func (b *barReader) fault(name, format string, args ...any) error {
	label := name
	if b.row.layout != nil && b.row.fields != nil {
		label = b.row.label(name)
	}
	text := b.texts[name]
	f := faulty(label, format, args...)
	if len(text) > 0 {
		f.reason = strconv.Quote(cut(string(text))) + " " + f.reason
	} else {
		f.reason = "it is empty or missing"
	}
	return f
}
