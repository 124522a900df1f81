package feed

import "time"

// pacer turns the times of a file into moments of the clock. Its zero value is
// anchored by the first trade.
type pacer struct {
	speed    Speed
	anchored bool
	file     int64     // ms
	wall     time.Time // when file is due
	last     time.Time // due moment handed out last
}

// maxLag is how late a trade may be before the pace starts anew from it. After a
// stall or a suspended machine, hours of trades would else be due at once, with
// event times in the past.
const maxLag = 2 * time.Second

// anchor makes ms due at wall.
func (p *pacer) anchor(ms int64, wall time.Time) {
	p.file, p.wall, p.anchored = ms, wall, true
}

// due returns when a trade of file time ms is due. Moments never go back, even
// where the file's times do.
func (p *pacer) due(ms int64, now time.Time) time.Time {
	if p.speed.Max() {
		return now
	}
	if !p.anchored {
		p.anchor(ms, now)
	}
	at := p.at(ms)
	if now.Sub(at) > maxLag {
		p.anchor(ms, now)
		at = now
	}
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	return at
}

func (p *pacer) at(ms int64) time.Time {
	const century = 100 * 365 * 24 * float64(time.Hour) // a Duration holds three
	gap := float64(ms-p.file) * float64(time.Millisecond) / float64(p.speed)
	return p.wall.Add(time.Duration(min(max(gap, -century), century)))
}

// position is the file time that is due now, ms.
func (p *pacer) position(now time.Time) int64 {
	return p.file + int64(float64(now.Sub(p.wall))/float64(time.Millisecond)*float64(p.speed))
}
