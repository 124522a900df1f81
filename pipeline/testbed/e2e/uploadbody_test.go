package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// annAs is what `curl -u ann:upload` sends.
const annAs = "Authorization: Basic YW5uOnVwbG9hZA==\r\n"

// raw is one connection on which a test says what no client would.
type raw struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// raw begins an upload with further lines of the header, and sends no body.
func (u *uploads) raw(lines string) *raw {
	u.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(u.http, "http://"))
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		u.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "PUT /v1/modules/trial-sum HTTP/1.1\r\nHost: %s\r\nContent-Type: application/wasm\r\n%s\r\n", conn.RemoteAddr(), lines); err != nil {
		u.t.Fatal(err)
	}
	return &raw{u.t, conn, bufio.NewReader(conn)}
}

func (r *raw) send(b []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// answer wants the next status. What is 100 counts as an answer of its own.
func (r *raw) answer(want int) {
	r.t.Helper()
	resp, err := http.ReadResponse(r.in, nil)
	if err != nil {
		r.t.Fatalf("reading the answer, want %d: %v", want, err)
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16)) // some are cut off with the connection
	if resp.StatusCode != want {
		r.t.Fatalf("answer %d, want %d: %.300s", resp.StatusCode, want, text)
	}
}

func length(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }

// Bodies that are slow, endless, broken off, packed, or not as long as they say
// are refused, each in its own words, and take no place from those behind them.
// What is refused by its header is answered also when the body does not come: a
// client that waits for the answer first would wait for ever.
func TestEmbeddedBodiesThatAreNoModule(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	wasm := summing(t, 100)
	for name, attempt := range map[string]func(t *testing.T, begin func(lines string) *raw){
		"slow": func(_ *testing.T, begin func(string) *raw) {
			r := begin(annAs + length(len(wasm)))
			r.send(wasm[:100])
			r.answer(408)
		},
		"endless": func(t *testing.T, begin func(string) *raw) {
			r := begin(annAs + "Transfer-Encoding: chunked\r\n")
			chunk := append(append([]byte("10000\r\n"), make([]byte, 1<<16)...), "\r\n"...)
			sent := 0
			for ; sent < 256<<20; sent += len(chunk) {
				if _, err := r.conn.Write(chunk); err != nil {
					break
				}
			}
			if sent >= 64<<20 {
				t.Errorf("the node took %d bytes", sent)
			}
		},
		"larger than allowed, chunked": func(_ *testing.T, begin func(string) *raw) {
			r := begin(annAs + "Transfer-Encoding: chunked\r\n")
			_, _ = r.conn.Write(fmt.Appendf(nil, "%x\r\n", 8<<20))
			_, _ = r.conn.Write(make([]byte, 5<<20)) // it is answered before its end
			r.answer(413)
		},
		"broken off": func(t *testing.T, begin func(string) *raw) {
			r := begin(annAs + length(len(wasm)))
			r.send(wasm[:len(wasm)-1])
			if err := r.conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			r.answer(400)
		},
		"longer than it says": func(_ *testing.T, begin func(string) *raw) {
			r := begin(annAs + length(len(wasm)-9))
			r.send(wasm)
			r.answer(422)
		},
		"two lengths": func(_ *testing.T, begin func(string) *raw) { begin(annAs + length(1) + length(2)).answer(400) },
		"packed": func(_ *testing.T, begin func(string) *raw) {
			begin(annAs + "Content-Encoding: gzip\r\n" + length(0)).answer(415)
		},
		"too large, and would wait": func(_ *testing.T, begin func(string) *raw) {
			begin(annAs + "Expect: 100-continue\r\n" + length(4<<20+1)).answer(413)
		},
		"of another type, and would wait": func(_ *testing.T, begin func(string) *raw) {
			begin(annAs + "Expect: 100-continue\r\nContent-Encoding: br\r\n" + length(len(wasm))).answer(415)
		},
		"gone, ten times": func(t *testing.T, begin func(string) *raw) {
			for range 10 { // two at once are allowed
				r := begin(annAs + length(len(wasm)))
				r.send(wasm[:200])
				_ = r.conn.Close()
			}
			// The node learns a little later that they are gone; until then there is no place.
			if !eventually(func() bool { status, _, _ := u.ask("PUT", "/v1/modules/trial-sum", wasm[:300]); return status == 422 }) {
				t.Error("clients that have gone keep their places")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			attempt(t, func(lines string) *raw {
				r := u.raw(lines)
				r.t = t
				return r
			})
		})
	}
	if got := u.listed(); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
	r := u.raw(annAs + "Expect: 100-continue\r\n" + length(len(wasm)))
	r.answer(100)
	r.send(wasm)
	r.answer(201)
	u.files(1)
}
