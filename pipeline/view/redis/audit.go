package redis

import "context"

// audit is a walk over the inventory of a partition, a page at each look at an
// idle view: hashes that nobody writes can be evicted or deleted as well.
type audit struct {
	began  bool // the first round is made at once
	cursor uint64
}

// inspect compares hashes with the inventory and returns where the view stands.
// A process that has just started looks at all of them, since it does not know
// what happened before it.
func (r *Redis) inspect(ctx context.Context, x *part, p int32, at int64) (int64, error) {
	for {
		keys, next, err := r.listed(ctx, p, x.audit.cursor)
		if err != nil {
			return at, err
		}
		a, err := r.run(ctx, p, at, at, nil, keys)
		if err != nil {
			return at, err
		}
		have, err := r.judge(ctx, x, p, at, a)
		if err != nil || have != at {
			return have, err
		}
		for _, text := range keys {
			if k, err := parseKey(text); err == nil && k.kind == keyBar && len(k.parts) == 2 {
				x.told.met(k.parts[0])
			}
		}
		x.audit.cursor = next
		if x.audit.began = x.audit.began || next == 0; x.audit.began {
			return at, nil
		}
	}
}
