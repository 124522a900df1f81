package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Rebuild begins partition p anew at the start of the log and returns that
// offset. The follower asks for it when positions of the view mean nothing in
// the log any more: it was created again, or retention has overtaken the view.
func (r *Redis) Rebuild(ctx context.Context, p int32) (int64, error) {
	x := r.part(p)
	x.forget()
	a, err := r.run(ctx, p, 0, 0, nil, nil) // for what the view holds
	if err == nil && a.code == answerFenced {
		err = fmt.Errorf("building partition %d of the Redis view anew: %w", p, ErrFenced)
	}
	if err == nil {
		a.next, err = r.rebuild(ctx, x, p, a)
	}
	r.note(err)
	if err == nil {
		x.next = a.next
	}
	return a.next, err
}

// rebuild begins an empty view of the partition at the start of the log, if it
// still is what the answer found, and returns where it stands then; the follower
// reads the log again from there.
func (r *Redis) rebuild(ctx context.Context, x *part, p int32, found answer) (int64, error) {
	start, err := r.start(ctx, p)
	if err != nil {
		return 0, err
	}
	old, err := r.known(ctx, x, p)
	if err != nil {
		return start, err
	}
	x.leave(old)
	a, err := r.call(ctx, beginScript, []string{r.key(p, keyPos), r.key(p, keyHas)},
		pad16(r.cfg.Epoch), pad16(start), found.epoch, found.held)
	if err != nil {
		return start, fmt.Errorf("beginning partition %d of the Redis view: %w", p, err)
	}
	clear(x.series)
	x.audit, x.next = audit{}, a.next
	x.told.again()
	switch a.code {
	case answerOK:
		return start, r.sweep(ctx, x, p)
	case answerDup: // another follower has begun it
		return max(a.next, 0), nil
	case answerFenced:
		return start, fmt.Errorf("beginning partition %d of the Redis view: %w", p, ErrFenced)
	}
	return start, fmt.Errorf("beginning partition %d of the Redis view: unexpected answer %q", p, a.code)
}

// start is the first offset of the log.
func (r *Redis) start(ctx context.Context, p int32) (int64, error) {
	if r.cfg.LogStart == nil {
		return 0, nil
	}
	start, err := r.cfg.LogStart(ctx, p)
	if err != nil {
		return 0, fmt.Errorf("asking for the start of klines[%d] to build the Redis view: %w", p, err)
	}
	return start, nil
}

// known lists the hashes of the view that ends: those it names itself, and those
// of the series met so far in case it has lost that list.
func (r *Redis) known(ctx context.Context, x *part, p int32) ([]string, error) {
	var keys []string
	for k, s := range x.series {
		keys = append(keys, k, s.inds)
	}
	for cursor := uint64(0); ; {
		page, next, err := r.listed(ctx, p, cursor)
		if err != nil {
			return nil, err
		}
		keys = append(keys, page...)
		if cursor = next; cursor == 0 {
			return keys, nil
		}
	}
}

// listed reads a page of the inventory. The names it returns are keys of the
// partition, whatever the reply says: they will be deleted or looked at.
func (r *Redis) listed(ctx context.Context, p int32, cursor uint64) ([]string, uint64, error) {
	c := r.conn()
	fields, next, err := c.HScan(ctx, r.key(p, keyHas), cursor, "", maxWrites).Result()
	if serverSaid(err, "WRONGTYPE") {
		return nil, 0, nil // somebody has written over it: the script finds it lost
	}
	if err != nil {
		r.distrust(ctx, c, err)
		return nil, 0, fmt.Errorf("reading the inventory of partition %d of the Redis view: %w", p, err)
	}
	var keys []string
	bars, inds := r.key(p, keyBar)+":", r.key(p, keyInd)+":"
	for i := 0; i+1 < len(fields); i += 2 { // field, count
		if strings.HasPrefix(fields[i], bars) || strings.HasPrefix(fields[i], inds) {
			keys = append(keys, fields[i])
		}
	}
	return keys, next, nil
}

// leave notes hashes that are to be swept.
func (x *part) leave(keys []string) {
	x.left = append(x.left, keys...)
	slices.Sort(x.left)
	x.left = slices.Compact(x.left)
}

// sweep deletes hashes that the new view has not written meanwhile, in pieces:
// other clients wait while one is deleted. What it has not come to is left for the
// next look.
func (r *Redis) sweep(ctx context.Context, x *part, p int32) error {
	for len(x.left) > 0 {
		n := min(len(x.left), maxWrites)
		args := append([]string{r.key(p, keyPos), r.key(p, keyHas)}, x.left[:n]...)
		if _, err := r.call(ctx, sweepScript, args); err != nil {
			return fmt.Errorf("sweeping partition %d of the Redis view: %w", p, err)
		}
		x.left = x.left[n:]
	}
	x.left = nil
	return nil
}
