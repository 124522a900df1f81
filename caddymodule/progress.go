package caddymodule

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/transfer"
)

// barWidth is how long a full progress bar is.
const barWidth = 24

// progress tells on a terminal how far a command is, and elsewhere now and then.
type progress struct {
	w        io.Writer
	clock    clock.Clock
	terminal bool
	began    time.Time
	last     time.Time
	shown    bool
}

func newProgress(f *os.File, c clock.Clock) *progress {
	return &progress{w: f, clock: c, began: c.Now(), last: c.Now(), terminal: isTerminal(f)}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// due tells whether it is time to say something again.
func (p *progress) due() bool {
	now, pause := p.clock.Now(), 5*time.Second
	if p.terminal {
		pause = 200 * time.Millisecond
	}
	if now.Sub(p.last) < pause {
		return false
	}
	p.last, p.shown = now, true
	return true
}

// rate is how many of n there were a second.
func (p *progress) rate(n int64) float64 {
	return float64(n) / max(p.last.Sub(p.began).Seconds(), 0.001)
}

// records shows how many of all were read; 0 is that nobody knows how many will
// come.
func (p *progress) records(done, all int64) {
	switch {
	case !p.due():
	case all == 0:
		p.draw(0, fmt.Sprintf("%d records, %.0f/s", done, p.rate(done)))
	default:
		share := float64(done) / float64(all)
		p.draw(share, fmt.Sprintf("%3.0f %%  %d of %d records, %.0f/s", 100*share, done, all, p.rate(done)))
	}
}

// count shows records without knowing how many will come.
func (p *progress) count(records int64) { p.records(records, 0) }

// file shows how much of a file was read.
func (p *progress) file(at transfer.Progress) {
	if !p.due() {
		return
	}
	share := min(1, float64(at.Read)/float64(max(at.Size, 1)))
	text := fmt.Sprintf("%3.0f %%  %d rows, %.0f/s", 100*share, at.Rows, p.rate(at.Rows))
	if at.Bad > 0 {
		text += fmt.Sprintf(", %d left out", at.Bad)
	}
	p.draw(share, text)
}

// draw shows a bar on a terminal, and a line elsewhere.
func (p *progress) draw(share float64, text string) {
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	full := int(min(share, 1) * barWidth)
	fmt.Fprintf(p.w, "\r[%s%s] %-50s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), text)
}

// end clears the line of a terminal.
func (p *progress) end() {
	if p.terminal && p.shown {
		fmt.Fprintf(p.w, "\r%80s\r", "")
	}
}
