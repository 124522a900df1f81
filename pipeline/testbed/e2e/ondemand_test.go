package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// demanded are the newest rows of an indicator that nobody configured.
func (b *bed) demanded(ind, symbol string, limit int) []json.RawMessage {
	b.t.Helper()
	return b.page("/v1/values?sym=%s&itv=1s&closed=1&ind=%s&limit=%d", symbol, ind, limit).Rows
}

// latestOf is the newest value of one.
func (b *bed) latestOf(ind, symbol string) string {
	b.t.Helper()
	var a struct {
		Series []struct {
			Ind map[string]struct {
				Closed struct {
					T int64
					V json.RawMessage
				}
			}
		}
	}
	if err := json.Unmarshal(b.page("/v1/latest?s=%s@1s:%s", symbol, ind).text, &a); err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", a.Series[0].Ind[ind].Closed.T, a.Series[0].Ind[ind].Closed.V)
}

// restatedBars are how many bars a later trade has changed.
func (b *bed) restatedBars(symbol string) (n int) {
	b.t.Helper()
	rows, _ := b.walk("/v1/klines?sym="+symbol+"&itv=1s", 5000)
	for _, row := range rows {
		if !bytes.Contains(row, []byte(`"rev":0`)) {
			n++
		}
	}
	return n
}

// A node that keeps ten bars in memory, and has no database, answers an indicator that
// takes more of them with what one says that has kept all: at the edge of memory, over
// trades that restate bars in front of it, and after a kill.
func TestEmbeddedValuesOnDemandReachBackBeforeMemory(t *testing.T) {
	t.Parallel()
	const kept = 10
	b := start(t, newEmbedded(t, 2), fmt.Sprint("view_bars ", kept))
	whole := start(t, newEmbedded(t, 2), "view_bars 1000000")
	lines := stragglers(midnight(t)[:16000])
	equal := func(when string) {
		t.Helper()
		for _, n := range []*bed{b, whole} {
			n.settle(patience)
		}
		for _, ind := range []string{"sma(7)", "sma(33)", "sma(120)"} {
			for _, symbol := range []string{"BTCUSDT", "ETHUSDT"} {
				var got, want []json.RawMessage
				if !eventually(func() bool {
					got, want = b.demanded(ind, symbol, kept), whole.demanded(ind, symbol, kept)
					return slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
				}) {
					t.Fatalf("%s: %s of %s is\n%s, want\n%s", when, ind, symbol, got, want)
				}
				if len(got) != kept || bytes.Contains(got[0], []byte("null")) {
					t.Fatalf("%s: %s of %s is %s", when, ind, symbol, got)
				}
				if got, want := b.latestOf(ind, symbol), whole.latestOf(ind, symbol); got != want {
					t.Errorf("%s: the newest %s of %s is %s, want %s", when, ind, symbol, got, want)
				}
			}
		}
	}
	third := len(lines) / 3
	pour := func(i int) {
		for _, n := range []*bed{b, whole} {
			n.pour(lines[i*third:(i+1)*third], 4, func(int) { time.Sleep(100 * time.Millisecond) })
		}
	}
	pour(0)
	equal("at first")
	before := whole.restatedBars("BTCUSDT")
	pour(1)
	equal("over late trades")
	if n := whole.restatedBars("BTCUSDT") - before; n == 0 {
		t.Error("no bar was restated: the scenario proves less than it says")
	} else {
		t.Logf("%d bars were restated while their values were kept up to date", n)
	}
	b.kill()
	b.node.Restart()
	b.ready()
	equal("after a kill")
	pour(2)
	equal("in the end")
}
