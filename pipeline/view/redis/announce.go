package redis

import (
	"context"
	"slices"
)

// announceAfter is after how many looks at an idle view, one a second, outside
// readers are told everything again: what tells them has no position, and in a
// cluster it may live on another server than the partition.
const announceAfter = 10

// told is what outside readers have been told of a partition.
type told struct {
	symbols map[string]bool // false: to be told
	mapping bool            // how to find keys
	looks   int             // since everything was told
}

// met notes a symbol.
func (t *told) met(sym string) {
	if _, known := t.symbols[sym]; !known {
		t.symbols[sym] = false
	}
}

// again makes the next announcement say everything.
func (t *told) again() {
	for sym := range t.symbols {
		t.symbols[sym] = false
	}
	t.mapping, t.looks = false, 0
}

// announce tells outside readers how to find keys and in which partition a
// symbol is. It is no part of the view's correctness: what fails is said again
// later, and no partition tries meanwhile, or all of them would wait for the one
// server that does not answer.
func (r *Redis) announce(ctx context.Context, x *part, p int32, look bool) {
	t, hushed := &x.told, r.hushed(look)
	if look {
		if t.looks++; t.looks >= announceAfter {
			t.again()
		}
	}
	var fields []any
	var names []string
	for sym, said := range t.symbols {
		if !said {
			names = append(names, sym)
			fields = append(fields, sym, p)
		}
	}
	if t.mapping && len(names) == 0 || hushed {
		return
	}
	pipe := r.conn().Pipeline()
	pipe.HSet(ctx, r.cfg.KeyPrefix+":map", "mv", r.cfg.MappingVersion, "n", r.cfg.Partitions, "epoch", r.cfg.Epoch, "schema", 1)
	for piece := range slices.Chunk(fields, 2*maxWrites) {
		pipe.HSet(ctx, r.symbolsKey(), piece...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		if serverSaid(err, "WRONGTYPE") { // somebody has written over it, and no HSET will ever do
			r.conn().Unlink(ctx, r.cfg.KeyPrefix+":map")
			r.conn().Unlink(ctx, r.symbolsKey())
		}
		r.hush()
		return
	}
	t.mapping = true
	for _, sym := range names {
		t.symbols[sym] = true
	}
}

// hush keeps all partitions from announcing for as many looks as they make in
// one round of announcements.
func (r *Redis) hush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = announceAfter * max(int(r.cfg.Partitions), 1)
}

// hushed counts the looks since.
func (r *Redis) hushed(look bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if look && r.silent > 0 {
		r.silent--
	}
	return r.silent > 0
}

func (r *Redis) symbolsKey() string {
	return r.cfg.KeyPrefix + ":{" + r.cfg.MappingVersion + "}:sym"
}
