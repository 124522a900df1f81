package venue

import (
	"encoding/json"
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
	time.Sleep(300 * time.Millisecond)
	e.Hold()
	time.Sleep(50 * time.Millisecond)
	resp, err := http.Get(e.URL() + "/api/v3/historicalTrades?symbol=A&limit=1000&fromId=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	var list []any
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	if n := len(e.Offered("A")); err != nil || n < 50 || len(list) != n {
		t.Errorf("%d offered, %d answered, %v", n, len(list), err)
	}
}
