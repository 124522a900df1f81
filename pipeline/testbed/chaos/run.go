//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// MissingError says that a tool is not there, so that nothing could be shown.
type MissingError struct{ What string }

// Error implements error.
func (e *MissingError) Error() string { return "not run: " + e.What }

// takeovers is how often a take-over is measured.
const takeovers = 3

// run is one run from start to verdict.
type run struct {
	Config
	say     func(format string, args ...any)
	h       *server.Host
	s       *site
	book    *diary
	flow    *flow
	clients []*client
	hits    *strikes
	figures []Figure
	faults  []error
	dir     string
}

// Run breaks a cluster for the time of the configuration and compares what it has published. The error says what differs, or what kept
// the run from being one.
func Run(ctx context.Context, c Config, say func(format string, args ...any)) error {
	dir, err := os.MkdirTemp("", "kline-chaos-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &run{Config: c, say: say, dir: dir, h: server.NewHost(dir, say)}
	defer r.h.End()
	r.s = &site{h: r.h, c: c}
	if err := r.h.Do(r.s.start); err != nil {
		if r.h.Missing() != "" {
			return &MissingError{r.h.Missing()}
		}
		return fmt.Errorf("starting: %w", err)
	}
	r.book = newDiary(say)
	if err := r.h.Do(func() { r.live(ctx) }); err != nil {
		r.faults = append(r.faults, err)
	}
	return r.end()
}

// live lets trades flow, breaks things, heals them, measures and compares.
func (r *run) live(ctx context.Context) {
	var err error
	if r.flow, err = startFlow(r.s.direct, r.s.topic("ticks"), r.Config); err != nil {
		r.h.Fatal(err)
	}
	defer func() { r.flow.stop(); r.flow.done.Wait() }()
	for i := range r.Streams {
		r.clients = append(r.clients, startClient(r.s.nodes, r.Config, i))
	}
	defer r.stopClients()
	if _, ok := until(time.Minute, r.s.settled); !ok {
		r.h.Fatal("before the first fault: the nodes do not share all partitions without lag within a minute")
	}
	r.book.began = time.Now()
	r.hits = &strikes{s: r.s, book: r.book, end: time.Now().Add(r.Duration)}
	r.hits.run(ctx, Plan(r.Config))
	if ctx.Err() != nil {
		r.h.Fatal("stopped by hand")
	}
	if r.h.Failure() != nil {
		return
	}
	r.book.note("the last fault is healed")
	r.recovers()
	r.takeovers()
	r.calm()
	r.judge(ctx)
}

// recovers measures how long it takes until all partitions are worked on and nothing waits.
func (r *run) recovers() {
	for _, n := range r.s.nodes {
		n.check()
	}
	took, ok := until(2*time.Minute, r.s.settled)
	r.must("seconds from the last fault to lag 0", took.Seconds(), "<=", 60)
	if !ok {
		owners, lag := r.s.owners()
		r.h.Errorf("lag is %d two minutes after the last fault, owners %v", lag, owners)
	}
}

// takeovers measures kills of single nodes in a cluster that is well.
func (r *run) takeovers() {
	var worst takeover
	for i := range takeovers {
		t, err := r.hits.takeover(r.s.nodes[i%len(r.s.nodes)])
		if err != nil {
			r.h.Error(err)
		}
		worst.unowned, worst.bars = max(worst.unowned, t.unowned), max(worst.bars, t.bars)
		if _, ok := until(time.Minute, r.s.settled); !ok {
			r.h.Error("a minute after a take-over there is still lag")
		}
	}
	limit := 3.0
	if r.Nodes > 1 {
		limit += session.Seconds()
	}
	r.figure(fmt.Sprintf("worst take-over of %d, seconds", takeovers), worst.unowned.Seconds(), "<=", limit)
	r.figure(fmt.Sprintf("worst kill -9 to first live bar of every symbol, seconds, %d series", r.Symbols*len(intervals)), worst.bars.Seconds(), "<=", limit)
}

// calm ends the load and waits until the clock has closed what is due.
func (r *run) calm() {
	r.flow.stop()
	r.flow.done.Wait()
	if r.flow.err != nil {
		r.h.Error(r.flow.err)
	}
	if _, ok := until(time.Minute, r.s.settled); !ok {
		r.h.Error("a minute after the last trade there is still lag")
	}
	if r.Delivery == "transactional" {
		// Not what the nodes say of themselves, but what the group has committed.
		var behind int64
		var err error
		if _, ok := until(time.Minute, func() bool { behind, err = r.s.behind(); return err == nil && behind == 0 }); !ok {
			r.h.Errorf("the group has not committed %d records: %v", behind, err)
		}
	}
	time.Sleep(5 * time.Second)
}

func (r *run) judge(ctx context.Context) {
	j := &judge{s: r.s, book: r.book}
	if err := j.read(ctx, time.Minute); err != nil {
		r.h.Fatal(err)
	}
	if have := int64(len(j.input.Trades) + len(j.input.Bad)); have < r.flow.acked.Load() {
		r.h.Errorf("%d records stand on the topic of the trades, %d were acknowledged", have, r.flow.acked.Load())
	}
	j.rest(ctx)
	j.view(ctx)
	j.streams(r.clients)
	r.say("\nafter %d records, %d of them no trades, %d late or dead:\n%s", r.flow.acked.Load(), r.flow.malformed.Load(), len(j.refused), j.table())
	var lost, doubled, wrong int
	for _, v := range j.verdicts {
		lost, doubled, wrong = lost+v.report.Lost, doubled+v.report.Doubled+v.report.Differ, wrong+v.report.Wrong+v.report.Extra+v.report.Holes
		if err := v.fault(); err != nil {
			r.h.Errorf("%s: %v", v.surface, err)
		}
	}
	r.must("klines lost", float64(lost), "<=", 0)
	r.must("klines doubled", float64(doubled), "<=", 0)
	r.must("klines wrong", float64(wrong), "<=", 0)
	r.counts()
}

// counts are how much was broken.
func (r *run) counts() {
	b := r.book
	r.say("faults:\n%s", b.table())
	r.must("kill -9 of nodes", float64(b.sum(KillNode, LeaveNode)), ">=", share(100*r.Nodes, r.Duration))
	if r.kafka() {
		r.figure("kill -9 of brokers", float64(b.sum(KillBroker)), ">=", share(30, r.Duration))
		r.figure("slow and cut links", float64(b.sum(SlowNode, CutNode, ResetNode, SlowBroker, SlowRedis, CutRedis)), "", 0)
	}
	r.figure("kill -9 or FLUSHALL of redis", float64(b.sum(KillRedis, FlushRedis)), ">=", share(30, r.Duration))
	r.figure("reloads", float64(b.of("reloads")), ">=", share(50, r.Duration))
	if r.Nodes > 1 {
		r.figure("nodes stopped beyond their session", float64(b.sum(ZombieNode)), ">=", share(20, r.Duration))
	}
	r.figure("longest time to ready after a fault, others going on, seconds", b.worst.Seconds(), "<=", 60)
	reconnects, told := 0, map[string]int{}
	for _, k := range r.clients {
		n, why := k.counts()
		reconnects += n
		for reason, n := range why {
			told[reason] += n
		}
	}
	r.figure("reconnects of streams", float64(reconnects), "", 0)
	for _, reason := range slices.Sorted(maps.Keys(told)) {
		r.figure(fmt.Sprintf("streams told to begin anew, reason %q", reason), float64(told[reason]), "", 0)
	}
	died := int64(0)
	for _, n := range r.s.nodes {
		died += n.died.Load()
	}
	r.must("nodes that ended by themselves", float64(died), "<=", 0)
	panics := r.s.panics()
	for _, line := range panics {
		r.say("%s", line)
	}
	r.must("lines of panics in the logs", float64(len(panics)), "<=", 0)
}

func (r *run) figure(name string, value float64, op string, goal float64) {
	r.figures = append(r.figures, Figure{Name: name, Value: value, Op: op, Goal: goal})
}

// must is a figure whose goal decides whether the run has passed.
func (r *run) must(name string, value float64, op string, goal float64) {
	r.figures = append(r.figures, Figure{Name: name, Value: value, Op: op, Goal: goal, Must: true})
}

func (r *run) stopClients() {
	for _, k := range r.clients {
		k.stop()
	}
	for _, k := range r.clients {
		k.done.Wait()
	}
}

// end prints the figures and, if something differs, keeps what is needed to understand it.
func (r *run) end() error {
	for _, f := range r.figures {
		r.say("%s", f)
		if f.Must && !f.OK() {
			r.faults = append(r.faults, fmt.Errorf("the goal of %q is missed: %v, want %s %v", f.Name, number(f.Value), f.Op, number(f.Goal)))
		}
	}
	err := errors.Join(r.faults...)
	if err == nil {
		return nil
	}
	folder, failed := r.keep(err)
	if failed != nil {
		folder = failed.Error()
	}
	return fmt.Errorf("seed %d: %w\nlogs: %s\nagain: %s", r.Seed, err, folder, r.Command())
}

// keep writes the logs of all processes and the diary.
func (r *run) keep(err error) (string, error) {
	folder := r.Keep
	if folder == "" {
		var failed error
		if folder, failed = os.MkdirTemp("", "kline-chaos-logs-"); failed != nil {
			return "", fmt.Errorf("keeping the logs: %w", failed)
		}
	}
	files := r.s.logs()
	files["diary.txt"] = r.book.text() + "\n" + err.Error() + "\n"
	if failed := os.MkdirAll(folder, 0o755); failed != nil {
		return "", fmt.Errorf("keeping the logs: %w", failed)
	}
	for name, text := range files {
		if failed := os.WriteFile(filepath.Join(folder, name), []byte(strings.ToValidUTF8(text, "?")), 0o600); failed != nil {
			return "", fmt.Errorf("keeping the logs: %w", failed)
		}
	}
	return folder, nil
}
