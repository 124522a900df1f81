package oracle

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

const stream = "\ufeffretry: 2417\n\n" +
	"event: kline\ndata: {\"a\":1}\n\n" +
	"id: v1.k3.1f8a\nevent: kline\ndata: {\"a\":2}\n\n" +
	": comment\n\n" +
	"id: v1.k3.1f8b\r\nevent: revise\r\ndata:{\"a\":3}\r\n\r\n" +
	"data: x\rdata: y\r\r" +
	"id: v1.k3.1f8c\nevent: pos\ndata: {}\n\n"

func events(t testing.TB, in io.Reader) ([]Event, string) {
	t.Helper()
	var all []Event
	last, err := ReadEvents(in, "start", func(e Event) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, last
}

func TestStreamIsReadAsTheStandardSays(t *testing.T) {
	got, last := events(t, iotest.OneByteReader(strings.NewReader(stream)))
	want := []Event{
		{"kline", `{"a":1}`, "start"}, {"kline", `{"a":2}`, "v1.k3.1f8a"}, {"revise", `{"a":3}`, "v1.k3.1f8b"}, {"message", "x\ny", "v1.k3.1f8b"},
		{"pos", "{}", "v1.k3.1f8c"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || last != "v1.k3.1f8c" {
		t.Errorf("got  %v, last id %s\nwant %v", got, last, want)
	}
}

// TestStreamCutAtEveryOffsetLosesOnlyTheEnd: what is read of a broken connection is a prefix of the whole events, and the id to resume
// from is that of the last whole one. An id taken from a half event would skip it for ever.
func TestStreamCutAtEveryOffsetLosesOnlyTheEnd(t *testing.T) {
	whole, _ := events(t, strings.NewReader(stream))
	for cut := range len(stream) + 1 {
		got, last := events(t, strings.NewReader(stream[:cut]))
		if len(got) > len(whole) || fmt.Sprint(got) != fmt.Sprint(whole[:len(got)]) {
			t.Fatalf("cut at %d: %v is no prefix of %v", cut, got, whole)
		}
		want := "start"
		if len(got) > 0 {
			want = got[len(got)-1].ID
		}
		if last != want {
			t.Fatalf("cut at %d: last id %q, want %q", cut, last, want)
		}
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add(stream)
	f.Add("data\n\nid: \x00\ndata:a\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		whole, _ := events(t, strings.NewReader(text))
		bytewise, _ := events(t, iotest.OneByteReader(strings.NewReader(text)))
		if fmt.Sprint(whole) != fmt.Sprint(bytewise) {
			t.Errorf("read at once %q, byte by byte %q", whole, bytewise)
		}
	})
}

// surface shows the klines of the oracle over HTTP, as numbers, in pages.
func surface(t *testing.T, bars []Expected) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var from int64
		var limit int
		if _, err := fmt.Sscan(r.FormValue("from"), &from); err != nil {
			t.Errorf("from: %v", err)
		}
		if _, err := fmt.Sscan(r.FormValue("limit"), &limit); err != nil {
			t.Errorf("limit: %v", err)
		}
		page := map[string]any{}
		var rows []json.RawMessage
		for _, bar := range bars {
			switch {
			case bar.Open < from:
			case len(rows) == limit:
				page["next"] = bar.Open
			default:
				rows = append(rows, json.RawMessage(number(bar)))
			}
			if page["next"] != nil {
				break
			}
		}
		page["bars"] = rows
		if err := json.NewEncoder(w).Encode(page); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func number(bar Expected) string {
	k := bar.Kline
	return fmt.Sprintf(`{"sym":%q,"itv":%q,"t":%d,"T":%d,"o":%s,"h":%s,"l":%s,"c":%s,"v":%s,"qv":%s,"n":%d,"bv":%s,"bqv":%s,"vwap":%s,"f":%s,"L":%s,"final":true,"rev":0}`,
		k.Symbol, k.Interval, k.Open, k.End, k.O, k.H, k.L, k.C, k.V, k.QV, k.N, k.BV, k.BQV, k.VWAP, k.First, k.Last)
}

func TestRESTPagesAreReadToTheEnd(t *testing.T) {
	bars := Bars(handTrades(t), Options{Intervals: intervals(t, "1s"), AllClosed: true})
	server := surface(t, bars)
	for size := 1; size <= len(bars)+1; size++ {
		got, err := REST(t.Context(), server.Client(), server.URL, "A", "1s", size)
		if err != nil {
			t.Fatal(err)
		}
		if err := CompareKlines(got, bars).Err(); err != nil {
			t.Errorf("pages of %d: %v", size, err)
		}
		if err := CompareKlines(append(got, got[0]), bars).Err(); err == nil {
			t.Error("a doubled kline was not seen")
		}
	}
}

func TestUnionOfConnectionsCountsWhatCameTwice(t *testing.T) {
	bars := Bars(handTrades(t), Options{Intervals: intervals(t, "1m"), AllClosed: true})
	snapshot := Event{Type: "snapshot", Data: `{"bars":[` + number(bars[0]) + `]}`}
	closed := Event{Type: "kline", Data: number(bars[1])}
	revised := Event{Type: "revise", Data: strings.Replace(number(bars[1]), `"rev":0`, `"rev":1`, 1)}
	values := Event{Type: "revise", Data: `{"sym":"A","itv":"1m","ind":"ema(20)","rev":1,"t":[60000],"value":[1]}`}
	forming := Event{Type: "kline", Data: strings.Replace(number(bars[0]), `"final":true`, `"final":false`, 1)}
	tests := []struct {
		name            string
		events          []Event
		doubled, wanted int
	}{
		{"snapshot and live", []Event{snapshot, forming, closed, revised, values}, 0, 2},
		{"repeated after a resume", []Event{snapshot, closed, closed}, 1, 2},
		{"repeated after a reset", []Event{snapshot, closed, {Type: "reset", Data: "{}"}, snapshot, closed}, 0, 2},
		{"snapshot before its event", []Event{{Type: "snapshot", Data: `{"bars":[` + number(bars[0]) + `,` + number(bars[1]) + `]}`}, closed}, 0, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var u Union
			for _, e := range test.events {
				if err := u.Add(e); err != nil {
					t.Fatal(err)
				}
			}
			report := u.Compare(bars)
			if u.Doubled != test.doubled || report.Found != test.wanted || report.Lost+report.Wrong+report.Extra != 0 {
				t.Errorf("doubled %d: %v", u.Doubled, report)
			}
		})
	}
}
