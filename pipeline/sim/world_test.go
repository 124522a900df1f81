//go:build synctests

package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// firstPort is that of broker 0 in the virtual network.
const firstPort = 9001

// plan is what a seed decides before anything runs.
type plan struct {
	idempotent bool
	old        bool // brokers that need the group added to the transaction
	brokers    int
	partitions int32
	nodes      int
	steps      int
}

func drawPlan(rng *rand.Rand) plan {
	p := plan{
		idempotent: rng.IntN(4) == 0, brokers: 1 + rng.IntN(3), partitions: 2 + rng.Int32N(3), nodes: 1 + rng.IntN(3),
		steps: 10 + rng.IntN(10),
	}
	if p.idempotent {
		p.nodes = 1
	} else {
		p.old = rng.IntN(4) == 0
	}
	return p
}

// world is everything of one seed.
type world struct {
	t       testing.TB
	plan    plan
	rng     *rand.Rand
	tally   *tally
	trace   *trace
	network kfake.VirtualNetwork
	fake    *kfake.Cluster
	market  *market
	slots   []*node   // by number; nil: down
	ran     []*node   // all that were ever started
	planted []planted // faults that the brokers still hold
	errands []errand  // what is to be done later
}

// newWorld builds the brokers. It has to run in a bubble of virtual time.
func newWorld(t testing.TB, seed uint64, p plan, all *tally) *world {
	w := &world{t: t, plan: p, rng: rand.New(rand.NewPCG(seed, 3)), tally: all, trace: &trace{begun: time.Now()}}
	ports := make([]int, p.brokers)
	for i := range ports {
		ports[i] = firstPort + i
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(p.brokers), kfake.Ports(ports...), kfake.ListenFn(w.network.Listen), kfake.SeedTopics(p.partitions, inputTopic),
	}
	if p.old {
		opts = append(opts, kfake.MaxVersions(kversion.V3_7_0()))
	}
	var err error
	if w.fake, err = kfake.NewCluster(opts...); err != nil {
		t.Fatal(err)
	}
	w.slots = make([]*node, p.nodes)
	w.market = newMarket(w, rand.New(rand.NewPCG(seed, 4)))
	w.trace.add("world", fmt.Sprintf("%+v", p))
	return w
}

func (w *world) brokers() []string {
	addrs := make([]string, w.plan.brokers)
	for i := range addrs {
		addrs[i] = fmt.Sprintf("127.0.0.1:%d", firstPort+i)
	}
	return addrs
}

// client is a plain client with a network that does not fail.
func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(w.brokers()...), kgo.Dialer(w.network.DialContext), kgo.MetadataMinAge(200 * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
	}, opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return cl
}

func nodeName(slot int) string { return fmt.Sprintf("n%d", slot) }

// up starts the process of a slot.
func (w *world) up(slot int) {
	w.trace.add("world", "start "+nodeName(slot))
	w.slots[slot] = w.startNode(nodeName(slot))
}

// live returns the processes that run.
func (w *world) live() []*node {
	var ns []*node
	for _, n := range w.slots {
		if n != nil {
			ns = append(ns, n)
		}
	}
	return ns
}

// close ends everything. Nothing may be left of it: the bubble waits for every
// goroutine.
func (w *world) close() {
	w.market.close()
	for slot, n := range w.slots {
		if n != nil {
			n.stop()
			w.slots[slot] = nil
		}
	}
	for _, n := range w.ran {
		select {
		case err := <-n.stopped:
			if err != nil {
				w.t.Error(err)
			}
		case <-time.After(2 * stopTime):
			w.t.Errorf("node %s is stuck", n.name)
		}
	}
	// What the client library still has under way when it is closed runs into its
	// own limits. Whatever stays for longer is a leak, and the bubble finds it.
	time.Sleep(2 * time.Minute)
	w.fake.Close()
}
