package schedule

import "fmt"

// replay computes what must stand on the outputs of p: a fresh core reads every
// tick and every decision that counts once, in order.
func (w *world) replay(p int) (*machine, []decision, error) {
	count := counter{}
	log := w.logs[journal][p]
	log.committed(0, log.end, count.take)
	if count.jump {
		return nil, nil, fmt.Errorf("journal of partition %d: a number is missing", p)
	}
	var todo pending
	for _, d := range count.recs {
		todo.insert(d)
	}
	order := append([]decision(nil), todo...)
	m, err := w.machine(p, w.firstRules(p), Mutant{})
	if err != nil {
		return nil, nil, err
	}
	for i := range w.logs[ticks][p].recs {
		r := &w.logs[ticks][p].recs[i]
		if err := m.actAll(&todo, r.offset); err != nil {
			return nil, nil, err
		}
		if err := m.apply(r); err != nil {
			return nil, nil, err
		}
	}
	if err := m.actAll(&todo, m.eng.Next()); err != nil {
		return nil, nil, err
	}
	if len(todo) > 0 {
		return nil, nil, fmt.Errorf("decision %d acts before offset %d, the input ends at %d", todo[0].n, todo[0].at, m.eng.Next())
	}
	m.n = count.last
	return m, order, nil
}

// firstRules are those that the partition began with: of its first checkpoint.
func (w *world) firstRules(p int) int {
	for _, r := range w.links(p, 0, w.logs[state][p].end) {
		if r.link.part == 1 {
			return r.link.rules
		}
	}
	return 0
}

func (m *machine) actAll(todo *pending, offset int64) error {
	for {
		d, ok := todo.due(offset)
		if !ok {
			return nil
		}
		if d.lo >= 0 && m.last != (lastRecord{d.lo, d.lc}) {
			return fmt.Errorf("decision %d was taken behind record %d, the replay has record %d there", d.n, d.lo, m.last.offset)
		}
		if err := m.act(&d); err != nil {
			return fmt.Errorf("acting on decision %d: %w", d.n, err)
		}
	}
}
