package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// syncEvery is how often the state is brought to the disk; in between it
	// outlives the end of the process, not that of the machine.
	syncEvery = time.Second
	// grace is how long a batch under way may take after the end was asked for.
	grace = 10 * time.Second
)

// Totals are what one run did with a file.
type Totals struct {
	// Resumed is how many rows earlier runs had done.
	Resumed int64
	// Rows were done by this run, Bad of them left out.
	Rows, Bad int64
	// Entries are trades or bars that were written.
	Entries int64
	// Derived are trades that got an id made of file and row.
	Derived int64
	// AlreadyDone tells that the whole file was imported before.
	AlreadyDone bool
	// Columns says which column is what, Unit in which unit times are. Empty
	// where no row was read.
	Columns, Unit string
}

// Import brings files into a target. It is used by one goroutine.
type Import struct{ cfg Config }

// entryReader turns rows into entries of a batch.
type entryReader interface {
	// add appends the entries of r to b. A *fault is about the row alone.
	add(r *row, b *Batch) (entries int64, err error)
	unitName() string
	setUnit(name string)
	derivedIDs() int64
}

// New checks cfg.
func New(cfg Config) (*Import, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Import{cfg: cfg}, nil
}

// ErrInterrupted tells that the end was asked for. What was acknowledged is in
// the state file, the next run goes on there.
var ErrInterrupted = errors.New("the import was interrupted")

// Run imports one file. statePath is its state file; headers go into each record
// of a trade. What had been acknowledged at an error is done, and the next run
// goes on behind it.
func (i *Import) Run(ctx context.Context, path, statePath string, headers TradeHeaders) (Totals, error) {
	lock := flock.New(statePath + ".lock")
	held, err := lock.TryLock()
	if err != nil {
		return Totals{}, fmt.Errorf("locking the state of the import: %w (another place: --state)", err)
	}
	if !held {
		return Totals{}, fmt.Errorf("another process imports %s now", filepath.Base(path))
	}
	defer func() {
		_ = os.Remove(statePath + ".lock") // nobody waits for it
		_ = lock.Close()                   // the end of the process gives it back, too
	}()
	f := &fileImport{Import: i, path: path, statePath: statePath}
	if err := f.begin(headers); err != nil || f.totals.AlreadyDone {
		return f.totals, err
	}
	defer f.rows.close()
	err = f.run(ctx)
	f.totals.Derived = f.reader.derivedIDs()
	return f.totals, err
}

// fileImport is one file under way.
type fileImport struct {
	*Import
	path, statePath string
	state           *state
	rows            *rows
	reader          entryReader
	totals          Totals
	synced          time.Time
	began           time.Time
	first           int64 // rows that were done before this run
	pendingBad      int64 // of the batch that is being written
}

// begin reads the state and goes to the first row that is not done.
func (f *fileImport) begin(headers TradeHeaders) error {
	now := &state{File: filepath.Base(f.path), Target: f.cfg.Target.Name(), Settings: f.cfg.settings()}
	var err error
	if now.Size, now.Head, err = identify(f.path); err != nil {
		return err
	}
	now.ID = now.Head[:16]
	old, err := loadState(f.statePath)
	switch {
	case f.cfg.Restart:
		old = nil
	case err != nil:
		return err
	case old != nil && old.Rows == 0:
		old = nil // nothing was done, whatever the words
	case old != nil && old.fits(now) != "":
		return fmt.Errorf("an import of %s is under way or done: %s. Use the words of before, or --restart to begin anew", now.File, old.fits(now))
	case old != nil && old.Done && old.Head == now.Head:
		f.totals = Totals{AlreadyDone: true, Resumed: old.Rows}
		return nil
	}
	if f.rows, err = openRows(&f.cfg, f.path); err != nil {
		return err
	}
	f.state = now
	if old != nil {
		err = f.resume(old)
	}
	if err == nil {
		err = f.makeReader(headers)
	}
	if err != nil {
		f.rows.close()
	}
	return err
}

// resume skips what is done. The rows must be those that were sent: the rest of
// the file may have changed.
func (f *fileImport) resume(old *state) error {
	f.state.ID, f.state.Rows, f.state.Bad, f.state.Unit, f.state.Hash = old.ID, old.Rows, old.Bad, old.Unit, old.Hash
	f.first, f.totals.Resumed = old.Rows, old.Rows
	for n := int64(0); n < old.Rows; n++ {
		_, err := f.rows.next()
		if bad := (*BadRowError)(nil); err != nil && !errors.As(err, &bad) {
			if errors.Is(err, io.EOF) {
				return fmt.Errorf("%s has %d rows, %d were imported: it is another file now (--restart imports it from its beginning)", f.state.File, n, old.Rows)
			}
			return err
		}
	}
	if strconv.FormatUint(f.rows.sum.Sum64(), 16) != old.Hash {
		return fmt.Errorf("the first %d rows of %s, which were imported, have changed since: --restart imports the file from its beginning, and trades that have the same id, or none, may then count twice", old.Rows, f.state.File)
	}
	return nil
}

func (f *fileImport) makeReader(headers TradeHeaders) error {
	var err error
	if f.cfg.Kind == Bars {
		f.reader = newBarReader(&f.cfg, f.state.File)
	} else {
		f.reader, err = newTradeEntries(&f.cfg, f.state.File, f.state.ID, headers)
	}
	if err == nil && f.state.Unit != "" {
		f.reader.setUnit(f.state.Unit)
	}
	return err
}

// outcome is what became of a batch.
type outcome struct {
	batch *Batch
	err   error
}

// run reads a batch while the one before is written.
func (f *fileImport) run(ctx context.Context) error {
	f.began, f.synced = f.cfg.Clock.Now(), f.cfg.Clock.Now()
	if err := f.state.save(f.statePath, true); err != nil { // shows at once that it can be written
		return err
	}
	if f.cfg.Guard != nil && f.first > 0 {
		f.cfg.Guard.resumed()
	}
	var under chan outcome
	for {
		b, readErr := f.collect(ctx)
		if under != nil {
			if err := f.settle(<-under); err != nil {
				return err
			}
			under = nil
		}
		if b.rows > f.state.Rows && !fatal(readErr) {
			under = f.write(ctx, b)
		}
		if readErr == nil {
			continue
		}
		if under != nil {
			if err := f.settle(<-under); err != nil {
				return err
			}
		}
		return f.finish(readErr)
	}
}

// fatal reports whether what was read before an error must not be written: an
// interruption leaves it to the next run.
func fatal(err error) bool { return errors.Is(err, ErrInterrupted) }

// finish writes the last state.
func (f *fileImport) finish(readErr error) error {
	f.state.Done = errors.Is(readErr, io.EOF)
	if f.rows.layout != nil && f.rows.row.fields != nil {
		f.totals.Columns = f.rows.layout.String()
	}
	f.totals.Unit = f.reader.unitName()
	if err := f.state.save(f.statePath, true); err != nil {
		return err
	}
	if f.state.Done {
		return nil
	}
	return readErr
}

// collect reads rows until a batch is full. With an error the batch holds what
// was read before it.
func (f *fileImport) collect(ctx context.Context) (*Batch, error) {
	before := f.rows.row.n
	b := &Batch{rows: before, sum: f.rows.sum.Sum64()}
	limit := f.cfg.rowsPerBatch
	if f.cfg.Rate > 0 {
		limit = max(1, min(limit, int64(f.cfg.Rate/10)))
	}
	for !b.full(limit, before) {
		if ctx.Err() != nil {
			return b, ErrInterrupted
		}
		r, err := f.rows.next()
		bad := (*BadRowError)(nil)
		if err != nil && !errors.As(err, &bad) {
			return b, err
		}
		var entries int64
		if bad == nil {
			entries, err = f.reader.add(r, b)
			if wrong := (*fault)(nil); errors.As(err, &wrong) {
				bad = f.rows.bad(r, wrong)
			} else if err != nil {
				return b, f.rows.wrapAt(r.line, err)
			}
		}
		if bad != nil {
			if f.state.Bad+f.unsettled(b)+1 > f.cfg.MaxBad {
				return b, &TooManyBadError{Limit: f.cfg.MaxBad, Row: bad}
			}
			b.bad = append(b.bad, bad)
		}
		b.entries += entries
		b.rows, b.sum = r.n, f.rows.sum.Sum64()
	}
	return b, nil
}

// unsettled are bad rows that the state does not count yet: those of b and of
// the batch that is being written.
func (f *fileImport) unsettled(b *Batch) int64 { return int64(len(b.bad)) + f.pendingBad }

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
	f.state.Rows, f.state.Hash, f.state.Unit = b.rows, strconv.FormatUint(b.sum, 16), f.reader.unitName()
	f.state.Bad += int64(len(b.bad))
	now := f.cfg.Clock.Now()
	sync := now.Sub(f.synced) >= syncEvery
	if sync {
		f.synced = now
	}
	if f.cfg.Progress != nil {
		f.cfg.Progress(Progress{Rows: f.state.Rows, Bad: f.state.Bad, Read: f.rows.in.read, Size: f.rows.in.size})
	}
	return f.state.save(f.statePath, sync)
}

// name is that of a unit that is settled.
func (u *unitFinder) name() string {
	if !u.known {
		return ""
	}
	return u.unit.String()
}

// restore takes over the unit of an earlier run.
func (u *unitFinder) restore(name string) {
	if unit, err := wire.ParseTimeUnit(name); err == nil && !u.known {
		u.unit, u.known, u.auto = unit, true, true
	}
}
