package serve

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

const (
	// queuedBundle is the size from which on a bundle is built in turn: some
	// milliseconds of a processor. What a chart asks for is smaller.
	queuedBundle = 1 << 20
	// buildQueue is how long a bundle waits for its turns, all together.
	buildQueue = 5 * time.Second
)

// buildGate bounds how many large bundles are built at a time: one of a client, and no
// more than leave half of the processors to the partitions. The slot of a client comes
// first, so that one with many requests does not fill the queue of all.
type buildGate struct {
	all slots

	mu      sync.Mutex // protects clients
	clients map[string]*clientBuilds
}

// clientBuilds is the slot of a client, while somebody wants it.
type clientBuilds struct {
	slots
	users int // guarded by the gate
}

func newBuildGate(c clock.Clock) *buildGate {
	return &buildGate{all: newSlots(max(1, runtime.GOMAXPROCS(0)/2), c), clients: map[string]*clientBuilds{}}
}

// buildTurn is the way of one bundle through the gate. nil is that of a small one,
// which never waits.
type buildTurn struct {
	gate   *buildGate
	client string
	wait   time.Duration // what is left of buildQueue
	own    *clientBuilds // nil: it is outside
}

func (b *buildGate) turn(client string) *buildTurn {
	return &buildTurn{gate: b, client: client, wait: buildQueue}
}

// enter waits for the turn.
func (t *buildTurn) enter(ctx context.Context) error {
	if t == nil || t.own != nil {
		return nil
	}
	own, c := t.gate.use(t.client), t.gate.all.clock
	began := c.Now()
	defer func() { t.wait -= c.Now().Sub(began) }()
	if err := own.enter(ctx, t.wait, buildsBusy()); err != nil {
		t.gate.unuse(t.client)
		return err
	}
	if err := t.gate.all.enter(ctx, t.wait-c.Now().Sub(began), buildsBusy()); err != nil {
		own.leave()
		t.gate.unuse(t.client)
		return err
	}
	t.own = own
	return nil
}

// leave lets others have their turn.
func (t *buildTurn) leave() {
	if t == nil || t.own == nil {
		return
	}
	t.gate.all.leave()
	t.own.leave()
	t.own = nil
	t.gate.unuse(t.client)
}

func (b *buildGate) use(client string) *clientBuilds {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clients[client]
	if c == nil {
		c = &clientBuilds{slots: newSlots(1, b.all.clock)}
		b.clients[client] = c
	}
	c.users++
	return c
}

func (b *buildGate) unuse(client string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clients[client]; c.users > 1 {
		c.users--
		return
	}
	delete(b.clients, client)
}

func buildsBusy() *Problem {
	return &Problem{Status: 503, Code: CodeBusy, RetryAfter: 5,
		Detail: "too many large bundles are asked for at the same time: ask for one after the other, or for fewer rows"}
}
