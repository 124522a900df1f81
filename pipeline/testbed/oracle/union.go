package oracle

import (
	"encoding/json"
	"fmt"
)

// Union is what one client has after all its connections: the klines of snapshots, closed events and restatements. The zero value
// is ready to use.
type Union struct {
	Klines  []Kline // newest revision last; a snapshot's are in it once
	Doubled int     // a closed or restated kline that came as an event twice
	Resets  int

	have   map[Key]int64
	events map[Key]map[int64]bool
}

// Add takes one event.
func (u *Union) Add(event Event) error {
	switch event.Type {
	case "snapshot":
		var snapshot struct {
			Bars []Kline `json:"bars"`
		}
		if err := json.Unmarshal([]byte(event.Data), &snapshot); err != nil {
			return fmt.Errorf("reading a snapshot: %w", err)
		}
		for _, kline := range snapshot.Bars {
			u.keep(kline)
		}
	case "kline", "revise":
		var kline Kline
		if err := json.Unmarshal([]byte(event.Data), &kline); err != nil {
			if event.Type == "revise" && isValues(event.Data) {
				return nil
			}
			return fmt.Errorf("reading a %s event: %w", event.Type, err)
		}
		u.event(kline)
	case "reset":
		// Snapshots follow, and what was sent before may come again.
		u.Resets++
		u.events = nil
	}
	return nil
}

// isValues tells restated values, whose t is a list, from a restated kline.
func isValues(data string) bool {
	var values struct {
		Indicator string  `json:"ind"`
		Times     []int64 `json:"t"`
	}
	return json.Unmarshal([]byte(data), &values) == nil && values.Indicator != ""
}

func (u *Union) event(kline Kline) {
	if !kline.Final {
		return
	}
	if u.events == nil {
		u.events = map[Key]map[int64]bool{}
	}
	seen := u.events[kline.Key()]
	if seen == nil {
		seen = map[int64]bool{}
		u.events[kline.Key()] = seen
	}
	if seen[kline.Revision] {
		u.Doubled++
		return
	}
	seen[kline.Revision] = true
	u.keep(kline)
}

func (u *Union) keep(kline Kline) {
	if u.have == nil {
		u.have = map[Key]int64{}
	}
	if old, known := u.have[kline.Key()]; !kline.Final || known && kline.Revision <= old {
		return
	}
	u.have[kline.Key()] = kline.Revision
	u.Klines = append(u.Klines, kline)
}

// Compare holds the newest revisions against the oracle. What the client could not see, because it connected later, is the caller's to
// take out of want.
func (u *Union) Compare(want []Expected) Report {
	var report Report
	report.Doubled = u.Doubled
	report.compare(newestOf(u.Klines), want)
	return report
}
