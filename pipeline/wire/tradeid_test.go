package wire

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// A database keeps ids as plain text; what is read back has the bytes of the topic.
func TestTradeIDsComeBackFromTheirPlainText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`-?[0-9]{1,22}`), rapid.StringMatching(`[<>&"\\a]{1,5}`)).Draw(t, "id")
		var id core.TradeID
		tok := token{text: []byte(text), kind: tokenString}
		if !tradeID(&tok, &id) {
			t.Skip("no id")
		}
		want := appendTradeID(nil, &id)
		plain := want
		if want[0] == '"' {
			var s string
			if err := json.Unmarshal(want, &s); err != nil {
				t.Fatal(err)
			}
			plain = []byte(s)
		}
		if got := AppendTradeID(nil, plain); string(got) != string(want) {
			t.Fatalf("%q became %s, want %s", text, got, want)
		}
	})
}
