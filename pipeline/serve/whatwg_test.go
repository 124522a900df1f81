package serve

import (
	"bytes"
	"strings"
	"testing"
)

// message is one event as a browser dispatches it.
type message struct{ id, event, data string }

// browser parses a stream as the HTML standard says (9.2.6), fed in pieces. It
// is the independent other side of the framer.
type browser struct {
	rest       []byte
	lastID, id string
	event      string
	data       strings.Builder
	hasData    bool
	retry      string
	got        []message
}

func (b *browser) feed(p []byte) {
	b.rest = append(b.rest, p...)
	for {
		i := bytes.IndexAny(b.rest, "\r\n")
		if i < 0 || b.rest[i] == '\r' && i+1 == len(b.rest) {
			return
		}
		line := string(b.rest[:i])
		if b.rest[i] == '\r' && b.rest[i+1] == '\n' {
			i++
		}
		b.rest = b.rest[i+1:]
		b.line(line)
	}
}

func (b *browser) line(line string) {
	if line == "" {
		b.lastID = b.id
		if b.hasData {
			b.got = append(b.got, message{b.lastID, b.event, strings.TrimSuffix(b.data.String(), "\n")})
		}
		b.event, b.hasData = "", false
		b.data.Reset()
		return
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		b.event = value
	case "data":
		b.data.WriteString(value + "\n")
		b.hasData = true
	case "id":
		if !strings.Contains(value, "\x00") {
			b.id = value
		}
	case "retry":
		b.retry = value
	}
}

func FuzzFramingIsOneEvent(f *testing.F) {
	f.Add([]byte(`{"sym":"A"}`), []byte("v1.k3.1"), 3)
	f.Add([]byte("a\ndata: b"), []byte("x"), 1)
	f.Add([]byte("a\rid: 7"), []byte(""), 2)
	f.Add([]byte("\x00"), []byte("v1"), 9)
	f.Fuzz(func(t *testing.T, data, id []byte, cut int) {
		if !CheckID(string(id)) {
			return
		}
		out, body, ok := appendEvent(nil, id, eventKline, data)
		if !ok {
			if !bytes.ContainsAny(data, "\r\n\x00") {
				t.Fatalf("%q was refused", data)
			}
			return
		}
		if !bytes.HasPrefix(out[body:], []byte("event: ")) {
			t.Fatalf("the body begins at %q", out[body:])
		}
		var b browser
		cut = min(max(cut, 0), len(out))
		b.feed(out[:cut])
		b.feed(out[cut:])
		want := message{string(id), eventKline, string(data)}
		if len(b.got) != 1 || b.got[0] != want || len(b.rest) != 0 {
			t.Fatalf("the browser saw %q of %q", b.got, out)
		}
	})
}

func TestFramesOfHostileIDsStayOneLine(t *testing.T) {
	h := testHub(1)
	k := testBar("BTCUSDT", 1, 1)
	k.id = `"a\u000ab</script>\u2028` + "\u2028" + `"`
	h.Apply(0, []Record{k.record(0, 0, 0)})
	_, body := get(t, h, "/v1/klines?sym=BTCUSDT&itv=1m")
	if strings.ContainsAny(body, "<>\u2028\n") {
		t.Errorf("the answer holds foreign text as it came: %s", body)
	}
}
