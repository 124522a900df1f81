package core

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Restore replaces the state by that of a snapshot, which may come from another
// configuration: an interval in both keeps its state, a new one starts at its
// next boundary with a partial bar, one that is gone is dropped. After an error
// the engine is as before.
func (e *Engine) Restore(b []byte) error {
	parts, err := splitSections(b)
	if err != nil {
		return fmt.Errorf("restoring core: %w", err)
	}
	n, err := e.load(parts)
	if err != nil {
		return fmt.Errorf("restoring core: %w", err)
	}
	n = n.reconfigured(e.cfg)
	*e = *n
	return nil
}

// sections are the payloads of a snapshot.
type sections struct {
	one       [sectionRetired + 1][]byte
	intervals [][]byte
}

func splitSections(b []byte) (*sections, error) {
	s := new(sections)
	for len(b) > 0 {
		if len(b) < 6 {
			return nil, fmt.Errorf("%w: section cut off", errDamaged)
		}
		id, n := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint32(b[2:])
		if uint64(n) > uint64(len(b)-6) {
			return nil, fmt.Errorf("%w: section %d is longer than the snapshot", errDamaged, id)
		}
		body := b[6 : 6+n : 6+n]
		b = b[6+n:]
		switch {
		case id >= 0x8000:
			return nil, fmt.Errorf("section %#x is unknown: run the release that wrote it", id)
		case id == sectionInterval:
			s.intervals = append(s.intervals, body)
		case id == 0 || int(id) >= len(s.one):
		case s.one[id] != nil:
			return nil, fmt.Errorf("%w: section %d stands twice", errDamaged, id)
		default:
			s.one[id] = body
		}
	}
	for id := sectionPosition; id <= sectionPrints; id++ {
		if id != sectionInterval && s.one[id] == nil {
			return nil, fmt.Errorf("%w: section %d is missing", errDamaged, id)
		}
	}
	return s, nil
}

// load builds an engine with the intervals and the delay of the snapshot.
func (e *Engine) load(parts *sections) (*Engine, error) {
	old := e.cfg
	old.Intervals = nil
	for _, body := range parts.intervals {
		itv, err := ParseInterval((&reader{b: body}).text(32))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		old.Intervals = append(old.Intervals, itv)
	}
	n, err := New(old)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	for _, part := range []struct {
		name string
		body []byte
		read func(*reader)
	}{
		{"position", parts.one[sectionPosition], n.readPosition},
		{"sources", parts.one[sectionSources], n.readSources},
		{"symbols", parts.one[sectionSymbols], n.readSymbols},
		{"ids", parts.one[sectionIDs], n.readIDs},
		{"prints", parts.one[sectionPrints], n.readPrints},
	} {
		if err := readAll(part.name, part.body, part.read); err != nil {
			return nil, err
		}
	}
	if body := parts.one[sectionRetired]; body != nil {
		if err := readAll("retired intervals", body, n.readRetired); err != nil {
			return nil, err
		}
	}
	for i, body := range parts.intervals {
		if err := readAll("interval", body, func(r *reader) { n.readInterval(r, i) }); err != nil {
			return nil, err
		}
	}
	if n.cfg.Partition != e.cfg.Partition {
		return nil, fmt.Errorf("snapshot is of partition %d, not %d", n.cfg.Partition, e.cfg.Partition)
	}
	return n, nil
}

func readAll(name string, body []byte, read func(*reader)) error {
	r := &reader{b: body}
	read(r)
	if r.bad || len(r.b) > 0 {
		return fmt.Errorf("%w: section of %s", errDamaged, name)
	}
	return nil
}

func (e *Engine) readPosition(r *reader) {
	if r.uint() != stateFormat {
		r.fail()
		return
	}
	e.cfg.Partition = int32(r.int())
	e.next = r.int()
	e.begun = r.bool()
	e.epoch = int32(r.int())
	e.cfg.WatermarkDelay = r.int()
	for _, c := range e.counters.list() {
		*c = r.int()
	}
	if r.uint() != uint64(NumReasons) || e.next < 0 || e.cfg.WatermarkDelay < 0 || e.cfg.WatermarkDelay > maxDuration {
		r.fail()
		return
	}
	for i := range e.counters.ByReason {
		e.counters.ByReason[i] = r.int()
	}
}

func (e *Engine) readSources(r *reader) {
	for range r.count(6) {
		name := r.text(maxSourceName)
		// Snapshots of before hold names of any bytes; see who reads them from records.
		if clean := strings.ToValidUTF8(name, "\ufffd"); e.sourceByName[clean] == nil && len(clean) <= maxSourceName {
			name = clean
		}
		if e.sourceByName[name] != nil || len(e.sources) == maxSources {
			r.fail()
			return
		}
		s := e.addSource(name)
		s.event, s.timestamp = r.time(), r.int()
		s.watermark = r.int()
		if s.watermark < never || s.watermark >= -never {
			r.fail()
		}
		s.historical, s.down = r.bool(), r.bool()
	}
}
