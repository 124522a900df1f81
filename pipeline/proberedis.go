package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// probePeriod is how often an idle view is asked where it stands: a server that
// silently lost data is found within it.
const probePeriod = time.Second

// probe asks an idle view where it stands, and shows forming bars in between.
func (f *redisFollower) probe(ctx context.Context, fail context.CancelCauseFunc) {
	t := f.e.cfg.Clock.NewTicker(probePeriod)
	defer t.Stop()
	for turn := int32(0); ; {
		select {
		case <-ctx.Done():
			return
		case b := <-f.e.formingForRedis:
			f.show(ctx, b)
		case <-t.C():
			turn++
			if err := errors.Join(f.lookAll(ctx), f.retry(ctx, turn)); err != nil {
				fail(err)
				return
			}
		}
	}
}

// show writes forming bars, best effort: the next change shows a bar again.
func (f *redisFollower) show(ctx context.Context, b formingBars) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away[b.p] != nil {
		return
	}
	if err := f.sink.Forming(ctx, b.p, b.values); err != nil {
		f.e.cfg.Observer.SinkError(sinkRedis, sinkReason(err))
	}
}

// lookAll asks where the partitions stand and returns errSeek if one has gone
// back. The others are asked all the same.
func (f *redisFollower) lookAll(ctx context.Context) error {
	var back error
	for p := range f.layout.N {
		err := f.look(ctx, p)
		if err != nil && !errors.Is(err, errSeek) {
			return err
		}
		back = errors.Join(back, err)
	}
	return back
}

// look asks one partition with the position that is current when the call is
// made: the follower may have moved it meanwhile.
func (f *redisFollower) look(ctx context.Context, p int32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away[p] != nil {
		return nil
	}
	at := f.have[p]
	have, err := f.sink.Apply(ctx, p, at, at, nil)
	if err != nil {
		return f.failed(ctx, p, fmt.Errorf("asking redis for the position of partition %d: %w", p, err))
	}
	f.have[p] = have
	if have < at {
		return errSeek
	}
	return nil
}

// retry asks one of the partitions that are away, another one each turn. One
// that answers has to be read again from where it stands.
func (f *redisFollower) retry(ctx context.Context, turn int32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.away) == 0 {
		return nil
	}
	away := slices.Sorted(maps.Keys(f.away))
	p := away[int(turn)%len(away)]
	have, err := f.sink.Apply(ctx, p, f.have[p], f.have[p], nil)
	if err != nil {
		return nil // it is away already; another turn comes
	}
	delete(f.away, p)
	f.have[p] = have
	return errSeek
}
