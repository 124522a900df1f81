package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// firstRoom is what a body has before anything of it has come, in bytes.
const firstRoom = 4 << 10

// readBody reads a body of at most maxIngestBody bytes and counts what it takes
// while it grows. A thousand bytes of gzip become a million: counted behind the
// last of them, a user who sends many bodies and ends none would fill the memory.
func readBody(in io.Reader, held *share) ([]byte, *problem) {
	body := make([]byte, 0, firstRoom)
	for {
		if len(body) == cap(body) {
			room := min(2*cap(body), maxIngestBody+1)
			if err := held.hold(room); err != nil {
				return nil, bodiesFull()
			}
			body = append(make([]byte, 0, room), body...)
		}
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > maxIngestBody:
			return nil, bodyTooLarge()
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, badBody(err)
		}
	}
}

// bodiesFull is answered where the bodies of a user, or all, are many bytes.
func bodiesFull() *problem {
	return &problem{
		code: "busy", status: http.StatusServiceUnavailable, title: "Busy", retryAfter: 5,
		detail: "too many bytes of trades are being taken: wait for the answers to those that are under way, or send fewer at once",
	}
}

// unwanted is how long the server waits for what is left of a body that was
// refused before it was read.
const unwanted = time.Second

// hurry bounds that wait: the answer goes out behind it, and a client that is
// slow, or waits for the answer itself, would hear nothing. Closing at once would
// reset the connection under a client that is still sending.
func hurry(w http.ResponseWriter, r *http.Request, now time.Time) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(now.Add(unwanted)) // of a test's recorder: nothing to bound
	}
}
