package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// fileImport is one file under way.
type fileImport struct {
	*Import
	path, statePath string
	state           *state
	rows            *rows
	reader          entryReader
	totals          Totals
	began           time.Time
	first           int64 // rows that were done before this run
	pendingBad      int64 // of the batch that is being written
}

// entryReader turns rows into entries of a batch.
type entryReader interface {
	// add appends the entries of r to b. A *fault is about the row alone.
	add(r *row, b *Batch) (entries int64, err error)
	unitName() string
	setUnit(name string)
	derivedIDs() int64
	unknownSides() int64
}

// begin reads the state and goes to the first row that is not done.
func (f *fileImport) begin(headers TradeHeaders) error {
	now := &state{File: filepath.Base(f.path), Target: f.cfg.Target.Name(), Settings: f.cfg.settings()}
	var err error
	if now.Size, now.Head, err = identify(f.path); err != nil {
		return err
	}
	now.ID = now.Head[:16]
	old, err := f.before()
	switch {
	case err != nil:
		return err
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

// before is the state of an earlier run that this one goes on from, nil for none.
func (f *fileImport) before() (*state, error) {
	if f.cfg.Restart {
		return nil, nil
	}
	old, err := loadState(f.statePath)
	if err != nil || old == nil || old.Rows > 0 {
		return old, err
	}
	if old.Sent == 0 {
		return nil, nil // nothing was done, whatever the words
	}
	// The first batch may be there, and no row of it is known to be: of another
	// file under the same name it would take the ids.
	same, err := f.beginsWith(old.Sent, old.SentHash)
	if !same {
		return nil, err
	}
	return old, nil
}

// beginsWith reports whether the first n rows of the file have that hash.
func (f *fileImport) beginsWith(n int64, hash string) (bool, error) {
	r, err := openRows(&f.cfg, f.path)
	if err != nil {
		return false, err
	}
	defer r.close()
	if _, err := r.skip(n); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return hashText(r.sum.Sum64()) == hash, nil
}

// resume skips what is done. The rows must be those that were sent: the rest of
// the file may have changed.
func (f *fileImport) resume(old *state) error {
	f.state.ID, f.state.Rows, f.state.Bad, f.state.Unit, f.state.Hash = old.ID, old.Rows, old.Bad, old.Unit, old.Hash
	f.state.Sent, f.state.SentHash = old.Sent, old.SentHash
	f.first, f.totals.Resumed = old.Rows, old.Rows
	n, err := f.rows.skip(old.Rows)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s has %d rows, %d were imported: it is another file now (--restart imports it from its beginning)", f.state.File, n, old.Rows)
	}
	if err != nil {
		return err
	}
	if old.Rows > 0 && hashText(f.rows.sum.Sum64()) != old.Hash {
		return fmt.Errorf("the first %d rows of %s, which were imported, have changed since: --restart imports the file from its beginning, and trades that have the same id, or none, may then count twice", old.Rows, f.state.File)
	}
	return nil
}

func (f *fileImport) makeReader(headers TradeHeaders) error {
	var err error
	if f.cfg.Kind == Bars {
		f.reader = newBarReader(&f.cfg, f.state.File)
	} else {
		f.reader, err = newTradeEntries(&f.cfg, f.state, headers)
	}
	if err == nil && f.state.Unit != "" {
		f.reader.setUnit(f.state.Unit)
	}
	return err
}

// run reads a batch while the one before is written.
func (f *fileImport) run(ctx context.Context) error {
	f.began = f.cfg.Clock.Now()
	if err := f.state.save(f.statePath, false); err != nil { // shows at once that it can be written
		return err
	}
	var under chan outcome
	for {
		b, readErr := f.collect(ctx)
		var err error
		if b != nil {
			err = f.note(b)
		}
		if under != nil {
			err = errors.Join(f.settle(<-under), err)
			under = nil
		}
		if err != nil {
			return err
		}
		if b != nil {
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

// collect reads rows until a batch is full. With an error the batch holds what
// was read before it; nil is none. An interruption leaves what was read to the
// next run.
func (f *fileImport) collect(ctx context.Context) (*Batch, error) {
	before := f.rows.row.n
	b := &Batch{rows: before, sum: f.rows.sum.Sum64()}
	limit := f.cfg.rowsPerBatch
	if f.cfg.Rate > 0 {
		limit = max(1, min(limit, int64(f.cfg.Rate/10)))
	}
	for !b.full(limit, before) {
		if ctx.Err() != nil {
			return nil, ErrInterrupted
		}
		err := f.take(b)
		if bad := (*BadRowError)(nil); errors.As(err, &bad) {
			err = f.leaveOut(b, bad)
		}
		if err != nil && b.rows == before {
			return nil, err
		}
		if err != nil {
			return b, err
		}
		b.rows, b.sum = f.rows.row.n, f.rows.sum.Sum64()
	}
	return b, nil
}

// take reads a row into b. A *BadRowError is about the row alone.
func (f *fileImport) take(b *Batch) error {
	r, err := f.rows.next()
	if err != nil {
		return err
	}
	entries, err := f.reader.add(r, b)
	b.entries += entries
	if wrong := (*fault)(nil); errors.As(err, &wrong) {
		return f.rows.bad(r, wrong)
	}
	if err != nil {
		return f.rows.wrapAt(r.line, err)
	}
	return nil
}

// leaveOut notes a bad row, unless there are too many.
func (f *fileImport) leaveOut(b *Batch, bad *BadRowError) error {
	if f.state.Bad+f.unsettled(b)+1 > f.cfg.MaxBad {
		return &TooManyBadError{Limit: f.cfg.MaxBad, Row: bad}
	}
	b.bad = append(b.bad, bad)
	return nil
}

// unsettled are bad rows that the state does not count yet: those of b and of
// the batch that is being written.
func (f *fileImport) unsettled(b *Batch) int64 { return int64(len(b.bad)) + f.pendingBad }

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
