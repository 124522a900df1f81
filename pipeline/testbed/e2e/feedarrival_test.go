package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/venue"
)

// arrival is what of the offered trades stands on the topic.
type arrival struct {
	records int // of trades, repeats included
	missing []missed
	// newest is the id of a symbol's last record, behind which a feed that takes
	// the symbol over goes on; highest is the highest id.
	newest, highest map[string]int64
}

// missed is an offered trade that is not on the topic.
type missed struct {
	market market
	symbol string
	trade  venue.Trade
}

func (m missed) String() string {
	return fmt.Sprintf("%s %d of %s", m.symbol, m.trade.ID, time.UnixMilli(m.trade.TS).UTC().Format("15:04:05.000"))
}

// arrived reads the topic.
func arrived(t *testing.T, b *bed, all []market) arrival {
	t.Helper()
	a := arrival{newest: map[string]int64{}, highest: map[string]int64{}}
	have, first := map[string]bool{}, map[string]int64{}
	err := oracle.Kcat(t.Context(), b.place.brokers(), b.place.topic("ticks"), func(r oracle.Record) error {
		if r.Headers["k"] != "" || r.Payload == nil {
			return nil
		}
		a.records++
		var tr struct {
			Symbol, Price, Size, Side string
			TS, ID                    int64
		}
		if err := json.Unmarshal([]byte(*r.Payload), &tr); err != nil {
			return fmt.Errorf("reading a tick: %w", err)
		}
		for _, h := range []string{"message_id", "venue", "src", "rt", "traceparent"} {
			if r.Headers[h] == "" {
				t.Errorf("a tick without the header %s: %v", h, r.Headers)
			}
		}
		if want := fmt.Sprintf("%s|%s|%d", r.Headers["src"], tr.Symbol, tr.ID); r.Headers["message_id"] != want {
			t.Errorf("message_id %q, want %q", r.Headers["message_id"], want)
		}
		if low, found := first[tr.Symbol]; !found || tr.ID < low {
			first[tr.Symbol] = tr.ID
		}
		a.newest[tr.Symbol] = tr.ID
		a.highest[tr.Symbol] = max(a.highest[tr.Symbol], tr.ID)
		have[fmt.Sprintf("%s %d %s %s %d %s", tr.Symbol, tr.ID, rat(tr.Price), rat(tr.Size), tr.TS, tr.Side)] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, s := range m.symbols {
			for _, tr := range m.Offered(s) {
				if low := first[s]; tr.ID < low && low <= beginning {
					continue
				}
				side := "sell"
				if tr.Buy {
					side = "buy"
				}
				if !have[fmt.Sprintf("%s %d %s %s %d %s", s, tr.ID, rat(tr.Price), rat(tr.Size), tr.TS, side)] {
					a.missing = append(a.missing, missed{m, s, tr})
				}
			}
		}
	}
	return a
}

// rat is a decimal without trailing zeros.
func rat(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// between counts the missing trades of a symbol that are holes: those offered
// before the first trade that came and behind the last are none, and how many
// they are depends on how fast the node starts.
func (a arrival) between(symbol string, offered []venue.Trade) (n int64) {
	gone := map[int64]bool{}
	for _, m := range a.missing {
		gone[m.trade.ID] = gone[m.trade.ID] || m.symbol == symbol
	}
	open := int64(-1) // holes behind the last trade that came; -1 before the first
	for _, tr := range offered {
		switch {
		case !gone[tr.ID]:
			n += max(open, 0)
			open = 0
		case open >= 0:
			open++
		}
	}
	return n
}

// lostAfter is how much later than expected a trade may come: then it is lost,
// before it was late.
const lostAfter = 5 * time.Minute

// caughtUp holds the venues and waits until everything that they offer is there.
// What is not there within limit is late, which a busy machine may be, and is
// told; what is not there much later either is lost, and told with all that is
// known of it.
func caughtUp(t *testing.T, b *bed, all []market, limit time.Duration, others ...*bed) (records int) {
	t.Helper()
	// The faults end first: that a venue's very last frame never came is only seen
	// by the next one.
	for _, m := range all {
		m.Calm()
	}
	time.Sleep(3 * time.Second)
	for _, m := range all {
		m.Hold()
	}
	nodes := append([]*bed{b}, others...)
	began, late := time.Now(), false
	for {
		asked := time.Now()
		a := arrived(t, b, all)
		switch since := time.Since(began); {
		case len(a.missing) == 0 && late:
			t.Logf("late, not lost: everything is there after %s", since)
			return a.records
		case len(a.missing) == 0:
			return a.records
		case since > limit+lostAfter:
			t.Fatalf("lost: %s\nfeeds: %s", a.describe(t, nodes), feeds(b))
		case since > limit && !late:
			late = true
			t.Logf("late: %s\nfeeds: %s", a.describe(t, nodes), feeds(b))
		}
		// Reading the topic takes from the feeds what they need to catch up.
		time.Sleep(max(500*time.Millisecond, 2*time.Since(asked)))
	}
}

// describedSymbols is of how many symbols all is told.
const describedSymbols = 10

// describe tells of the missing trades what can be known from outside.
func (a arrival) describe(t *testing.T, nodes []*bed) string {
	t.Helper()
	bySymbol := map[string][]missed{}
	var order []string
	for _, m := range a.missing {
		if bySymbol[m.symbol] == nil {
			order = append(order, m.symbol)
		}
		bySymbol[m.symbol] = append(bySymbol[m.symbol], m)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d trades of %d symbols are not on the topic", len(a.missing), len(order))
	for _, s := range order[:min(len(order), describedSymbols)] {
		list := bySymbol[s]
		passed := 0
		for _, m := range list {
			if m.trade.ID < a.newest[s] {
				passed++
			}
		}
		fmt.Fprintf(&text, "\n%d from %s to %s; the last on the topic is %d, the highest %d, %d of the missing were passed over; lock: %s; last asked for: %s; on the disk of a node: %v",
			len(list), list[0], list[len(list)-1], a.newest[s], a.highest[s], passed, holder(t, nodes[0], s), lastAsked(list[0].market, s), spilled(t, nodes, s))
	}
	return text.String()
}

// holder is what stands in the lock store of a symbol.
func holder(t *testing.T, b *bed, symbol string) string {
	p, ok := b.place.(*realPlace)
	if !ok {
		return "in memory"
	}
	key := fmt.Sprintf("%s:%s:feed:{%d:%s}:lock", p.name, b.mapping(), len(symbol), symbol)
	return strings.TrimSpace(string(redisCLI(t, p.redis, "GET", key))) + " for ms " + strings.TrimSpace(string(redisCLI(t, p.redis, "PTTL", key)))
}

// lastAsked is the newest question for a symbol over HTTP.
func lastAsked(m market, symbol string) string {
	list := m.Requests()
	for _, r := range slices.Backward(list) {
		if r.Symbol == symbol {
			return fmt.Sprintf("by %q at %s", r.Node, r.Ended.UTC().Format("15:04:05.000"))
		}
	}
	return "never"
}

// spilled are the ids of a symbol that wait in spill files, by node.
func spilled(t *testing.T, nodes []*bed, symbol string) map[int][]int64 {
	t.Helper()
	found := map[int][]int64{}
	for n, b := range nodes {
		err := filepath.WalkDir(b.node.Dir(), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".spill") {
				return nil //nolint:nilerr // a file that has just gone waits no more
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[n] = append(found[n], spillIDs(text, symbol)...)
			return nil
		})
		if err != nil {
			t.Logf("looking for spill files: %v", err)
		}
	}
	return found
}

// spillIDs reads the batches of a spill file: length, checksum, JSON.
func spillIDs(text []byte, symbol string) (ids []int64) {
	for len(text) >= 8 {
		n := int(binary.LittleEndian.Uint32(text))
		if n > len(text)-8 {
			return ids
		}
		var records []struct{ Key, Value []byte }
		if json.Unmarshal(text[8:8+n], &records) != nil {
			return ids
		}
		for _, r := range records {
			var tr struct{ ID int64 }
			if string(r.Key) == symbol && json.Unmarshal(r.Value, &tr) == nil {
				ids = append(ids, tr.ID)
			}
		}
		text = text[8+n:]
	}
	return ids
}
