package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// merger makes one row of all that was written about a bar, which arrives sorted:
// its newest revision, with the values that were changed after it.
type merger struct {
	table  table
	values []output
	rows   int64

	bar     []byte // key of the bar, without what is about revisions
	newest  []byte // its newest revision so far, nil without
	patches []patch
}

// add takes a sorted row.
func (m *merger) add(key, value []byte) error {
	bar := key[:len(key)-versionBytes]
	if !bytes.Equal(bar, m.bar) {
		if err := m.flush(); err != nil {
			return err
		}
		m.bar, m.patches = append(m.bar[:0], bar...), m.patches[:0]
	}
	if value[0] == patched {
		var p patch
		if err := json.Unmarshal(value[1:], &p); err != nil {
			return fmt.Errorf("reading a sorted row: %w", err)
		}
		m.patches = append(m.patches, p)
		return nil
	}
	// A revision carries the values of its time: patches before it are done.
	m.newest, m.patches = append(m.newest[:0], value...), m.patches[:0]
	return nil
}

// flush writes the bar that is complete.
func (m *merger) flush() error {
	if m.newest == nil {
		return nil
	}
	var k wire.KlineRecord
	if err := wire.DecodeKline(m.newest, &k); err != nil {
		return fmt.Errorf("reading a sorted row: %w", err)
	}
	for i := range m.patches {
		m.patches[i].apply(&k)
	}
	m.newest, m.patches = nil, m.patches[:0]
	m.rows++
	return m.table.row(klineCells(&k, m.values))
}
