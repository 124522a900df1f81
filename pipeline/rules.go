package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// rules are what turns the records of a partition into outputs, besides the
// indicators. They stand in every snapshot: a process that was killed and comes
// back with others first goes through what was published under the old ones by
// the old ones, or bars of that time would be published a second time, changed.
type rules struct {
	core    core.Config
	mapping *wire.Mapping
}

// storedRules is how they are written.
type storedRules struct {
	Intervals []string
	Core      core.Config // without its intervals
	Mapping   *wire.Mapping
}

// rules are those of the configuration.
func (e *Engine) rules(p int32) rules { return rules{core: e.coreConfig(p), mapping: e.cfg.Mapping} }

func (r rules) encode() ([]byte, error) {
	s := storedRules{Core: r.core, Mapping: r.mapping}
	for _, itv := range r.core.Intervals {
		s.Intervals = append(s.Intervals, itv.Name())
	}
	s.Core.Intervals = nil
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing the rules: %w", err)
	}
	return text, nil
}

func decodeRules(text []byte) (rules, error) {
	var s storedRules
	if err := json.Unmarshal(text, &s); err != nil {
		return rules{}, fmt.Errorf("reading the rules of a snapshot: %w", err)
	}
	s.Core.Intervals = nil
	for _, name := range s.Intervals {
		itv, err := core.ParseInterval(name)
		if err != nil {
			return rules{}, fmt.Errorf("reading the rules of a snapshot: %w", err)
		}
		s.Core.Intervals = append(s.Core.Intervals, itv)
	}
	return rules{core: s.Core, mapping: s.Mapping}, nil
}

// errNoRules means: a snapshot of a version that did not store them.
var errNoRules = errors.New("the snapshot does not say by which rules it was made")

// rulesIn are those that a snapshot was made by.
func rulesIn(body []byte) (r rules, err error) {
	err = errNoRules
	broken := readSections(body, map[uint16]func([]byte) error{
		sectionRules:  func(b []byte) error { r, err = decodeRules(b); return nil },
		sectionWorker: skipSection, sectionCore: skipSection, sectionValues: skipSection,
	})
	return r, errors.Join(err, broken)
}

func skipSection([]byte) error { return nil }

// use makes the worker follow rules, with an empty state.
func (w *worker) use(r rules) error {
	eng, err := core.New(r.core)
	if err != nil {
		return fmt.Errorf("following the rules of partition %d: %w", w.p, err)
	}
	text, err := r.encode()
	if err != nil {
		return err
	}
	w.eng, w.dec, w.check.rules = eng, wire.NewDecoder(r.mapping), text
	w.vals = newValueSet(w.p, w.cfg.Indicators, r.core.Intervals, r.core.AllowedLateness)
	return nil
}

// become takes the state over to other rules, as a clean restart would.
func (w *worker) become(r rules) error {
	body := w.snapshot(nil)
	old := w.vals
	defer old.close()
	if err := w.use(r); err != nil {
		return err
	}
	w.forming.forget(len(w.vals.instances))
	w.current.forget()
	return w.load(body)
}
