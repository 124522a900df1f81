package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddy-kline/caddy-kline/pipeline/durable"
)

const (
	// acceptFile in the data folder is the operator's word that the records in
	// damaged places may be given up, for one start.
	acceptFile = "accept_loss"
	// snapshotFile is what kfake writes about a partition at a clean end.
	snapshotFile = "snapshot.json"
)

// damage is a place of the log that cannot be read.
type damage struct {
	segment string // path
	good    int64  // bytes before the place
	text    string
}

// inspect reads the log before kfake does: kfake cuts a segment off where it
// stops making sense, whatever stands behind, and tells nobody but its log. A
// torn end after a kill is left to it; for anything else the start is refused,
// since it would skip records that were acknowledged.
func (b *Broker) inspect() error {
	parts, err := filepath.Glob(filepath.Join(b.logDir(), "partitions", "*"))
	if err != nil {
		return fmt.Errorf("listing the log: %w", err)
	}
	accept := filepath.Join(b.cfg.DataDir, acceptFile)
	_, missing := os.Stat(accept)
	for _, dir := range parts {
		found, err := inspectPartition(dir)
		if err != nil {
			return fmt.Errorf("reading the log in %q: %w", dir, err)
		}
		if len(found) > 0 && missing != nil {
			return fmt.Errorf("%s: restore the folder %q from a copy, remove it to start with an empty log, or create the file %q to go on without what is behind that place",
				found[0].text, b.cfg.DataDir, accept)
		}
		for _, d := range found {
			b.log.out.Warn("embedded broker: going on without damaged records, as accepted", "damage", d.text)
			if err := d.giveUp(); err != nil {
				return fmt.Errorf("accepting damage: %w", err)
			}
		}
	}
	return nil
}

// giveUp cuts the segment off, and removes the snapshot, which would tell of the
// same damage at the next start.
func (d damage) giveUp() error {
	if err := os.Truncate(d.segment, d.good); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(filepath.Dir(d.segment), snapshotFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the second damage of a partition
	}
	return err
}

// accepted takes the operator's word back, once the log has been read.
func (b *Broker) accepted() error {
	err := os.Remove(filepath.Join(b.cfg.DataDir, acceptFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the file %q: %w", acceptFile, err)
	}
	if err != nil {
		return nil //nolint:nilerr // there was none
	}
	// Or it is back after a power failure, and accepts what nobody has seen.
	return durable.Folder(b.cfg.DataDir)
}

func inspectPartition(dir string) ([]damage, error) {
	segments, err := segmentsOf(dir)
	if err != nil {
		return nil, err
	}
	ended := endedWith(filepath.Join(dir, snapshotFile))
	newest := int64(-1)
	clean := len(ended) == len(segments)
	for _, s := range segments {
		newest = max(newest, s.base)
		clean = clean && ended[s.base] == s.size
	}
	var found []damage
	for _, s := range segments {
		d, err := s.inspect(dir, ended[s.base], s.base == newest && !clean)
		if err != nil {
			return nil, err
		}
		if d.text != "" {
			d.text = fmt.Sprintf("the log of %s is damaged: %s of segment %d", partitionName(dir), d.text, s.base)
			found = append(found, d)
		}
	}
	return found, nil
}
