package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/view"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// maxWrites is about how many fields one call carries: a script stops every
// other client of the server while it runs (500 fields: 0.45 ms).
const maxWrites = 200

// formingTTL ends forming bars whose worker is gone.
const formingTTL = time.Hour

// Apply implements view.Sink. A position beyond to means that another follower
// has been there: what it wrote is passed over, here and in the next calls.
func (r *Redis) Apply(ctx context.Context, p int32, from, to int64, recs []view.Record) (int64, error) {
	x := r.part(p)
	at := max(from, x.next)
	var have int64
	var err error
	if from == to {
		if have, err = r.inspect(ctx, x, p, at); err == nil {
			err = r.sweep(ctx, x, p)
		}
	} else {
		if from != x.read {
			x.forget() // the books lack the records in between
		}
		x.read = to
		have, err = r.apply(ctx, x, p, at, to, recs)
	}
	r.note(err)
	if err != nil || have < to {
		x.forget()
	}
	if err != nil {
		return have, err
	}
	x.next = have
	r.announce(ctx, x, p, from == to)
	return have, nil
}

// apply goes through the records in calls of maxWrites. Of those below at only
// the books are kept: the view has them.
func (r *Redis) apply(ctx context.Context, x *part, p int32, at, to int64, recs []view.Record) (int64, error) {
	for i := 0; ; {
		first := i
		var batch []write
		for i < len(recs) && len(batch) < maxWrites {
			made, err := r.writes(ctx, x, p, &recs[i], batch)
			if err != nil {
				return at, err
			}
			if recs[i].Offset >= at {
				batch = made
			}
			i++
		}
		next := to
		if i < len(recs) {
			next = recs[i].Offset
		}
		if next > at {
			have, err := r.move(ctx, x, p, at, next, batch)
			if err != nil || have <= at {
				return have, err
			}
			if at = have; have < next { // another follower did a part of it
				x.forget()
				i = first
				continue
			}
		}
		if next == to {
			return at, nil
		}
	}
}

// move applies one range and says where the view is afterwards. A call without
// an answer may have run or not; an empty range at the old position tells. If it
// did not run, its error is returned all the same: the caller waits before it
// sends the range again, or a server that can answer nothing but short questions
// would be asked for ever.
func (r *Redis) move(ctx context.Context, x *part, p int32, from, to int64, writes []write) (int64, error) {
	a, err := r.run(ctx, p, from, to, writes, nil)
	if err != nil && ctx.Err() == nil {
		cause := err
		if a, err = r.run(ctx, p, from, from, nil, nil); err != nil {
			return from, errors.Join(cause, err)
		}
		if a.code == answerOK {
			return from, cause
		}
	}
	if err != nil {
		return from, err
	}
	return r.judge(ctx, x, p, to, a)
}

// judge says where the view stands after an answer.
func (r *Redis) judge(ctx context.Context, x *part, p int32, to int64, a answer) (int64, error) {
	switch a.code {
	case answerOK:
		return to, nil
	case answerDup:
		return a.next, nil
	case answerGap:
		x.told.again() // what outside readers were told may be gone as well
		return r.within(ctx, x, p, a)
	case answerMissing, answerOldEpoch, answerLost:
		return r.rebuild(ctx, x, p, a)
	case answerFenced:
		return to, fmt.Errorf("applying klines to partition %d of the Redis view: %w", p, ErrFenced)
	}
	return to, fmt.Errorf("applying klines to partition %d of the Redis view: unexpected answer %q", p, a.code)
}

// within checks that the log still has what the view lacks. If retention has
// removed it, going on would leave a hole that nobody sees.
func (r *Redis) within(ctx context.Context, x *part, p int32, a answer) (int64, error) {
	start, err := r.start(ctx, p)
	if err != nil {
		return a.next, err
	}
	if a.next < start {
		return r.rebuild(ctx, x, p, a)
	}
	return a.next, nil
}

// Forming writes forming bars (the JSON of the topic), best effort: outside the
// script, without a position, gone after an hour.
func (r *Redis) Forming(ctx context.Context, p int32, values [][]byte) error {
	c := r.conn()
	pipe := c.Pipeline()
	var k wire.KlineRecord
	for _, v := range values {
		if wire.DecodeKline(v, &k) != nil || k.Final {
			continue
		}
		key := r.key(p, keyCur, k.Sym)
		pipe.HSet(ctx, key, k.Itv, version(k.O1, 0)+"|"+string(v))
		pipe.PExpire(ctx, key, formingTTL)
	}
	if pipe.Len() == 0 {
		return nil
	}
	if cmds, err := pipe.Exec(ctx); err != nil {
		clearWrittenOver(ctx, c, cmds)
		r.distrust(ctx, c, err)
		return fmt.Errorf("writing forming bars to the Redis view: %w", err)
	}
	return nil
}

// clearWrittenOver removes the keys of commands that were refused since somebody has
// written another type there: no later command would ever do. A forming bar is written
// again with its next trade.
func clearWrittenOver(ctx context.Context, c goredis.UniversalClient, cmds []goredis.Cmder) {
	for _, cmd := range cmds {
		if key, ok := cmd.Args()[1].(string); ok && serverSaid(cmd.Err(), "WRONGTYPE") {
			c.Unlink(ctx, key) // where that fails, the next forming bar says it again
		}
	}
}

// versionLen is the length of a version: 16 digits, a point, 9 digits.
const versionLen = 16 + 1 + 9
