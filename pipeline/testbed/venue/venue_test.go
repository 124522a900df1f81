package venue

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
)

// shape is a JSON value with its texts and numbers taken out.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = shape(x)
		}
		return out
	case []any:
		if len(v) == 0 {
			return v
		}
		return []any{shape(v[0])}
	case string:
		return "text"
	case float64:
		return "number"
	}
	return v
}

// The frames have the members of the recorded ones, each of the same type.
func TestFramesHaveTheShapeOfTheRecordedOnes(t *testing.T) {
	trade := Trade{ID: 7, Price: "1.5", Size: "2", TS: 1_700_000_000_123, Buy: true}
	for dialect, file := range map[string]string{"coinbase": "coinbase_matches.jsonl", "okx": "okx_trades.jsonl"} {
		b, err := os.ReadFile(filepath.Join(marketdata.Folder(t), "venue-captures", file))
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(b), "\n")
		var recorded struct{ Frame any }
		var ours any
		if err := json.Unmarshal([]byte(first), &recorded); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(dialects()[dialect].frame("A-B", trade)), &ours); err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(shape(recorded.Frame))
		got, _ := json.Marshal(shape(ours))
		if string(got) != string(want) {
			t.Errorf("%s writes %s\nrecorded %s", dialect, got, want)
		}
	}
}

func TestAnExchangeOffersWhatItMade(t *testing.T) {
	e := Start(t, Config{Dialect: "binance", Symbols: []string{"A"}, Rate: 500, Seed: 1})
	// On a busy machine it makes fewer at a time, and those of the last moment come behind Hold.
	for deadline := time.Now().Add(time.Minute); len(e.Offered("A")) < 50 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	e.Hold()
	answered, offered := -1, 0
	for deadline := time.Now().Add(time.Minute); answered != offered && time.Now().Before(deadline); {
		resp, err := http.Get(e.URL() + "/api/v3/historicalTrades?symbol=A&limit=1000&fromId=1")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var list []any
		if err := errors.Join(err, json.Unmarshal(body, &list)); err != nil {
			t.Fatal(err)
		}
		answered, offered = len(list), len(e.Offered("A"))
	}
	if offered < 50 || answered != offered {
		t.Errorf("%d offered, %d answered", offered, answered)
	}
}
