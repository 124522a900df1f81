package history

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes: positions are few, and
// an error is quoted.
const maxAnswer = 1 << 20

// ErrLongAnswer means that an answer has more bytes than are read of it: who asked
// for rows may ask for fewer.
var ErrLongAnswer = errors.New("the answer is too long")

// dialTimeout bounds the way to a connection.
const dialTimeout = 5 * time.Second

// Endpoint is a database that is spoken to over HTTP. It follows no redirect and
// uses no proxy: rows go to the address of the configuration and nowhere else.
type Endpoint struct {
	base   url.URL
	client *http.Client
	sign   func(*http.Request)
}

// NewEndpoint makes one for addr (host:port). With secure, which is asked at each
// new connection, it speaks HTTPS. sign adds credentials to each request; nil
// adds none. It does not dial.
func NewEndpoint(addr string, secure func() *tls.Config, sign func(*http.Request)) *Endpoint {
	e := &Endpoint{base: url.URL{Scheme: "http", Host: addr}, sign: sign}
	plain := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{DialContext: plain.DialContext, MaxIdleConns: 2, IdleConnTimeout: time.Minute, WriteBufferSize: 64 << 10}
	if secure != nil {
		e.base.Scheme = "https"
		transport.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&tls.Dialer{NetDialer: plain, Config: secure()}).DialContext(ctx, network, addr)
		}
	}
	e.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return e
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Status int
	// Body is the beginning of what the server says.
	Body string
	// Header is that of the answer.
	Header http.Header
}

// Error quotes the answer.
func (e *StatusError) Error() string {
	text := e.Body
	if len(text) > 300 {
		text = text[:300]
	}
	return fmt.Sprintf("the server answers %d: %q", e.Status, text)
}

// Do sends one request and returns the body of a 2xx. Any other answer is a
// *StatusError.
func (e *Endpoint) Do(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	return e.DoUpTo(ctx, maxAnswer, method, path, query, body)
}

// sendBody gives a request its body. What it returns is over when nobody reads that any
// more: an answer may come while it is still being sent, and whoever has the answer
// writes the next one into the same memory.
func sendBody(req *http.Request, body []byte) *sync.WaitGroup {
	sent := new(sync.WaitGroup)
	if len(body) == 0 {
		return sent
	}
	// Asked again where a connection has ended before anything was sent.
	req.GetBody = func() (io.ReadCloser, error) {
		sent.Add(1)
		return &lentBody{Reader: bytes.NewReader(body), close: sync.OnceFunc(sent.Done)}, nil
	}
	req.Body, _ = req.GetBody() // it has no error
	req.ContentLength = int64(len(body))
	return sent
}

// lentBody is memory of the caller while it is sent.
type lentBody struct {
	*bytes.Reader
	close func()
}

// Close implements io.Closer.
func (b *lentBody) Close() error {
	b.close()
	return nil
}

// DoUpTo is Do for answers of up to most bytes. A 2xx that is longer is
// ErrLongAnswer: what is cut somewhere looks whole.
func (e *Endpoint) DoUpTo(ctx context.Context, most int64, method, path string, query url.Values, body []byte) ([]byte, error) {
	u := e.base
	u.Path, u.RawQuery = path, query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("preparing a request: %w", err)
	}
	sent := sendBody(req, body)
	defer sent.Wait() // behind the end of the answer, which ends a request that nobody reads
	if e.sign != nil {
		e.sign(req)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		// The URL holds the whole statement and says nothing new.
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, fmt.Errorf("asking %s: %w", e.base.Host, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", e.base.Host, err)
	}
	if int64(len(answer)) > most && resp.StatusCode/100 == 2 {
		return nil, fmt.Errorf("reading the answer of %s: more than %d bytes: %w", e.base.Host, most, ErrLongAnswer)
	}
	if resp.StatusCode/100 != 2 {
		return nil, &StatusError{Status: resp.StatusCode, Body: string(answer), Header: resp.Header}
	}
	return answer, nil
}

// Close drops idle connections.
func (e *Endpoint) Close() { e.client.CloseIdleConnections() }
