package serve

import (
	"math"
	"slices"
	"sort"
)

// version is a program that computes the bars that open at or after from, ms. The
// same program may come again as another version of it.
type version struct {
	program Program
	key     string // of the Turn it came with
	from    int64
}

// versions makes a plan of an instance of what a Computer answers, which has a
// program in it. What stands in the plan before stays the same version: its states
// go on.
func versions(name string, before []*version, turns []Turn) []*version {
	meta := under(name, metaOfTurns(turns))
	out := make([]*version, 0, len(turns))
	for i := range turns {
		t := &turns[i]
		same := slices.IndexFunc(before, func(v *version) bool { return v.from == t.From && v.key == t.Key })
		switch {
		case same >= 0:
			out = append(out, before[same])
		case t.Program == nil:
			out = append(out, &version{program: &refused{meta, t.Err}, key: t.Key, from: t.From})
		default:
			out = append(out, &version{program: called(name, t.Program), key: t.Key, from: t.From})
		}
	}
	return out
}

// renamed is a program under the name of the instance that it computes: a version
// with one more parameter, or with another default, would write it in another way.
type renamed struct {
	Program
	meta *InstanceMeta
}

// Meta implements Program.
func (r *renamed) Meta() *InstanceMeta { return r.meta }

func called(name string, p Program) Program {
	if p.Meta().Name == name {
		return p
	}
	return &renamed{p, under(name, p.Meta())}
}

// under is a description with that name.
func under(name string, m *InstanceMeta) *InstanceMeta {
	if m == nil || m.Name == name {
		return m
	}
	own := *m
	own.Name = name
	return &own
}

// metaOfTurns describes the instance as the newest turn does that has a program,
// nil if none has.
func metaOfTurns(turns []Turn) *InstanceMeta {
	for _, t := range slices.Backward(turns) {
		if t.Program != nil {
			return t.Program.Meta()
		}
	}
	return nil
}

// versions is the plan of d, ascending by from, never empty.
func (d *dynamic) versions() []*version { return *d.plan.Load() }

// at is who computes the bar that opens at t: on every node the same, whenever
// it was started and whoever asked first.
func (d *dynamic) at(t int64) *version {
	list := d.versions()
	return list[indexAt(list, t)]
}

// indexAt is the number of the version whose bar opens at t.
func indexAt(list []*version, t int64) int {
	return max(sort.Search(len(list), func(i int) bool { return list[i].from > t })-1, 0)
}

// ahead lists the versions that are to be prepared where now is shown and the
// newest bar opened at lastT: those whose bars are to come, the one whose bar
// that was if it is not the one shown, and a shadow.
func (d *dynamic) ahead(now *version, lastT int64) []*version {
	list := d.versions()
	from := indexAt(list, lastT)
	if i := slices.Index(list, now); i >= from {
		from = i + 1
	}
	out := slices.Clone(list[from:])
	if s := d.shadow.Load(); s != nil {
		out = append(out, s)
	}
	return out
}

// shadowFrom is the from of a version that never takes over.
const shadowFrom = math.MaxInt64

// refused stands for an instance that a version does not have, or must not
// compute any more: its values are null.
type refused struct {
	meta *InstanceMeta
	err  error
}

// Meta implements Program.
func (r *refused) Meta() *InstanceMeta { return r.meta }

// Start implements Program.
func (r *refused) Start(int64) (Cursor, error) { return nil, r.err }
