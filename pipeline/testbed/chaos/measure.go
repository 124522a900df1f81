//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// takeover is what one kill of a node costs.
type takeover struct {
	unowned time.Duration // until every partition has an owner again
	bars    time.Duration // until every symbol that was the node's has a closed bar of a second after the kill
}

// takeover kills a node and looks from the outside how long its work is missed. With several nodes it stays away until the others have taken
// over, else it is started again at once. What is shown meanwhile is compared with the oracle at the end, as everything is.
func (x *strikes) takeover(n *node) (takeover, error) {
	var t takeover
	owners, _ := x.s.owners()
	mine := map[int32]bool{}
	for p, who := range owners {
		mine[p] = slices.Contains(who, n.number)
	}
	began := time.Now()
	n.kill()
	x.book.made(KillNode)
	alone := len(x.s.nodes) == 1
	reader := x.s.nodes[(n.number+1)%len(x.s.nodes)]
	if alone {
		n.binary.Restart()
	}
	var all sync.WaitGroup
	var failed error
	all.Go(func() { t.bars, failed = x.freshBars(reader, began) })
	var ok bool
	_, ok = until(40*time.Second, func() bool { o, _ := x.s.owners(); return len(o) == partitions })
	t.unowned = time.Since(began)
	all.Wait()
	if !alone {
		n.binary.Restart()
	}
	if !ok {
		return t, fmt.Errorf("measuring a take-over: not all partitions had an owner 40 s after node %d was killed", n.number)
	}
	x.book.note("node %d was killed with %d partitions: all owned after %v, all bars after %v", n.number, count(mine), t.unowned.Round(time.Millisecond), t.bars.Round(time.Millisecond))
	return t, failed
}

func count(set map[int32]bool) (n int) {
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

// freshBars waits until every symbol has a bar with trades from behind the kill, on one node that lives.
func (x *strikes) freshBars(n *node, since time.Time) (time.Duration, error) {
	missing := map[string]bool{}
	for i := range x.s.c.Symbols {
		missing[fmt.Sprintf("S%04d", i)] = true
	}
	took, ok := until(60*time.Second, func() bool {
		for symbol := range missing {
			if newestBar(n.http, symbol) >= since.UnixMilli() {
				delete(missing, symbol)
			}
		}
		return len(missing) == 0
	})
	if !ok {
		return took, fmt.Errorf("measuring a take-over: %d symbols have no bar 60 s after the kill", len(missing))
	}
	return took, nil
}

// newestBar is the end of the newest bar of a second, in progress or closed; 0 without one.
func newestBar(base, symbol string) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/klines?itv=1s&limit=1&sym="+symbol, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	var body struct {
		Bars []struct {
			T int64 `json:"t"`
		} `json:"bars"`
	}
	if json.NewDecoder(response.Body).Decode(&body) != nil || len(body.Bars) == 0 {
		return 0
	}
	return body.Bars[len(body.Bars)-1].T
}
