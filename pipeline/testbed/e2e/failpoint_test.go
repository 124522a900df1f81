package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// failpointBinary builds the node with failpoints, once for all tests. It stays in .cache of the repository; KLINE_BIN_FAILPOINT names one that is
// built already.
var failpointBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("KLINE_BIN_FAILPOINT"); path != "" {
		return path, nil
	}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".cache", "failpoint", "caddy")
	cmd := exec.Command("go", "build", "-tags", "nobadger,nomysql,nopgx,failpoint", "-o", path, "./caddymodule/cmd/caddy")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building with failpoints: %w\n%s", err, out)
	}
	return path, nil
})

// faulty is a bed whose node dies, or fails, where it is told to.
type faulty struct {
	*bed
	flow    *flow
	streams []*client
	exactly bool // transactions: nobody sees a record twice
	hits    int
}

// underFaults gives both ways of delivery to f, each with a load, two streams and a Redis, and holds everything against the oracle.
func underFaults(t *testing.T, f func(*faulty)) {
	path, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	t.Run("transactional", func(t *testing.T) {
		t.Parallel()
		p := newServers(t).place(3)
		p.session = "6s"
		underFault(t, path, p, true, f)
	})
	t.Run("idempotent", func(t *testing.T) {
		t.Parallel()
		r := server.StartRedis(t, server.RedisConfig{})
		underFault(t, path, &redisPlace{newEmbedded(t, 2), "address " + r.Addr()}, false, f)
	})
}

func underFault(t *testing.T, path string, p place, exactly bool, f func(*faulty)) {
	b := &faulty{bed: startBinary(t, p, "idle_timeout 1s", path), exactly: exactly}
	b.flow = startFlow(t, b.bed, 400, 1)
	b.streams = []*client{
		stream(t, b.bed, "s=S0000,S0001@1s,1m:kline,ema(20)", nil),
		stream(t, b.bed, "s=S0002,S0003,S0004@1s:kline", nil),
	}
	f(b)
	b.flow.stop()
	b.flow.done.Wait()
	b.settle(time.Minute)
	time.Sleep(4 * time.Second) // whatever is still open of the seconds is closed by the clock
	l := b.check(allIntervals, false, b.streams...)
	if exactly && l.klines.Repeats > 0 {
		t.Errorf("a read_committed reader of klines sees %d positions twice", l.klines.Repeats)
	}
	t.Logf("%d failpoints were hit; %d records stand twice", b.hits, l.klines.Repeats)
	if got := int64(len(l.input.Trades)); got < b.flow.acked.Load() {
		t.Errorf("the topic holds %d records of trades, %d were acknowledged", got, b.flow.acked.Load())
	}
}

// arm starts the node anew with a failpoint.
func (b *faulty) arm(setting string) {
	b.t.Helper()
	if b.node.Running() {
		b.kill()
	}
	b.node.SetEnv("KLINE_FAILPOINT=" + setting)
	b.node.Restart()
}

// dies kills the node at the nth time that it comes to each of the points, and starts it again with the next. It must have died by itself.
func (b *faulty) dies(nth []int, points ...string) {
	b.t.Helper()
	for _, point := range points {
		for _, n := range nth {
			b.arm(fmt.Sprintf("%s=kill@%d", point, n))
			b.provoke(point)
			code, err := b.node.ExitCode(patience)
			b.flow.hold.Store(false)
			if err != nil || code != -1 {
				b.t.Fatalf("%s was not hit %d times: exit code %d, %v", point, n, code, err)
			}
			b.node.WaitLog(fmt.Sprintf("failpoint %s: kill at hit %d", point, n), time.Minute)
			b.hits++
		}
	}
	b.arm("")
	b.ready()
}

// provoke makes the node come to a point that a steady load does not reach: it decides only when a source falls silent.
func (b *faulty) provoke(point string) {
	if point == "after_decide" {
		// On a busy machine the source may be silent for long enough already, and the node dead.
		eventually(func() bool { return b.status().Ready || !b.node.Running() })
		time.Sleep(500 * time.Millisecond)
		b.flow.hold.Store(true)
	}
}

// fails makes something other than a death happen at each point. The node must live on and work.
func (b *faulty) fails(action string, n int, points ...string) {
	b.t.Helper()
	for _, point := range points {
		b.arm(fmt.Sprintf("%s=%s@%d", point, action, n))
		b.provoke(point)
		b.node.WaitLog(fmt.Sprintf("failpoint %s: %s at hit %d", point, action, n), patience)
		b.flow.hold.Store(false)
		time.Sleep(300 * time.Millisecond)
		if !b.node.Running() {
			b.t.Fatalf("the node did not survive %s at %s", action, point)
		}
		b.ready()
		b.settle(time.Minute)
		b.hits++
	}
	b.arm("")
	b.ready()
}

// failsToRestore: a state that cannot be read back would panic again and again, so its partition waits for a restart. The others work.
func (b *faulty) failsToRestore() {
	b.t.Helper()
	b.arm("during_restore=panic")
	b.node.WaitLog("failpoint during_restore: panic at hit 1", patience)
	b.reports(patience, "one partition failed, the others running", func(s status) bool {
		failed, running := 0, 0
		for _, p := range s.Partitions {
			switch p.State {
			case "failed":
				failed++
			case "running":
				running++
			}
		}
		return failed == 1 && running == int(b.place.partitions())-1 && !s.Ready
	})
	b.arm("")
	b.ready()
	b.settle(time.Minute)
	b.hits++
}

// in takes the points out that this way of delivery does not have.
func (b *faulty) in(points ...string) []string {
	return slices.DeleteFunc(points, func(p string) bool { return !b.exactly && p == "after_offsets" })
}

func TestServersFault_A01_KilledBetweenPollAndApply(t *testing.T) {
	underFaults(t, func(b *faulty) {
		b.dies([]int{1}, "during_restore")
		b.dies([]int{1, 12}, "after_poll")
	})
}

func TestServersFault_A02_KilledBeforeOutputsAreSent(t *testing.T) {
	underFaults(t, func(b *faulty) {
		b.dies([]int{1}, "after_decide")
		b.dies([]int{1, 12}, "after_apply", "before_publish")
	})
}

func TestServersFault_A03_KilledBeforeTheOffsetIsCommitted(t *testing.T) {
	underFaults(t, func(b *faulty) {
		b.dies([]int{1, 12}, "after_publish", "before_commit")
		b.dies([]int{4}, "after_checkpoint")
	})
}

func TestServersFault_A04_KilledWhereTheOutcomeIsUnknown(t *testing.T) {
	underFaults(t, func(b *faulty) {
		b.dies([]int{1, 12}, b.in("after_offsets", "after_commit", "after_redis")...)
	})
}

func TestServersFault_A05_KilledInTheMiddleOfAnEvent(t *testing.T) {
	underFaults(t, func(b *faulty) { b.dies([]int{1, 25}, "sse_write") })
}

func TestServersFault_A15_PanicsEndNoProcess(t *testing.T) {
	underFaults(t, func(b *faulty) {
		b.failsToRestore()
		b.fails("panic", 2, b.in("after_poll", "after_apply", "after_decide", "before_publish", "after_publish", "after_checkpoint",
			"before_commit", "after_offsets", "after_commit", "before_redis", "after_redis", "sse_write")...)
		b.fails("error", 2, "after_checkpoint")
	})
}

func TestServersFault_D01_KilledAroundAScriptOfTheView(t *testing.T) {
	underFaults(t, func(b *faulty) { b.dies([]int{1, 12}, "before_redis", "after_redis") })
}

// The product has no failpoint: neither the variable nor the name of a point stands in the program.
func TestServersProductHasNoFailpoints(t *testing.T) {
	for path, want := range map[string]bool{os.Getenv("KLINE_BIN"): false, must(failpointBinary()): true} {
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"KLINE_FAILPOINT", "after_checkpoint"} {
			if got := bytes.Contains(program, []byte(text)); got != want {
				t.Errorf("%s: %q stands in it: %v, want %v", filepath.Base(path), text, got, want)
			}
		}
	}
}

func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}
