package venue

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dialect is how one venue writes.
type dialect struct {
	// frame is one trade on the stream; snapshot are old ones at a subscription,
	// nil where there are none.
	frame    func(symbol string, t Trade) string
	snapshot func(symbol string, ts []Trade) string
	// hear reads a message of the client: what it subscribes to, what to reply.
	hear func(text string) (symbols []string, reply string)
	// asked reads a question over HTTP, and says which trades it is about.
	asked func(r *http.Request) (symbol string, pick func([]Trade) []Trade, ok bool)
	page  func(symbol string, ts []Trade) string
}

func dialects() map[string]dialect {
	return map[string]dialect{"binance": binance(), "coinbase": coinbase(), "okx": okx(), "kraken": kraken(), "bybit": bybit()}
}

func side(buy bool, names ...string) string {
	if buy {
		return names[0]
	}
	return names[1]
}

// all writes trades as the elements of a list.
func all(ts []Trade, one func(Trade) string) string {
	texts := make([]string, len(ts))
	for i, t := range ts {
		texts[i] = one(t)
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func newestFirst(ts []Trade) []Trade {
	out := slices.Clone(ts)
	slices.Reverse(out)
	return out
}

func newest(limit int) func([]Trade) []Trade {
	return func(ts []Trade) []Trade { return ts[max(0, len(ts)-limit):] }
}

// from are trades with ids of at least id; ids are the places plus one.
func from(id int64, limit int) func([]Trade) []Trade {
	return func(ts []Trade) []Trade {
		low := min(max(int(id)-1, 0), len(ts))
		return ts[low:min(low+limit, len(ts))]
	}
}

// below are the newest trades with ids below id.
func below(id int64, limit int) func([]Trade) []Trade {
	return func(ts []Trade) []Trade {
		high := min(max(int(id)-1, 0), len(ts))
		return ts[max(0, high-limit):high]
	}
}

func limitOf(q url.Values, name string, most int) int {
	if n, err := strconv.Atoi(q.Get(name)); err == nil && n > 0 && n < most {
		return n
	}
	return most
}

func binance() dialect {
	return dialect{
		frame: func(s string, t Trade) string {
			return fmt.Sprintf(`{"e":"trade","E":%d,"s":%q,"t":%d,"p":%q,"q":%q,"T":%d,"m":%t,"M":true}`, t.TS+3, s, t.ID, t.Price, t.Size, t.TS, !t.Buy)
		},
		hear: func(text string) ([]string, string) {
			var m struct {
				Method string
				Params []string
				ID     int
			}
			if json.Unmarshal([]byte(text), &m) != nil || m.Method != "SUBSCRIBE" {
				return nil, `{"error":{"code":2,"msg":"Invalid request"},"id":0}`
			}
			for i, p := range m.Params {
				name, stream, _ := strings.Cut(p, "@")
				if stream != "trade" || strings.ToLower(name) != name {
					return nil, `{"error":{"code":2,"msg":"Invalid stream"},"id":0}`
				}
				m.Params[i] = strings.ToUpper(name)
			}
			return m.Params, fmt.Sprintf(`{"result":null,"id":%d}`, m.ID)
		},
		asked: func(r *http.Request) (string, func([]Trade) []Trade, bool) {
			q := r.URL.Query()
			limit := limitOf(q, "limit", 1000)
			pick := newest(limit)
			if id, err := strconv.ParseInt(q.Get("fromId"), 10, 64); err == nil {
				pick = from(id, limit)
			}
			return q.Get("symbol"), pick, r.URL.Path == "/api/v3/historicalTrades"
		},
		page: func(_ string, ts []Trade) string {
			return all(ts, func(t Trade) string {
				return fmt.Sprintf(`{"id":%d,"price":%q,"qty":%q,"quoteQty":"0","time":%d,"isBuyerMaker":%t,"isBestMatch":true}`, t.ID, t.Price, t.Size, t.TS, !t.Buy)
			})
		},
	}
}

func at(t Trade) string { return time.UnixMilli(t.TS).UTC().Format("2006-01-02T15:04:05.000000Z") }

func coinbase() dialect {
	match := func(kind, s string, t Trade) string {
		// The side is the maker's: where the taker bought, the maker sold.
		return fmt.Sprintf(`{"type":%q,"trade_id":%d,"maker_order_id":"a","taker_order_id":"b","side":%q,"size":%q,"price":%q,"product_id":%q,"sequence":%d,"time":%q}`,
			kind, t.ID, side(t.Buy, "sell", "buy"), t.Size, t.Price, s, t.ID+100, at(t))
	}
	return dialect{
		frame:    func(s string, t Trade) string { return match("match", s, t) },
		snapshot: func(s string, ts []Trade) string { return match("last_match", s, ts[len(ts)-1]) },
		hear: func(text string) ([]string, string) {
			var m struct {
				Type       string   `json:"type"`
				ProductIDs []string `json:"product_ids"`
			}
			if json.Unmarshal([]byte(text), &m) != nil || m.Type != "subscribe" {
				return nil, `{"type":"error","message":"Failed to subscribe","reason":"no"}`
			}
			return m.ProductIDs, `{"type":"subscriptions","channels":[]}`
		},
		asked: func(r *http.Request) (string, func([]Trade) []Trade, bool) {
			parts := strings.Split(r.URL.Path, "/")
			if len(parts) != 4 || parts[1] != "products" || parts[3] != "trades" {
				return "", nil, false
			}
			limit := limitOf(r.URL.Query(), "limit", 1000)
			pick := newest(limit)
			if id, err := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64); err == nil {
				pick = below(id, limit)
			}
			return parts[2], pick, true
		},
		page: func(_ string, ts []Trade) string {
			return all(newestFirst(ts), func(t Trade) string {
				return fmt.Sprintf(`{"time":%q,"trade_id":%d,"price":%q,"size":%q,"side":%q}`, at(t), t.ID, t.Price, t.Size, side(t.Buy, "sell", "buy"))
			})
		},
	}
}

func okx() dialect {
	row := func(s string, t Trade) string {
		return fmt.Sprintf(`{"instId":%q,"tradeId":"%d","px":%q,"sz":%q,"side":%q,"ts":"%d"}`, s, t.ID, t.Price, t.Size, side(t.Buy, "buy", "sell"), t.TS)
	}
	return dialect{
		frame: func(s string, t Trade) string {
			return fmt.Sprintf(`{"arg":{"channel":"trades","instId":%q},"data":[%s]}`, s, row(s, t))
		},
		hear: func(text string) ([]string, string) {
			if text == "ping" {
				return nil, "pong"
			}
			var m struct {
				Op   string
				Args []struct{ Channel, InstID string }
			}
			if json.Unmarshal([]byte(text), &m) != nil || m.Op != "subscribe" {
				return nil, `{"event":"error","code":"60012","msg":"Invalid request"}`
			}
			var symbols []string
			for _, a := range m.Args {
				symbols = append(symbols, a.InstID)
			}
			return symbols, `{"event":"subscribe","arg":{"channel":"trades"},"connId":"1"}`
		},
		asked: func(r *http.Request) (string, func([]Trade) []Trade, bool) {
			q := r.URL.Query()
			limit := limitOf(q, "limit", 100)
			pick := newest(limit)
			if id, err := strconv.ParseInt(q.Get("after"), 10, 64); err == nil && q.Get("type") == "1" {
				pick = below(id, limit)
			}
			return q.Get("instId"), pick, r.URL.Path == "/api/v5/market/history-trades"
		},
		page: func(s string, ts []Trade) string {
			return `{"code":"0","msg":"","data":` + all(newestFirst(ts), func(t Trade) string { return row(s, t) }) + `}`
		},
	}
}

func kraken() dialect {
	row := func(s string, t Trade) string {
		return fmt.Sprintf(`{"symbol":%q,"side":%q,"price":%s,"qty":%s,"ord_type":"limit","trade_id":%d,"timestamp":%q}`, s, side(t.Buy, "buy", "sell"), t.Price, t.Size, t.ID, at(t))
	}
	message := func(kind, s string, ts []Trade) string {
		return fmt.Sprintf(`{"channel":"trade","type":%q,"data":%s}`, kind, all(ts, func(t Trade) string { return row(s, t) }))
	}
	return dialect{
		frame:    func(s string, t Trade) string { return message("update", s, []Trade{t}) },
		snapshot: func(s string, ts []Trade) string { return message("snapshot", s, ts) },
		hear: func(text string) ([]string, string) {
			var m struct {
				Method string
				Params struct {
					Channel string
					Symbol  []string
				}
			}
			switch {
			case json.Unmarshal([]byte(text), &m) != nil:
				return nil, `{"error":"bad","success":false}`
			case m.Method == "ping":
				return nil, `{"method":"pong"}`
			case m.Method != "subscribe" || m.Params.Channel != "trade":
				return nil, `{"error":"bad","method":"subscribe","success":false}`
			}
			return m.Params.Symbol, `{"method":"subscribe","success":true}`
		},
		asked: func(r *http.Request) (string, func([]Trade) []Trade, bool) {
			q := r.URL.Query()
			limit := limitOf(q, "count", 1000)
			pick := newest(limit)
			if since, err := strconv.ParseInt(q.Get("since"), 10, 64); err == nil {
				pick = func(ts []Trade) []Trade {
					low, _ := slices.BinarySearchFunc(ts, since, func(t Trade, ns int64) int {
						if t.TS*1e6 <= ns {
							return -1
						}
						return 1
					})
					return ts[low:min(low+limit, len(ts))]
				}
			}
			return q.Get("pair"), pick, r.URL.Path == "/0/public/Trades"
		},
		page: func(s string, ts []Trade) string {
			last := "0"
			if len(ts) > 0 {
				last = strconv.FormatInt(ts[len(ts)-1].TS*1e6, 10)
			}
			return fmt.Sprintf(`{"error":[],"result":{%q:%s,"last":%q}}`, "X"+strings.ReplaceAll(s, "/", "Z"), all(ts, func(t Trade) string {
				return fmt.Sprintf(`[%q,%q,%d.%03d,%q,"l","",%d]`, t.Price, t.Size, t.TS/1000, t.TS%1000, side(t.Buy, "b", "s"), t.ID)
			}), last)
		},
	}
}

func bybit() dialect {
	id := func(s string, t Trade) string { return fmt.Sprintf("%s-%08x-0000-5000", strings.ToLower(s), t.ID) }
	return dialect{
		frame: func(s string, t Trade) string {
			return fmt.Sprintf(`{"topic":"publicTrade.%s","type":"snapshot","ts":%d,"data":[{"T":%d,"s":%q,"S":%q,"v":%q,"p":%q,"L":"PlusTick","i":%q,"BT":false}]}`,
				s, t.TS+1, t.TS, s, side(t.Buy, "Buy", "Sell"), t.Size, t.Price, id(s, t))
		},
		hear: func(text string) ([]string, string) {
			var m struct {
				Op   string
				Args []string
			}
			if json.Unmarshal([]byte(text), &m) != nil {
				return nil, `{"success":false,"ret_msg":"error","op":""}`
			}
			if m.Op == "ping" {
				return nil, `{"success":true,"ret_msg":"pong","op":"ping"}`
			}
			for i := range m.Args {
				m.Args[i] = strings.TrimPrefix(m.Args[i], "publicTrade.")
			}
			return m.Args, `{"success":true,"ret_msg":"","op":"subscribe"}`
		},
		asked: func(r *http.Request) (string, func([]Trade) []Trade, bool) {
			q := r.URL.Query()
			return q.Get("symbol"), newest(limitOf(q, "limit", 60)), r.URL.Path == "/v5/market/recent-trade"
		},
		page: func(s string, ts []Trade) string {
			return `{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":` + all(newestFirst(ts), func(t Trade) string {
				return fmt.Sprintf(`{"execId":%q,"symbol":%q,"price":%q,"size":%q,"side":%q,"time":"%d","isBlockTrade":false}`, id(s, t), s, t.Price, t.Size, side(t.Buy, "Buy", "Sell"), t.TS)
			}) + `}}`
		},
	}
}
