package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/venue"
)

// market is one venue and the feed that reads it.
type market struct {
	*venue.Exchange
	source  string
	symbols []string
}

// markets starts a venue per dialect: binance, okx and kraken are listened to,
// coinbase is polled.
func markets(t *testing.T, f venue.Faults, rate float64) (all []market, words string) {
	t.Helper()
	for i, m := range []struct {
		dialect, kind string
		symbols       []string
	}{
		{"binance", "websocket", []string{"BTCUSDT", "ETHUSDT"}},
		{"okx", "websocket", []string{"BTC-USDT"}},
		{"kraken", "websocket", []string{"XBT/USD", "XMR/USD"}},
		{"coinbase", "http", []string{"BTC-USD", "ETH-USD", "SOL-USD"}},
	} {
		e := venue.Start(t, venue.Config{Dialect: m.dialect, Symbols: m.symbols, Rate: rate, Faults: f, Seed: uint64(i) + 1, Held: true})
		all = append(all, market{e, m.dialect, m.symbols})
		lines := []string{"format " + m.dialect, "symbols " + strings.Join(m.symbols, " "), "source_name " + m.dialect, "rate 1000 1000", "timeout 1s", "lease 2s", "delivery_timeout 2s"}
		if m.kind == "http" {
			lines = append(lines, "url "+e.URL(), "period 200ms")
		} else {
			lines = append(lines, "url "+e.Socket(), "backfill "+e.URL(), "ping 200ms")
		}
		words += fmt.Sprintf("feed %s {\n\t\t\t%s\n\t\t}\n\t\t", m.kind, strings.Join(lines, "\n\t\t\t"))
	}
	return all, words
}

// beginning is how many of the first trades of a symbol may have been left out
// by the venue: a feed without a past begins with the first trade that it sees.
const beginning = 10

// opened waits until the streams are read, and then lets the venues trade.
func opened(t *testing.T, all []market) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		n := 0
		for _, m := range all {
			n += min(m.Listeners(), 1)
		}
		if n == len(all)-1 { // one is polled
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d streams are read", n, len(all)-1)
		}
	}
	for _, m := range all {
		m.Go()
	}
}

// feeds is what the status says of the feeds.
func feeds(b *bed) string {
	resp, err := http.Get(b.http + "/v1/status")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var s struct{ Feeds json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return err.Error()
	}
	return string(s.Feeds)
}

// once checks that every trade is in the 1s bars exactly once. The clock closes
// the last ones when it comes to that.
func once(t *testing.T, b *bed, all []market) {
	t.Helper()
	var wrong []string
	if !eventually(func() bool { wrong = notOnce(b.read(), all); return len(wrong) == 0 }) {
		t.Error(strings.Join(wrong, "\n"))
	}
}

func notOnce(l *logs, all []market) (wrong []string) {
	want := map[string]int64{}
	for _, m := range all {
		for _, s := range m.symbols {
			want[s] = int64(len(m.Offered(s)))
		}
	}
	newest := map[string]oracle.Kline{}
	for _, k := range l.klines.Klines {
		if k.Interval == "1s" {
			newest[k.Symbol+fmt.Sprint(k.Open)] = k
		}
	}
	got := map[string]int64{}
	for _, k := range newest {
		got[k.Symbol] += k.N
	}
	for s, n := range want {
		if got[s] > n || got[s] < n-beginning {
			wrong = append(wrong, fmt.Sprintf("%s: %d trades in bars, %d were made", s, got[s], n))
		}
	}
	return wrong
}

// feedKills is how often the node is killed under its feeds. KLINE_FEED_KILLS
// asks for more.
func feedKills() int {
	if n, err := strconv.Atoi(os.Getenv("KLINE_FEED_KILLS")); err == nil && n > 0 {
		return n
	}
	return 4
}

// fed kills the node again and again while feeds read venues that misbehave.
func fed(t *testing.T, p place) {
	all, words := markets(t, venue.Bad(), 40)
	b := start(t, p, words)
	opened(t, all)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range feedKills() {
		time.Sleep(time.Duration(1000+r.IntN(4000)) * time.Millisecond)
		b.kill()
		time.Sleep(time.Duration(r.IntN(1500)) * time.Millisecond)
		b.node.Restart()
		b.ready()
	}
	time.Sleep(3 * time.Second)
	records := caughtUp(t, b, all, patience)
	b.settle(time.Minute)
	time.Sleep(5 * time.Second)
	b.check(allIntervals, false)
	once(t, b, all)
	offered := 0
	for _, m := range all {
		for _, s := range m.symbols {
			offered += len(m.Offered(s))
		}
		if n := m.Trapped(); n > 0 {
			t.Errorf("%s led the node to a private address %d times", m.source, n)
		}
	}
	t.Logf("%d trades offered, %d records on the topic, %d kills; %s", offered, records, feedKills(), feeds(b))
	if records > 2*offered {
		t.Errorf("%d records for %d trades: the feeds send again what is there", records, offered)
	}
}

func TestEmbeddedFeedsKilledUnderBadVenuesLoseNothing_A06(t *testing.T) {
	t.Parallel()
	fed(t, newEmbedded(t, 2))
}

func TestServersFeedsKilledUnderBadVenuesLoseNothing_A06(t *testing.T) {
	t.Parallel()
	fed(t, newServers(t).place(3))
}

func TestEmbeddedFeedTellsOfTradesThatNobodyHas(t *testing.T) {
	t.Parallel()
	e := venue.Start(t, venue.Config{Dialect: "binance", Symbols: []string{"BTCUSDT"}, Rate: 50, Faults: venue.Faults{Skip: 0.1}, Seed: 5})
	b := start(t, newEmbedded(t, 1), fmt.Sprintf("feed websocket {\n\t\t\tformat binance\n\t\t\turl %s\n\t\t\tbackfill off\n\t\t\tsymbols BTCUSDT\n\t\t}", e.Socket()))
	var told, holes int64
	enough := func() bool {
		holes = arrived(t, b, []market{{e, "binance", []string{"BTCUSDT"}}}).between("BTCUSDT", e.Offered("BTCUSDT"))
		var list []struct{ Missing int64 }
		if err := json.Unmarshal([]byte(feeds(b)), &list); err != nil || len(list) != 1 {
			t.Fatalf("%s: %v", feeds(b), err)
		}
		told = list[0].Missing
		return told > 10
	}
	for end := time.Now().Add(time.Minute); !enough() && time.Now().Before(end); {
		time.Sleep(500 * time.Millisecond)
	}
	e.Hold()
	for end := time.Now().Add(time.Minute); (!enough() || told != holes) && time.Now().Before(end); {
		time.Sleep(500 * time.Millisecond)
	}
	if told == 0 || told != holes {
		t.Errorf("%d trades did not come between the first and the last, the status tells of %d", holes, told)
	}
}

// overlaps counts moments in which two nodes ask for one symbol.
func overlaps(requests []venue.Request) (n int, nodes map[string]int) {
	nodes = map[string]int{}
	bySymbol := map[string][]venue.Request{}
	for _, r := range requests {
		nodes[r.Node]++
		bySymbol[r.Symbol] = append(bySymbol[r.Symbol], r)
	}
	for _, list := range bySymbol {
		slices.SortFunc(list, func(a, b venue.Request) int { return a.Began.Compare(b.Began) })
		end := map[string]time.Time{}
		for _, r := range list {
			for node, at := range end {
				if node != r.Node && r.Began.Before(at) {
					n++
				}
			}
			if r.Ended.After(end[r.Node]) {
				end[r.Node] = r.Ended
			}
		}
	}
	return n, nodes
}

// Two nodes share a Redis, which is killed; one of them is killed as well.
func TestServersFeedSymbolsHaveOneFetcher_D01(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	p := s.place(2)
	var symbols []string
	for i := range feedSymbols() {
		symbols = append(symbols, fmt.Sprintf("S%04d-USD", i))
	}
	e := venue.Start(t, venue.Config{Dialect: "coinbase", Symbols: symbols, Rate: 2, Seed: 9})
	all := []market{{e, "coinbase", symbols}}
	var nodes []*bed
	for i := range 2 {
		nodes = append(nodes, startBinary(t, p, fmt.Sprintf("feed http {\n\t\t\tformat coinbase\n\t\t\turl %s\n\t\t\tsymbols %s\n\t\t\theader X-Node {env.KLINE_NODE}\n\t\t\tperiod 300ms\n\t\t\tlease 3s\n\t\t\trate 1000 1000\n\t\t}",
			e.URL(), strings.Join(symbols, " ")), os.Getenv("KLINE_BIN"), fmt.Sprint("KLINE_NODE=n", i)))
	}
	for range max(feedKills()/4, 1) {
		time.Sleep(5 * time.Second)
		s.redis.Kill9()
		time.Sleep(2 * time.Second)
		s.redis.Restart()
		time.Sleep(5 * time.Second)
		owner, other := nodes[0], "n1"
		_, by := overlaps(e.Requests())
		if by["n1"] > by["n0"] {
			owner, other = nodes[1], "n0"
		}
		owner.kill()
		time.Sleep(6 * time.Second)
		if !eventually(func() bool { _, now := overlaps(e.Requests()); return now[other] > by[other] }) {
			t.Errorf("node %s does not take over: %v", other, by)
		}
		owner.node.Restart()
		owner.ready()
	}
	time.Sleep(3 * time.Second)
	caughtUp(t, nodes[0], all, time.Minute, nodes[1])
	n, by := overlaps(e.Requests())
	t.Logf("requests by node: %v", by)
	if n > 0 {
		t.Errorf("%d moments in which two nodes asked for one symbol", n)
	}
	if by["n0"] == 0 || by["n1"] == 0 {
		t.Errorf("one of the nodes never asked: %v", by)
	}
}

// feedSymbols is how many symbols two nodes share. KLINE_FEED_SYMBOLS asks for
// more.
func feedSymbols() int {
	if n, err := strconv.Atoi(os.Getenv("KLINE_FEED_SYMBOLS")); err == nil && n > 0 {
		return n
	}
	return 50
}
