package transfer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
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
	// Unsided are trades whose taker's side is missing or neither buy nor sell: they
	// are not in the taker-buy volume.
	Unsided int64
	// AlreadyDone tells that the whole file was imported before.
	AlreadyDone bool
	// Columns says which column is what, Unit in which unit times are. Empty
	// where no row was read.
	Columns, Unit string
}

// Import brings files into a target. It is used by one goroutine.
type Import struct{ cfg Config }

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
	lock, err := lockState(statePath+".lock", (*flock.Flock).TryLock)
	if err != nil {
		return Totals{}, err
	}
	if lock == nil {
		return Totals{}, fmt.Errorf("another process imports %s now", filepath.Base(path))
	}
	defer unlock(lock)
	f := &fileImport{Import: i, path: path, statePath: statePath}
	if err := f.begin(headers); err != nil || f.totals.AlreadyDone {
		return f.totals, err
	}
	defer f.rows.close()
	err = f.run(ctx)
	f.totals.Derived, f.totals.Unsided = f.reader.derivedIDs(), f.reader.unknownSides()
	return f.totals, err
}
