package serve

import "testing"

// The newest closed value on demand is that of the rows, whichever bar was restated:
// what a node says that computes the series for the first time.
func TestTheNewestClosedValueOnDemandIsThatOfTheBarsInMemory(t *testing.T) {
	restated := func(n, seq int64) Record {
		m := bare("BTC", n, 1, seq)
		m.close = "7777"
		return m.record(seq, seq, 0)
	}
	closed := func(n, seq int64) Record { return bare("BTC", n, 0, seq).record(seq, seq, 0) }
	for name, batch := range map[string][]Record{
		"the newest bar":               {restated(19, 20)},
		"one before it":                {restated(15, 20)},
		"two":                          {restated(19, 20), restated(14, 21)},
		"one that closed in the batch": {closed(20, 20), restated(20, 21)},
		"one before a bar that closes": {restated(17, 20), closed(20, 21)},
	} {
		t.Run(name, func(t *testing.T) {
			const target = "/v1/latest?s=BTC@1m:kline,mine/decay(0.25)"
			h, _ := demandHub(nil)
			fresh, _ := demandHub(nil)
			closeBars(h, 10, 20)
			closeBars(fresh, 10, 20)
			get(t, h, target)
			h.Apply(0, batch)
			fresh.Apply(0, batch)
			_, got := get(t, h, target)
			if _, want := get(t, fresh, target); got != want {
				t.Errorf("the newest are\n%s\nwant\n%s", got, want)
			}
		})
	}
}
