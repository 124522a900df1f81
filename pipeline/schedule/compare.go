package schedule

import (
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// compareLines checks the bytes of every bar, the value of its indicator, and
// that a bar changes only through the next revision.
func (rc *recounted) compareLines(got []*record) {
	i := 0
	for _, r := range got {
		if r.head != "" {
			continue
		}
		if i == len(rc.lines) {
			rc.w.violate("I2: klines[%d] holds more than the recount: %s", rc.p, r.value)
			return
		}
		l := &rc.lines[i]
		i++
		rest, ok := strings.CutPrefix(r.value, l.body)
		if !ok || r.so != l.so {
			rc.w.violate("I2: klines[%d] at %d.%d is\n%s\nthe recount has at %d\n%s", rc.p, r.so, r.sk, r.value, l.so, l.body)
			return
		}
		if !sameValue(rest, l.close) {
			rc.w.violate("I2: klines[%d] at %d.%d has the values %s, the recount has %v", rc.p, r.so, r.sk, rest, l.close)
			return
		}
	}
	if i < len(rc.lines) {
		rc.w.violate("I1: klines[%d] lacks what the recount has: %s", rc.p, rc.lines[i].body)
	}
}

// sameValue reads the first output of the first indicator.
func sameValue(rest string, want float64) bool {
	_, text, ok := strings.Cut(rest, `"v":[`)
	text, _, end := strings.Cut(text, "]")
	got, err := strconv.ParseFloat(text, 64)
	return ok && end && err == nil && got == want
}

// compareRefused checks what went to late and dlq. The core remembers 16 bits
// of price and size, so a conflict may pass as a duplicate, one in 65536.
func (rc *recounted) compareRefused(outs [numTopics][]*record) {
	for _, t := range [...]topic{late, dlq} {
		i := 0
		for _, r := range outs[t] {
			f := strings.Split(r.head, "|")
			got := num(r.so) + "|" + f[0] + "|" + f[2]
			for i < len(rc.refused[t]) && rc.refused[t][i] != got && strings.Contains(rc.refused[t][i], "|conflict|") {
				rc.collided()
				i++
			}
			if i == len(rc.refused[t]) || rc.refused[t][i] != got {
				rc.w.violate("I7: %s[%d] holds %s, which the recount does not have there: %v", topicNames[t], rc.p, got, rc.refused[t][min(i, len(rc.refused[t])):])
				return
			}
			i++
		}
		for ; i < len(rc.refused[t]); i++ {
			if !strings.Contains(rc.refused[t][i], "|conflict|") {
				rc.w.violate("I7: %s[%d] lacks %s", topicNames[t], rc.p, rc.refused[t][i])
				return
			}
			rc.collided()
		}
	}
}

func (rc *recounted) collided() {
	rc.sums.Rejected--
	rc.sums.Duplicate++
	rc.w.collisions++
}

// compareSums checks that every trade was counted as what it is.
func (rc *recounted) compareSums(c core.Counters) {
	got := [...]int64{c.Trades, c.Applied, c.Restated, c.Duplicate, c.Late, c.Rejected, c.Undecodable}
	s := &rc.sums
	want := [...]int64{s.Trades, s.Applied, s.Restated, s.Duplicate, s.Late, s.Rejected, s.Undecodable}
	if got != want {
		rc.w.violate("I7: partition %d counts trades, applied, restated, duplicate, late, rejected, undecodable as %v, the recount as %v", rc.p, got, want)
	}
}
