package transfer

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// inherited is what rows have that do not say it themselves: by the configuration,
// else by the name of their member of a zip, else by that of the file.
type inherited struct {
	cfg  *Config
	file string

	member string // whose rows are read
	known  bool
	symbol []byte
	// interval is that of bars.
	interval string
	midnight int64 // that times count from, ms; 0 if they count from 1970
}

// enter takes over what the name of a member tells.
func (n *inherited) enter(member string) (err error) {
	if n.known && member == n.member {
		return nil
	}
	t := n.cfg.named(member, n.file)
	n.symbol, n.interval, n.member, n.known = []byte(t.symbol), t.interval, member, true
	n.midnight, err = n.day(t.date)
	return err
}

// named is what the configuration says, completed by names.
func (c *Config) named(member, file string) told {
	all := told{c.Symbol, c.Interval, c.Date}
	for _, name := range []string{member, file} {
		t := c.files.read(name)
		all = told{cmp.Or(all.symbol, t.symbol), cmp.Or(all.interval, t.interval), cmp.Or(all.date, t.date)}
	}
	return all
}

// day is the midnight that times count from.
func (n *inherited) day(date string) (int64, error) {
	if !n.cfg.midnight() {
		return 0, nil
	}
	if date == "" {
		return 0, fmt.Errorf("the times of this venue's files count from midnight, and the name %q does not tell the day: add --date 2013-10-08", cut(n.file))
	}
	day, err := time.ParseInLocation(time.DateOnly, date, n.cfg.zone)
	if err != nil {
		return 0, fmt.Errorf("reading the day %q of the file's name: %w", cut(date), err)
	}
	return day.UnixMilli(), nil
}

// sinceMidnight reads a time of the day, in ms since 1970. A day on which the clocks
// are put back has 25 hours.
func (n *inherited) sinceMidnight(text []byte) (ms int64, ok bool) {
	ms, err := strconv.ParseInt(string(text), 10, 64)
	return n.midnight + ms, err == nil && ms >= 0 && ms < 25*time.Hour.Milliseconds()
}
