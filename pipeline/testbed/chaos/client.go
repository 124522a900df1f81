//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// silence is after how long without an event a client thinks its connection is dead. Every stream of the run has bars of a second.
const silence = 5 * time.Second

// client is an event source that goes to the next node whenever it is cut, and every few seconds by itself, with its last id.
type client struct {
	symbols []string
	itvs    []string
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu         sync.Mutex // protects the rest
	union      oracle.Union
	err        error
	reconnects int
	told       map[string]int // reasons why it was told to begin anew
}

// startClient opens a stream of some symbols. The seed says which, and when it goes by itself.
func startClient(nodes []*node, c Config, number int) *client {
	r := rand.New(rand.NewPCG(c.Seed, uint64(1000+number)))
	ctx, cancel := context.WithCancel(context.Background())
	k := &client{stop: cancel, itvs: []string{"1s", "5s"}}
	for range 1 + r.IntN(3) {
		if s := fmt.Sprintf("S%04d", r.IntN(c.Symbols)); !slices.Contains(k.symbols, s) {
			k.symbols = append(k.symbols, s)
		}
	}
	selection := strings.Join(k.symbols, ",") + "@" + strings.Join(k.itvs, ",") + ":kline"
	if number%4 == 0 {
		selection += ",ema(20)"
	}
	k.done.Go(func() {
		last := ""
		for turn := number; ctx.Err() == nil; turn++ {
			address := nodes[turn%len(nodes)].http + "/v1/stream?snapshot=1000&s=" + url.QueryEscape(selection)
			last = k.connect(ctx, address, last, time.Duration(4+r.IntN(16))*time.Second)
		}
	})
	return k
}

// connect holds one connection for at most limit.
func (k *client) connect(ctx context.Context, address, last string, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	opened := false
	id, err := oracle.Stream(ctx, http.DefaultClient, address, last, func(e oracle.Event) error {
		watch.Reset(silence)
		opened = true
		return k.add(e)
	})
	_ = err // a cut connection is what this client is for; what it could not read is in k.err
	if opened {
		k.mu.Lock()
		k.reconnects++
		k.mu.Unlock()
	}
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
	if id == "" {
		return last
	}
	return id
}

func (k *client) add(e oracle.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.Type == "reset" {
		var reset struct{ Reason string }
		if err := json.Unmarshal([]byte(e.Data), &reset); err != nil {
			k.err = fmt.Errorf("reading a reset: %w", err)
		}
		if k.told == nil {
			k.told = map[string]int{}
		}
		k.told[reset.Reason]++
	}
	if err := k.union.Add(e); err != nil && k.err == nil {
		k.err = err
	}
	return nil
}

// compare holds what all connections gave together against the oracle.
func (k *client) compare(want []oracle.Expected) (oracle.Report, error) {
	var mine []oracle.Expected
	for _, w := range want {
		if slices.Contains(k.symbols, w.Symbol) && slices.Contains(k.itvs, w.Interval) {
			mine = append(mine, w)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.union.Compare(mine), k.err
}

// counts are how often it came back, and why it was told to forget what it had.
func (k *client) counts() (reconnects int, told map[string]int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return max(0, k.reconnects-1), maps.Clone(k.told)
}
