package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// testServer is a Redis to test on.
type testServer struct {
	addr    string
	cluster bool
}

// client is another client of the server, of another operator say.
func (s testServer) client(t testing.TB) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.addr})
	t.Cleanup(func() { c.Close() })
	return c
}

// oneNode is the cluster of one node that all tests share: it refuses keys of
// two slots in one command, and takes two seconds to start.
var oneNode struct {
	addr string
	stop func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if oneNode.stop != nil {
		oneNode.stop()
	}
	os.Exit(code)
}

// servers runs f on miniredis, on a real server and on a cluster.
func servers(t *testing.T, f func(t *testing.T, s testServer)) {
	t.Run("miniredis", func(t *testing.T) { f(t, testServer{addr: miniredis.RunT(t).Addr()}) })
	t.Run("redis-server", func(t *testing.T) { f(t, startServer(t)) })
	t.Run("cluster", func(t *testing.T) { f(t, clusterOfOne(t)) })
}

// startServer starts a real server with further arguments, for one test.
func startServer(t *testing.T, args ...string) testServer {
	t.Helper()
	addr, stop := launch(t, args...)
	t.Cleanup(stop)
	return testServer{addr: addr}
}

// clusterOfOne returns the shared cluster, empty.
func clusterOfOne(t *testing.T) testServer {
	t.Helper()
	s := testServer{cluster: true}
	if oneNode.addr == "" {
		oneNode.addr, oneNode.stop = launch(t, "--cluster-enabled", "yes")
		s.addr = oneNode.addr
		if err := s.client(t).Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, 16383).Err(); err != nil {
			t.Fatal(err)
		}
	}
	s.addr = oneNode.addr
	c := s.client(t)
	until(t, "the cluster is whole", func() bool {
		return strings.Contains(c.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	})
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return s
}

// launch starts a real server in a folder of its own.
func launch(t testing.TB, args ...string) (addr string, stop func()) {
	t.Helper()
	bin := os.Getenv("KL_REDIS_BIN")
	if bin == "" {
		bin = "redis-server"
	}
	path, err := exec.LookPath(bin)
	if err != nil {
		t.Skip("not run: no " + bin + " on this machine: run scripts/install-test-deps.sh redis")
	}
	dir, err := os.MkdirTemp("", "redis-view-*")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		port, free := freePort(t) // a cluster takes port+10000 as well
		args := append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}, args...)
		cmd := exec.Command(path, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		watch := safego.Go("watch of a redis-server", nil, func() {
			_ = cmd.Wait()
			close(ended)
		})
		addr = fmt.Sprintf("127.0.0.1:%d", port)
		if answers(t, addr, ended) {
			return addr, func() {
				_ = cmd.Process.Kill()
				watch.Wait()
				free()
				_ = os.RemoveAll(dir)
			}
		}
		watch.Wait()
		free()
	}
	t.Fatal("five times redis-server ended at its start: are the ports taken?")
	return "", nil
}

// freePort is a port that nobody listens on. Until free is called its UDP socket is taken,
// which tells the tests beside this one that it is given away: the servers of all are
// looked for among the same ports, and one that has just begun would be taken for another.
func freePort(t testing.TB) (port int, free func()) {
	t.Helper()
	for range 1000 {
		port = 20000 + rand.IntN(10000)
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		mark, err := net.ListenPacket("udp4", addr)
		if err != nil {
			continue
		}
		if l, err := net.Listen("tcp4", addr); err == nil {
			l.Close()
			return port, func() { mark.Close() }
		}
		mark.Close()
	}
	t.Fatal("no port is free")
	return 0, nil
}

// answers waits until the server answers or has ended.
func answers(t testing.TB, addr string, ended <-chan struct{}) bool {
	t.Helper()
	c := testServer{addr: addr}.client(t)
	gone := false
	until(t, "the server answers", func() bool {
		select {
		case <-ended:
			gone = true
		default:
		}
		return gone || c.Ping(t.Context()).Err() == nil
	})
	return !gone
}

// until waits for another process.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited a minute until %s", what)
		}
	}
}
