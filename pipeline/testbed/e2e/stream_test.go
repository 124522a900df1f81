package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// client is an event source that comes back whenever it is cut, with its last
// id, for as long as the test runs.
type client struct {
	t       *testing.T
	symbols []string
	itvs    []string
	done    chan struct{}
	cancel  context.CancelFunc

	mu     sync.Mutex // protects the rest
	union  oracle.Union
	err    error
	joined int // connections that had an event
	values map[string]int
	ends   []string // how each connection ended: the reason of its bye, "cut" without one
}

// stream opens a stream of the selection, such as "s=A@1s,1m:kline". each, if
// given, sees every event.
func stream(t *testing.T, b *bed, selection string, each func(oracle.Event)) *client {
	t.Helper()
	return streamAny(t, []*bed{b}, selection, each)
}

// streamAny is stream for a client that goes to the next node whenever it is
// cut, as behind a load balancer.
func streamAny(t *testing.T, nodes []*bed, selection string, each func(oracle.Event)) *client {
	t.Helper()
	return streamFor(t, nodes, selection, each, nil)
}

// streamFor is streamAny for a client that cuts each connection itself after as
// long as hold says.
func streamFor(t *testing.T, nodes []*bed, selection string, each func(oracle.Event), hold func() time.Duration) *client {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{t: t, done: make(chan struct{}), cancel: cancel, values: map[string]int{}}
	part := strings.SplitN(strings.TrimPrefix(selection, "s="), ":", 2)[0]
	at := strings.Index(part, "@")
	c.symbols, c.itvs = strings.Split(part[:at], ","), strings.Split(part[at+1:], ",")
	query := "/v1/stream?s=" + url.QueryEscape(strings.TrimPrefix(selection, "s=")) + "&snapshot=1000"
	first := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(c.done)
		last := ""
		for turn := 0; ctx.Err() == nil; turn++ {
			end := "refused"
			conn, cut := context.WithCancel(ctx)
			if hold != nil {
				conn, cut = context.WithTimeout(ctx, hold())
			}
			id, err := oracle.Stream(conn, http.DefaultClient, nodes[turn%len(nodes)].http+query, last, func(e oracle.Event) error {
				if end == "refused" {
					c.join()
				}
				end = ending(e)
				once.Do(func() { close(first) })
				c.add(e)
				if each != nil {
					each(e)
				}
				return nil
			})
			cut()
			if id != "" {
				last = id
			}
			if ctx.Err() == nil && end != "refused" {
				c.ended(end)
			}
			_ = err // a cut connection is what this client is for
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case <-first:
	case <-time.After(patience):
		t.Fatalf("no event on %s within %v", query, patience)
	}
	return c
}

// ending is how a connection ends whose last event is e.
func ending(e oracle.Event) string {
	if e.Type != "bye" {
		return "cut"
	}
	var bye struct{ Reason string }
	if err := json.Unmarshal([]byte(e.Data), &bye); err != nil {
		return "bye " + e.Data
	}
	return bye.Reason
}

func (c *client) join() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined++
}

// back tells whether the client is on a connection again behind n that ended.
func (c *client) back(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ends) >= n && c.joined > len(c.ends)
}

func (c *client) ended(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, how)
}

// endings lists how the connections so far have ended.
func (c *client) endings() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ends)
}

func (c *client) add(e oracle.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[e.Type]++
	if err := c.union.Add(e); err != nil && c.err == nil {
		c.err = err
	}
}

// check waits until the union of all connections is what the oracle says.
func (c *client) check(want []oracle.Expected) {
	c.t.Helper()
	var mine []oracle.Expected
	for _, w := range want {
		if contains(c.symbols, w.Symbol) && contains(c.itvs, w.Interval) {
			mine = append(mine, w)
		}
	}
	var report oracle.Report
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		c.mu.Lock()
		report = c.union.Compare(mine)
		err := c.err
		c.mu.Unlock()
		if err != nil {
			c.t.Errorf("reading the stream: %v", err)
			return
		}
		if report.Err() == nil || time.Now().After(deadline) {
			break
		}
	}
	c.mu.Lock()
	c.t.Logf("stream %v@%v: %s; events %v, resets %d", c.symbols, c.itvs, firstLine(report.String()), c.values, c.union.Resets)
	c.mu.Unlock()
	if err := report.Err(); err != nil {
		c.t.Errorf("the union of the stream differs from the oracle: %v", err)
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
