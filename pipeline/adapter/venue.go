package adapter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Paging is how a venue is asked for the trades behind a known one.
type Paging uint8

// Ways of paging.
const (
	// PagingNone: there is the newest page and nothing else.
	PagingNone Paging = iota
	// PagingFrom: trades from an id on, oldest first.
	PagingFrom
	// PagingBefore: the trades below an id, newest first. Where ids have no
	// holes the page behind a trade can be asked for all the same.
	PagingBefore
	// PagingSince: trades after a moment.
	PagingSince
)

// Venue is what a feed must know of one preset besides its dialect.
type Venue struct {
	// Name of the preset.
	Name string
	// Contiguous tells that the ids of a symbol go up by one (by Trade.Span), so
	// that a missing one is a missing trade.
	Contiguous bool
	// REST is the default address of the answers, empty where there are none.
	REST string
	// Socket is the default address of the stream.
	Socket string
	// Page is the path and query of the newest page, Next what is added to ask
	// behind a trade; <symbol>, <id>, <end> and <since> stand for values.
	Page, Next string
	// Paging is what Next means.
	Paging Paging
	// Limit is how many trades a page has at most.
	Limit int64
	// Ping is what keeps the connection, sent each PingEvery; empty where the
	// protocol's own ping does.
	Ping      string
	PingEvery time.Duration
	// Rotate is when the venue cuts connections; 0 never.
	Rotate time.Duration

	dialect func() dialect
	topics  func(symbols []string) []string
	// chunk is how many symbols one message subscribes at most, 0 subscribeChunk.
	chunk int
}

// subscribeChunk is how many symbols one message subscribes: some venues
// refuse long ones.
const subscribeChunk = 50

// bybitChunk is theirs: of spot Bybit refuses a message of more as a whole.
const bybitChunk = 10

// Venues returns the presets, in the order of the manual.
func Venues() []Venue {
	list := func(prefix, suffix string, symbols []string, change func(string) string) string {
		all := make([]string, len(symbols))
		for i, s := range symbols {
			all[i] = prefix + change(s) + suffix
		}
		return quoted(all)
	}
	same := func(s string) string { return s }
	binanceTopics := func(stream string) func([]string) []string {
		return func(symbols []string) []string {
			return []string{`{"method":"SUBSCRIBE","params":` + list("", stream, symbols, strings.ToLower) + `,"id":1}`}
		}
	}
	return []Venue{
		{
			Name: "binance", Contiguous: true, REST: "https://api.binance.com", Socket: "wss://stream.binance.com:9443/ws",
			Page: "/api/v3/historicalTrades?symbol=<symbol>&limit=1000", Next: "&fromId=<id>", Paging: PagingFrom, Limit: 1000,
			Rotate: 23 * time.Hour, dialect: newBinance, topics: binanceTopics("@trade"),
		},
		{
			Name: "binance_agg", Contiguous: true, REST: "https://api.binance.com", Socket: "wss://stream.binance.com:9443/ws",
			Page: "/api/v3/aggTrades?symbol=<symbol>&limit=1000", Next: "&fromId=<id>", Paging: PagingFrom, Limit: 1000,
			Rotate: 23 * time.Hour, dialect: newBinanceAggregated, topics: binanceTopics("@aggTrade"),
		},
		{
			Name: "coinbase", Contiguous: true, REST: "https://api.exchange.coinbase.com", Socket: "wss://ws-feed.exchange.coinbase.com",
			Page: "/products/<symbol>/trades?limit=1000", Next: "&after=<end>", Paging: PagingBefore, Limit: 1000,
			dialect: newCoinbase, topics: func(symbols []string) []string {
				return []string{`{"type":"subscribe","product_ids":` + list("", "", symbols, same) + `,"channels":["matches","heartbeat"]}`}
			},
		},
		{
			Name: "coinbase_advanced", REST: "https://api.coinbase.com", Socket: "wss://advanced-trade-ws.coinbase.com",
			Page: "/api/v3/brokerage/market/products/<symbol>/ticker?limit=1000", Limit: 1000,
			dialect: newCoinbaseAdvanced, topics: func(symbols []string) []string {
				return []string{
					`{"type":"subscribe","product_ids":` + list("", "", symbols, same) + `,"channel":"market_trades"}`,
					`{"type":"subscribe","channel":"heartbeats"}`,
				}
			},
		},
		{
			Name: "okx", Contiguous: true, REST: "https://www.okx.com", Socket: "wss://ws.okx.com:8443/ws/v5/public",
			Page: "/api/v5/market/history-trades?instId=<symbol>&limit=100", Next: "&type=1&after=<end>", Paging: PagingBefore, Limit: 100,
			Ping: "ping", PingEvery: 20 * time.Second,
			dialect: newOKX, topics: func(symbols []string) []string {
				args := make([]string, len(symbols))
				for i, s := range symbols {
					args[i] = `{"channel":"trades","instId":` + quote(s) + `}`
				}
				return []string{`{"op":"subscribe","args":[` + strings.Join(args, ",") + `]}`}
			},
		},
		{
			Name: "kraken", Contiguous: true, REST: "https://api.kraken.com", Socket: "wss://ws.kraken.com/v2",
			Page: "/0/public/Trades?pair=<symbol>&count=1000", Next: "&since=<since>", Paging: PagingSince, Limit: 1000,
			Ping: `{"method":"ping"}`, PingEvery: 30 * time.Second,
			dialect: newKraken, topics: func(symbols []string) []string {
				return []string{`{"method":"subscribe","params":{"channel":"trade","symbol":` + list("", "", symbols, same) + `,"snapshot":true}}`}
			},
		},
		{
			Name: "kraken_v1", Socket: "wss://ws.kraken.com",
			Ping: `{"event":"ping"}`, PingEvery: 30 * time.Second,
			dialect: newKrakenV1, topics: func(symbols []string) []string {
				return []string{`{"event":"subscribe","pair":` + list("", "", symbols, same) + `,"subscription":{"name":"trade"}}`}
			},
		},
		{
			Name: "bybit", REST: "https://api.bybit.com", Socket: "wss://stream.bybit.com/v5/public/spot",
			Page: "/v5/market/recent-trade?category=spot&symbol=<symbol>&limit=60", Limit: 60,
			Ping: `{"op":"ping"}`, PingEvery: 20 * time.Second, dialect: newBybit, topics: bybitTopics("publicTrade."), chunk: bybitChunk,
		},
		{Name: "bybit_v2", Ping: `{"op":"ping"}`, PingEvery: 20 * time.Second, dialect: newBybitV2, topics: bybitTopics("trade."), chunk: bybitChunk},
		{Name: "bybit_v3", Ping: `{"op":"ping"}`, PingEvery: 20 * time.Second, dialect: newBybitV3, topics: bybitTopics("trade."), chunk: bybitChunk},
	}
}

func bybitTopics(prefix string) func([]string) []string {
	return func(symbols []string) []string {
		args := make([]string, len(symbols))
		for i, s := range symbols {
			args[i] = prefix + s
		}
		return []string{`{"op":"subscribe","args":` + quoted(args) + `}`}
	}
}

// VenueNames are the names of all presets, generic last.
func VenueNames() []string {
	var names []string
	for _, v := range Venues() {
		names = append(names, v.Name)
	}
	return append(names, PresetGeneric)
}

// FindVenue returns a preset; generic is one without addresses.
func FindVenue(name string) (Venue, error) {
	if name == "" || name == PresetGeneric {
		return Venue{Name: PresetGeneric}, nil
	}
	for _, v := range Venues() {
		if v.Name == name {
			return v, nil
		}
	}
	return Venue{}, fmt.Errorf("unrecognized format %q (allowed: %s)", cut(name), strings.Join(VenueNames(), ", "))
}

// NewReader returns a reader of the dialect that f names.
func NewReader(f Format, o Options) (*Reader, error) {
	v, err := FindVenue(f.Preset)
	if err != nil {
		return nil, err
	}
	if v.dialect != nil {
		if len(f.Fields) > 0 || f.TimeUnit != "" || f.SideOf != "" {
			return nil, fmt.Errorf("reading format: %s says where its fields are, only generic takes a block", v.Name)
		}
		return &Reader{venue: v.dialect(), options: o}, nil
	}
	g, err := newGeneric(f)
	if err != nil {
		return nil, err
	}
	return &Reader{venue: g, options: o}, nil
}

// Subscribe returns the messages that subscribe to the trades of symbols.
func (v *Venue) Subscribe(symbols []string) []string {
	if v.topics == nil {
		return nil
	}
	var all []string
	for chunk := range slices.Chunk(symbols, cmp.Or(v.chunk, subscribeChunk)) {
		all = append(all, v.topics(chunk)...)
	}
	return all
}

// Ask is what a page is asked by: everything behind LastID, or after Since
// where the venue pages by time; zero values ask for the newest page.
type Ask struct {
	Symbol string
	LastID int64
	HasID  bool
	// Since is nanoseconds since 1970, 0 none.
	Since int64
}

// PageURL fills in a template: the preset's own behind base, or base itself for
// the generic preset, in which <symbol>, <id> (the first id wanted), <last> (the
// last one known), <since> (ns) and <since_ms> stand for values; an address that
// names none of them is asked as it is. Values are escaped.
func (v *Venue) PageURL(base string, a Ask) string {
	template := base
	if v.Page != "" {
		template = strings.TrimRight(base, "/") + v.Page
		if v.behind(a) {
			template += v.Next
		}
	}
	last, next, end := "0", "0", "0"
	if a.HasID {
		last = strconv.FormatInt(a.LastID, 10)
		next = strconv.FormatInt(a.LastID+1, 10)
		end = strconv.FormatInt(a.LastID+1+v.Limit, 10)
	}
	since, millis := "0", "0"
	if a.Since > 0 {
		since, millis = strconv.FormatInt(a.Since, 10), strconv.FormatInt(a.Since/1e6, 10)
	}
	return strings.NewReplacer("<symbol>", url.QueryEscape(a.Symbol), "<id>", next, "<last>", last, "<end>", end,
		"<since>", since, "<since_ms>", millis).Replace(template)
}

// behind reports whether the venue can be asked for what follows a.
func (v *Venue) behind(a Ask) bool {
	switch v.Paging {
	case PagingFrom, PagingBefore:
		return a.HasID
	case PagingSince:
		return a.Since > 0
	case PagingNone:
	}
	return false
}

// CanFill reports whether a hole in the ids can be asked for.
func (v *Venue) CanFill() bool { return v.Contiguous && v.Paging != PagingNone }

func quoted(list []string) string {
	b, err := json.Marshal(list)
	if err != nil { // texts always marshal
		return "[]"
	}
	return string(b)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a text always marshals
		return `""`
	}
	return string(b)
}
