package transfer

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// grace is how long a batch under way may take after the end was asked for.
const grace = 10 * time.Second

// outcome is what became of a batch.
type outcome struct {
	batch *Batch
	err   error
}

// note says in the state that the rows of b may be on the target: the guard of
// the next run would refuse them there as trades that somebody else has sent. It
// outlives a power failure, and the batch before is on its way meanwhile.
func (f *fileImport) note(b *Batch) error {
	if b.rows <= f.state.Sent {
		return nil
	}
	f.state.Sent, f.state.SentHash = b.rows, hashText(b.sum)
	return f.state.save(f.statePath, true)
}

// write delivers b. The batch under way when the end is asked for gets a while.
func (f *fileImport) write(ctx context.Context, b *Batch) chan outcome {
	done := make(chan outcome, 1)
	f.pendingBad = int64(len(b.bad))
	fail := func(err error) { done <- outcome{b, err} }
	safego.Go("import", fail, func() {
		within, cancel := context.WithCancel(context.WithoutCancel(ctx))
		defer cancel()
		defer context.AfterFunc(ctx, func() {
			t := f.cfg.Clock.NewTimer(grace)
			defer t.Stop()
			select {
			case <-t.C():
				cancel()
			case <-within.Done():
			}
		})()
		if err := f.pace(ctx, b); err != nil {
			done <- outcome{b, err}
			return
		}
		done <- outcome{b, f.cfg.Target.Write(within, b)}
	})
	return done
}

// pace waits until b may go out at the configured rate.
func (f *fileImport) pace(ctx context.Context, b *Batch) error {
	if f.cfg.Rate <= 0 {
		return nil
	}
	due := f.began.Add(time.Duration(float64(b.rows-f.first) / f.cfg.Rate * float64(time.Second)))
	wait := due.Sub(f.cfg.Clock.Now())
	if wait <= 0 {
		return nil
	}
	t := f.cfg.Clock.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ErrInterrupted
	}
}

// settle takes over a batch that was written: the bad rows are told and the
// state moves.
func (f *fileImport) settle(o outcome) error {
	f.pendingBad = 0
	if o.err != nil {
		if err := f.state.save(f.statePath, true); err != nil {
			return errors.Join(o.err, err)
		}
		return o.err
	}
	b := o.batch
	if f.cfg.Bad != nil && len(b.bad) > 0 {
		if err := f.cfg.Bad(b.bad); err != nil {
			return err
		}
	}
	f.totals.Rows += b.rows - f.state.Rows
	f.totals.Bad += int64(len(b.bad))
	f.totals.Entries += b.entries
	f.state.Rows, f.state.Hash, f.state.Unit = b.rows, hashText(b.sum), f.reader.unitName()
	f.state.Bad += int64(len(b.bad))
	if f.cfg.Progress != nil {
		f.cfg.Progress(Progress{Rows: f.state.Rows, Bad: f.state.Bad, Read: f.rows.in.read, Size: f.rows.in.size})
	}
	return f.state.save(f.statePath, false) // the next note brings it to the disk
}
