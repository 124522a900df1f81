package redis

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/view"
)

// Two followers that find the view empty begin it once: what one has written is
// not deleted by the other.
func TestFault_D03_FlushUnderTwoFollowers(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp := makeTopic(21, 800)
		c := s.client(t)
		var handles []*safego.Handle
		for seed := range uint64(2) {
			handles = append(handles, safego.Go("follower", nil, func() {
				r := New(testConfig(s))
				defer r.Close()
				follow(t, r, tp, rand.New(rand.NewPCG(seed, 22)), func(i int) {
					if i%7 == 3 && i < 60 {
						c.FlushAll(t.Context())
					}
				})
			}))
		}
		for _, h := range handles {
			h.Wait()
		}
		wantView(t, s, tp)
	})
}

// A follower that only watches another one write keeps its books all the same,
// and goes on where that one ends.
func TestFollowerTakesOverFromAnother(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp := makeTopic(23, 700)
		first, second := New(testConfig(s)), New(testConfig(s))
		defer first.Close()
		defer second.Close()
		ctx := t.Context()
		at := int64(0)
		for i := 0; at < tp.end; i++ {
			recs, to := tp.from(at, 13)
			if i == 0 {
				seekTo(t, second, seekTo(t, first, 0))
			}
			if i < 25 {
				if have, err := first.Apply(ctx, 0, at, to, recs); err != nil || have != to {
					t.Fatalf("first: %d, %v, want %d", have, err, to)
				}
			}
			if have, err := second.Apply(ctx, 0, at, to, recs); err != nil || have != to {
				t.Fatalf("second: %d, %v, want %d", have, err, to)
			}
			at = to
		}
		wantView(t, s, tp)
	})
}

func seekTo(t *testing.T, r *Redis, at int64) int64 {
	t.Helper()
	have, err := r.Apply(t.Context(), 0, at, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// A view that is older than what the log still has cannot be caught up: it is
// built again instead of being asked for ever.
func TestFault_D03_LogHasMovedOnMeanwhile(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(25, 400), rand.New(rand.NewPCG(25, 26))
		early := *tp
		early.recs, early.end = tp.recs[:100], tp.recs[100].Offset
		r := New(testConfig(s))
		follow(t, r, &early, rng, nil)
		r.Close()

		start := tp.recs[300].Offset // retention has removed what is before
		late := makeTopicFrom(tp, 300)
		cfg := testConfig(s)
		cfg.LogStart = func(context.Context, int32) (int64, error) { return start, nil }
		r = New(cfg)
		defer r.Close()
		if have := seekTo(t, r, 0); have != early.end {
			t.Fatalf("the view stands at %d, want %d", have, early.end)
		}
		recs, to := late.from(start, 20)
		have, err := r.Apply(t.Context(), 0, start, to, recs)
		if err != nil || have != start {
			t.Fatalf("after a hole the view is at %d, %v; want it begun at %d", have, err, start)
		}
		follow(t, r, late, rng, nil)
		wantView(t, s, late)
	})
}

// Positions of a log that is gone mean nothing in the next one.
func TestFault_D03_LogWasCreatedAgain(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		rng := rand.New(rand.NewPCG(27, 28))
		r := New(testConfig(s))
		defer r.Close()
		follow(t, r, makeTopic(27, 300), rng, nil)
		if have, err := r.Rebuild(t.Context(), 0); err != nil || have != 0 {
			t.Fatalf("rebuilding: %d, %v", have, err)
		}
		again := makeTopic(28, 60)
		follow(t, r, again, rng, nil)
		wantView(t, s, again)
	})
}

// mute loses the reply to one command: the server has done the work, the client sees a
// broken connection.
type mute struct {
	net.Conn
	loses func(sent []byte) bool
	lost  bool
}

func (m *mute) Write(b []byte) (int, error) {
	m.lost = m.lost || m.loses(b)
	return m.Conn.Write(b)
}

func (m *mute) Read(b []byte) (int, error) {
	n, err := m.Conn.Read(b)
	if m.lost {
		m.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// A view whose beginning was not answered is not begun a second time. Symbols of the
// one before that nothing is written of any more would stay in it for ever.
func TestFault_D02_WhatAnUnansweredBeginningLeftGoes(t *testing.T) {
	servers(t, leftoversGo)
}

func leftoversGo(t *testing.T, s testServer) {
	rng, c := rand.New(rand.NewPCG(51, 52)), s.client(t)
	sum := c.ScriptLoad(t.Context(), beginScript).Val()
	if sum == "" {
		t.Fatal("the script was not taken")
	}
	var mu sync.Mutex
	lose := false
	cfg := testConfig(s)
	cfg.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialPatient(ctx, network, addr)
		return &mute{Conn: conn, loses: func(sent []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			now := lose && bytes.Contains(sent, []byte(sum))
			lose = lose && !now
			return now
		}}, err
	}
	r := New(cfg)
	defer r.Close()
	follow(t, r, makeTopic(51, 300), rng, nil)
	mu.Lock()
	lose = true
	mu.Unlock()
	if _, err := r.Rebuild(t.Context(), 0); err == nil {
		t.Fatal("a lost reply was no error")
	}
	seekTo(t, r, 0) // as a follower begins after an error
	again := makeTopic(52, 200)
	again.recs = slices.DeleteFunc(again.recs, func(rec view.Record) bool { return !bytes.Contains(rec.Value, []byte(`"BTCUSDT"`)) })
	again = summed(&topic{recs: again.recs, end: again.end})
	follow(t, r, again, rng, nil)
	seekTo(t, r, again.end)
	wantView(t, s, again)
	for _, kind := range []string{keyBar, keyInd} {
		if fields := fieldsOf(t, r, kind, "ETH:USD"); len(fields) > 0 {
			t.Errorf("%d fields of a symbol that the log does not have are in its hash %s", len(fields), kind)
		}
	}
}

// A server that evicts takes single hashes. The process that notices need not be
// the one that wrote them.
func TestFault_D06_EvictedKeysAreNoticed(t *testing.T) {
	keysAreLost(t, func(*goredis.Client, string) {})
}

// What holds a key of the view by now may be of any type: a script that asks for its
// fields fails, and would for ever.
func TestFault_D06_KeysWrittenOverAreNoticed(t *testing.T) {
	keysAreLost(t, func(c *goredis.Client, key string) {
		if err := c.Set(t.Context(), key, "x", 0).Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestFault_D06_APositionThatIsNoNumberIsNoticed(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(33, 300), rand.New(rand.NewPCG(33, 34))
		c := s.client(t)
		for _, held := range []string{"x", "-", "9999999999999999999999"} {
			r := New(testConfig(s))
			follow(t, r, tp, rng, nil)
			if err := c.HSet(t.Context(), r.key(0, keyPos), "next", held).Err(); err != nil {
				t.Fatal(err)
			}
			follow(t, r, tp, rng, nil)
			wantView(t, s, tp)
			r.Close()
		}
	})
}

// keysAreLost deletes keys of each kind under a view, and has afterwards do more to them.
func keysAreLost(t *testing.T, afterwards func(c *goredis.Client, key string)) {
	for _, kind := range []string{keyBar, keyInd, keyHas, keyPos} {
		t.Run(kind, func(t *testing.T) {
			servers(t, func(t *testing.T, s testServer) {
				tp, rng := makeTopic(31, 500), rand.New(rand.NewPCG(31, 32))
				c := s.client(t)
				r := New(testConfig(s))
				defer r.Close()
				key := r.key(0, kind)
				if kind == keyBar || kind == keyInd {
					key = r.key(0, kind, "ETH:USD", "1m")
				}
				evict := func() {
					if c.Del(t.Context(), key).Val() != 1 {
						t.Errorf("there was no key %s", key)
					}
					afterwards(c, key)
				}
				most := *tp
				most.recs, most.end = tp.recs[:480], tp.recs[480].Offset
				follow(t, r, &most, rng, func(i int) {
					if i == 6 || i == 11 {
						evict()
					}
				})
				evict() // what was written before is not written again from here
				follow(t, r, tp, rng, nil)
				wantView(t, s, tp)
				evict() // while it is idle, and under nobody who remembers
				fresh := New(testConfig(s))
				defer fresh.Close()
				follow(t, fresh, tp, rng, nil)
				wantView(t, s, tp)
			})
		})
	}
}

// What one life of the view left must not count in the next.
func TestFault_D06_LeftoversOfALostInventoryGo(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		rng := rand.New(rand.NewPCG(33, 34))
		r := New(testConfig(s))
		follow(t, r, makeTopic(33, 300), rng, nil)
		r.Close()
		if n := s.client(t).Del(t.Context(), r.key(0, keyHas), r.key(0, keyPos)).Val(); n != 2 {
			t.Fatalf("%d keys deleted", n)
		}
		fresh := New(testConfig(s))
		defer fresh.Close()
		seekTo(t, fresh, 0) // before it has met a series
		again := makeTopic(34, 100)
		follow(t, fresh, again, rng, nil)
		wantView(t, s, again)
	})
}

func TestFault_D06_FullServerIsAnErrorUntilThereIsRoom(t *testing.T) {
	s := startServer(t)
	tp, rng := makeTopic(35, 300), rand.New(rand.NewPCG(35, 36))
	c := s.client(t)
	r := New(testConfig(s))
	defer r.Close()
	refused := 0
	follow(t, r, tp, rng, func(i int) {
		switch i {
		case 4:
			c.ConfigSet(t.Context(), "maxmemory", "1mb")
		case 8:
			if err := r.Healthy(); err == nil || !strings.Contains(err.Error(), "OOM") {
				t.Errorf("a full server was answered with %v", err)
			}
			refused++
			c.ConfigSet(t.Context(), "maxmemory", "0")
		}
	})
	wantView(t, s, tp)
	if refused == 0 {
		t.Error("nothing was tried while the server was full")
	}
}

func TestFault_D06_PolicyThatEvictsIsAdvisedAgainst(t *testing.T) {
	for _, s := range []testServer{startServer(t), clusterOfOne(t)} {
		c := s.client(t)
		r := New(testConfig(s))
		defer r.Close()
		if advice, err := r.Advice(t.Context()); err != nil || advice != "" {
			t.Errorf("noeviction: %q, %v", advice, err)
		}
		c.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru")
		if advice, err := r.Advice(t.Context()); err != nil || !strings.Contains(advice, "allkeys-lru") {
			t.Errorf("allkeys-lru: %q, %v", advice, err)
		}
		c.ConfigSet(t.Context(), "maxmemory-policy", "noeviction")
	}
}

// A read-only replica refuses, and nothing of the view is taken for written.
func TestFault_D05_ReadOnlyReplica(t *testing.T) {
	master, s := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t, "--repl-diskless-sync-delay", "0")
	tp, rng := makeTopic(37, 300), rand.New(rand.NewPCG(37, 38))
	c := s.client(t)
	r := New(testConfig(s))
	defer r.Close()
	follow(t, r, tp, rng, func(i int) {
		switch i {
		case 4:
			_, port, _ := net.SplitHostPort(master.addr)
			c.ReplicaOf(t.Context(), "127.0.0.1", port)
			until(t, "the replica is in step", func() bool {
				return strings.Contains(c.Info(t.Context(), "replication").Val(), "master_link_status:up")
			})
		case 9:
			if r.Healthy() == nil {
				t.Error("a read-only server was taken for a writable one")
			}
			c.ReplicaOf(t.Context(), "NO", "ONE")
		}
	})
	wantView(t, s, tp)
}

func TestFault_D07_ScriptsAreForgotten(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(39, 400), rand.New(rand.NewPCG(39, 40))
		c := s.client(t)
		r := New(testConfig(s))
		defer r.Close()
		follow(t, r, tp, rng, func(int) { c.ScriptFlush(t.Context()) })
		wantView(t, s, tp)
	})
}

// While somebody else's script runs for ever the server says BUSY; then it is
// killed.
func TestFault_D07_BusyServerIsWaitedOut(t *testing.T) {
	s := startServer(t, "--lua-time-limit", "50")
	tp, rng := makeTopic(41, 200), rand.New(rand.NewPCG(41, 42))
	c := s.client(t)
	r := New(testConfig(s))
	defer r.Close()
	busy := 0
	follow(t, r, tp, rng, func(i int) {
		switch {
		case i == 3:
			o := goredis.NewClient(&goredis.Options{Addr: s.addr, ReadTimeout: -1, MaxRetries: -1})
			endless := safego.Go("endless script", nil, func() { o.Eval(t.Context(), "while true do end", nil) })
			t.Cleanup(func() { endless.Wait(); o.Close() })
			until(t, "the script runs", func() bool {
				err := c.Ping(t.Context()).Err()
				return err != nil && strings.Contains(err.Error(), "BUSY")
			})
		case r.Healthy() != nil && strings.Contains(r.Healthy().Error(), "BUSY"):
			busy++
			until(t, "the script is killed", func() bool {
				err := c.ScriptKill(t.Context()).Err()
				return err == nil || strings.Contains(err.Error(), "NOTBUSY")
			})
		}
	})
	wantView(t, s, tp)
	if busy == 0 {
		t.Error("the server was never busy")
	}
}

// stale hands out, once, a reply that was given before: from then on every reply
// on the connection belongs to the command before.
type stale struct {
	net.Conn
	shift func() bool
	last  []byte
	held  bytes.Buffer
}

func (s *stale) Read(b []byte) (int, error) {
	if s.held.Len() > 0 {
		return s.held.Read(b)
	}
	n, err := s.Conn.Read(b)
	if err != nil {
		return n, err
	}
	now := bytes.Clone(b[:n])
	if s.last != nil && s.shift() {
		s.held.Write(now)
		return copy(b, s.last), nil
	}
	s.last = now
	return n, nil
}

func TestFault_D09_ReplyOfAnotherCommand(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(43, 500), rand.New(rand.NewPCG(43, 44))
		var mu sync.Mutex
		shifted, dials := 0, 0
		cfg := testConfig(s)
		cfg.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			mu.Lock()
			defer mu.Unlock()
			dials++
			return &stale{Conn: c, shift: func() bool {
				mu.Lock()
				defer mu.Unlock()
				if rng.IntN(15) == 0 {
					shifted++
					return true
				}
				return false
			}}, err
		}
		r := New(cfg)
		defer r.Close()
		clients := map[any]bool{}
		follow(t, r, tp, rand.New(rand.NewPCG(45, 46)), func(int) { clients[r.conn()] = true })
		wantView(t, s, tp)
		if shifted == 0 || len(clients) < 2 {
			t.Errorf("%d replies were shifted, connections were given up %d times", shifted, len(clients)-1)
		}
		t.Logf("%d replies shifted, connections given up %d times, %d dialled", shifted, len(clients)-1, dials)
	})
}

// The outside is told again what only an operator can have deleted.
func TestAnnouncementsAreRepeated(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(47, 100), rand.New(rand.NewPCG(47, 48))
		c := s.client(t)
		r := New(testConfig(s))
		follow(t, r, tp, rng, nil)
		r.Close()
		fresh := New(testConfig(s))
		defer fresh.Close()
		at := seekTo(t, fresh, tp.end)
		c.Del(t.Context(), "kl:map")
		c.Del(t.Context(), "kl:{0a1b2c3d}:sym")
		for range announceAfter {
			seekTo(t, fresh, at)
		}
		if got := c.HGet(t.Context(), "kl:map", "n").Val(); got != "1" {
			t.Errorf("kl:map says %q partitions", got)
		}
		if got := c.HGetAll(t.Context(), "kl:{0a1b2c3d}:sym").Val(); len(got) != 2 || got["BTCUSDT"] != "0" {
			t.Errorf("the symbols are %v", got)
		}
	})
}

// Of a key that somebody has written over nothing would ever be announced again.
func TestAnnouncementsWrittenOverAreRepeated(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(47, 100), rand.New(rand.NewPCG(47, 48))
		c := s.client(t)
		r := New(testConfig(s))
		defer r.Close()
		follow(t, r, tp, rng, nil)
		for _, key := range []string{"kl:map", "kl:{0a1b2c3d}:sym"} {
			if err := c.Set(t.Context(), key, "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 * announceAfter { // it is noticed, kept quiet about for a while, and said again
			seekTo(t, r, tp.end)
		}
		if got := c.HGet(t.Context(), "kl:map", "n").Val(); got != "1" {
			t.Errorf("kl:map says %q partitions", got)
		}
		if got := c.HGetAll(t.Context(), "kl:{0a1b2c3d}:sym").Val(); len(got) != 2 || got["BTCUSDT"] != "0" {
			t.Errorf("the symbols are %v", got)
		}
	})
}

// A key of forming bars with another type refuses each of them, and has no time to live.
func TestFormingBarsWrittenOverComeAgain(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		c := s.client(t)
		r := New(testConfig(s))
		defer r.Close()
		if err := c.Set(t.Context(), r.key(0, keyCur, "A"), "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		var open [][]byte
		for _, symbol := range []string{"A", "B"} {
			open = append(open, []byte(strings.Replace(klineJSON(symbol, 60000, 0, 1), `"final":true`, `"final":false`, 1)))
		}
		if err := r.Forming(t.Context(), 0, open); err == nil {
			t.Error("nothing was said of the key that was written over")
		}
		if err := r.Forming(t.Context(), 0, open); err != nil {
			t.Error(err)
		}
		for i, symbol := range []string{"A", "B"} {
			if got := c.HGet(t.Context(), r.key(0, keyCur, symbol), "1m").Val(); !strings.HasSuffix(got, string(open[i])) {
				t.Errorf("the forming bar of %s is %q", symbol, got)
			}
		}
	})
}

// makeTopicFrom is the topic without its first n records, and what a view of it
// holds.
func makeTopicFrom(tp *topic, n int) *topic {
	return summed(&topic{recs: append([]view.Record(nil), tp.recs[n:]...), end: tp.end})
}

// A command whose reply is lost has run once, whatever client sent it.
func TestFault_D02_NothingIsSentTwice(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		var mu sync.Mutex
		lose := false
		cfg := testConfig(s)
		cfg.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialPatient(ctx, network, addr)
			return deaf{c, func() bool {
				mu.Lock()
				defer mu.Unlock()
				was := lose
				lose = false
				return was
			}}, err
		}
		r := New(cfg)
		defer r.Close()
		if err := r.conn().Incr(t.Context(), "n").Err(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		lose = true
		mu.Unlock()
		if err := r.conn().Incr(t.Context(), "n").Err(); err == nil {
			t.Error("a lost reply was no error")
		}
		if got := s.client(t).Get(t.Context(), "n").Val(); got != "2" {
			t.Errorf("two commands were run %s times", got)
		}
	})
}

// A crash repeats records of the log: an older revision comes again, behind a
// newer one.
func TestRepeatedRevisionDoesNotReplaceANewerOne(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		r := New(testConfig(s))
		defer r.Close()
		at := seekTo(t, r, 0)
		for i, rec := range []view.Record{
			{So: 5, Sk: 1, Value: []byte(klineJSON("A", 60000, 0, 1))},
			{So: 6, Sk: 0, Value: []byte(klineJSON("A", 60000, 1, 2))},
			{So: 5, Sk: 1, Value: []byte(klineJSON("A", 60000, 0, 1))},
		} {
			rec.Offset = at
			have, err := r.Apply(t.Context(), 0, at, at+1, []view.Record{rec})
			if err != nil || have != at+1 {
				t.Fatalf("record %d: %d, %v", i, have, err)
			}
			at = have
		}
		want := klineJSON("A", 60000, 1, 2)
		if got := fieldsOf(t, r, keyBar, "A")["60000"]; got != want {
			t.Errorf("the view has %s, want %s", got, want)
		}
		if got := fieldsOf(t, r, keyInd, "A")["ema(3)"]; !strings.Contains(got, `"v":[2.5]`) {
			t.Errorf("the view has the value %s, want that of the newer revision", got)
		}
	})
}

// What another follower has begun or written meanwhile is neither begun again
// nor swept away.
func TestBeginningLeavesTheWorkOfOthers(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(49, 100), rand.New(rand.NewPCG(49, 50))
		r, other := New(testConfig(s)), New(testConfig(s))
		defer r.Close()
		defer other.Close()
		found, err := other.run(t.Context(), 0, 0, 0, nil, nil)
		if err != nil || found.code != answerMissing {
			t.Fatalf("an empty view: %+v, %v", found, err)
		}
		follow(t, r, tp, rng, nil)
		if have, err := other.rebuild(t.Context(), other.part(0), 0, found); err != nil || have != tp.end {
			t.Errorf("the view was begun at %d, %v; the other has come to %d", have, err, tp.end)
		}
		other.part(0).leave([]string{r.key(0, keyBar, "BTCUSDT", "1m"), r.key(0, keyInd, "BTCUSDT", "1m")})
		if err := other.sweep(t.Context(), other.part(0), 0); err != nil {
			t.Error(err)
		}
		wantView(t, s, tp)
	})
}

// BenchmarkCatchUp reads a topic into an empty view, as after FLUSHALL.
func BenchmarkCatchUp(b *testing.B) {
	addr, stop := launch(b)
	defer stop()
	tp := makeTopic(51, 20000)
	s := testServer{addr: addr}
	r := New(testConfig(s))
	defer r.Close()
	c := s.client(b)
	for b.Loop() {
		c.FlushAll(b.Context())
		at := int64(0)
		for at < tp.end {
			recs, to := tp.from(at, 2000)
			have, err := r.Apply(b.Context(), 0, at, to, recs)
			if err != nil {
				b.Fatal(err)
			}
			at = have
		}
	}
	b.ReportMetric(float64(len(tp.recs)*b.N)/b.Elapsed().Seconds(), "records/s")
	_, stats, _ := strings.Cut(c.Info(b.Context(), "commandstats").Val(), "cmdstat_evalsha:")
	stats, _, _ = strings.Cut(stats, "\r\n")
	_, usec, _ := strings.Cut(stats, "usec_per_call=")
	usec, _, _ = strings.Cut(usec, ",")
	if n, err := strconv.ParseFloat(usec, 64); err == nil {
		b.ReportMetric(n, "server-us/call")
	}
}
