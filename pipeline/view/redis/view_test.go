package redis

import (
	"context"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// testConfig is the view of the tests in the server that t was given.
func testConfig(s testServer) Config {
	c := Config{MappingVersion: "0a1b2c3d", Partitions: 1, ViewBars: testBars, Epoch: 1, Dialer: dialPatient}
	if s.cluster {
		c.Cluster = []string{s.addr}
	} else {
		c.Addr = s.addr
	}
	return c
}

// patient is a connection on which a busy machine has a minute more for each answer.
type patient struct{ net.Conn }

func dialPatient(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return patient{c}, nil
}

func (p patient) SetDeadline(t time.Time) error      { return p.Conn.SetDeadline(later(t)) }
func (p patient) SetReadDeadline(t time.Time) error  { return p.Conn.SetReadDeadline(later(t)) }
func (p patient) SetWriteDeadline(t time.Time) error { return p.Conn.SetWriteDeadline(later(t)) }

func later(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Minute)
}

// follow applies the topic as a follower does, in pieces of random size, until
// the view is at its end. between is called before each piece.
func follow(t *testing.T, r *Redis, tp *topic, rng *rand.Rand, between func(i int)) {
	t.Helper()
	at := int64(0)
	for i := range 20000 {
		if between != nil {
			between(i)
		}
		recs, to := tp.from(at, 1+rng.IntN(40))
		have, err := r.Apply(context.Background(), 0, at, to, recs)
		if errors.Is(err, ErrFenced) {
			t.Fatal(err)
		}
		at = have
		if err == nil && at == tp.end {
			if have, err := r.Apply(context.Background(), 0, at, at, nil); err == nil && have == at {
				return
			} else if err == nil {
				at = have
			}
		}
	}
	t.Fatalf("the view stands at %d of %d", at, tp.end)
}

func wantView(t *testing.T, s testServer, tp *topic) {
	t.Helper()
	r := New(testConfig(s))
	defer r.Close()
	for series, want := range tp.bars {
		sym := series[:len(series)-3]
		got := map[int64]string{}
		for field, text := range fieldsOf(t, r, keyBar, sym) {
			at, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			got[at] = text
		}
		missing, wrong := 0, 0
		for at, json := range want {
			switch g, ok := got[at]; {
			case !ok:
				missing++
			case g != json:
				wrong++
			}
		}
		if missing+wrong > 0 || len(got) != len(want) {
			t.Errorf("%s: %d missing, %d wrong, %d bars instead of %d", series, missing, wrong, len(got), len(want))
		}
		if values := fieldsOf(t, r, keyInd, sym); !maps.Equal(values, map[string]string{"ema(3)": tp.inds[series]}) {
			t.Errorf("%s: values %v, want %s", series, values, tp.inds[series])
		}
	}
}

// fieldsOf reads a hash of the view as an outside reader does, without the
// versions.
func fieldsOf(t *testing.T, r *Redis, kind, sym string) map[string]string {
	t.Helper()
	fields, err := r.conn().HGetAll(context.Background(), r.key(0, kind, sym, "1m")).Result()
	if err != nil {
		t.Fatal(err)
	}
	for f, v := range fields {
		if len(v) <= versionLen || v[versionLen] != '|' {
			t.Fatalf("%s %s holds %q", kind, f, v)
		}
		fields[f] = v[versionLen+1:]
	}
	return fields
}

func TestViewEqualsTopicAppliedTwiceInPieces(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(1, 600), rand.New(rand.NewPCG(1, 2))
		for range 2 {
			r := New(testConfig(s))
			follow(t, r, tp, rng, nil)
			wantView(t, s, tp)
			if err := r.Healthy(); err != nil {
				t.Error(err)
			}
			r.Close()
		}
	})
}

// deaf loses replies: the server has done the work, the client sees a broken
// connection.
type deaf struct {
	net.Conn
	lose func() bool
}

func (d deaf) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if err == nil && d.lose() {
		d.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

func TestFault_D02_LostReplies(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(3, 600), rand.New(rand.NewPCG(3, 4))
		var mu sync.Mutex
		lost := 0
		cfg := testConfig(s)
		cfg.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return deaf{c, func() bool {
				mu.Lock()
				defer mu.Unlock()
				if rng.IntN(6) == 0 {
					lost++
					return true
				}
				return false
			}}, err
		}
		r := New(cfg)
		defer r.Close()
		follow(t, r, tp, rand.New(rand.NewPCG(5, 6)), nil)
		wantView(t, s, tp)
		if lost == 0 {
			t.Error("no reply was lost")
		}
	})
}

func TestFault_D03_Flush(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(7, 500), rand.New(rand.NewPCG(7, 8))
		c := s.client(t)
		r := New(testConfig(s))
		defer r.Close()
		follow(t, r, tp, rng, func(i int) {
			if i == 5 || i == 17 {
				c.FlushAll(context.Background())
			}
		})
		wantView(t, s, tp)
	})
}

func TestFault_D04_OlderDataIsCaughtUp(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(9, 600), rand.New(rand.NewPCG(9, 10))
		ctx := context.Background()
		c := s.client(t)
		var old map[string]map[string]string
		r := New(testConfig(s))
		defer r.Close()
		follow(t, r, tp, rng, func(i int) {
			switch i {
			case 6:
				old = dump(t, c)
			case 14:
				c.FlushAll(ctx)
				for k, fields := range old {
					c.HSet(ctx, k, fields)
				}
			}
		})
		wantView(t, s, tp)
	})
}

func dump(t *testing.T, c *goredis.Client) map[string]map[string]string {
	t.Helper()
	keys, err := c.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	for _, k := range keys {
		out[k] = c.HGetAll(context.Background(), k).Val()
	}
	return out
}

func TestTwoFollowersBuildOneView(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp := makeTopic(11, 600)
		var handles []*safego.Handle
		for seed := range uint64(2) {
			handles = append(handles, safego.Go("follower", nil, func() {
				r := New(testConfig(s))
				defer r.Close()
				follow(t, r, tp, rand.New(rand.NewPCG(seed, 12)), nil)
			}))
		}
		for _, h := range handles {
			h.Wait()
		}
		wantView(t, s, tp)
	})
}

func TestFault_D04_LowerEpochIsNeverAccepted(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		tp, rng := makeTopic(13, 100), rand.New(rand.NewPCG(13, 14))
		r := New(testConfig(s))
		defer r.Close()
		follow(t, r, tp, rng, nil)
		cfg := testConfig(s)
		cfg.Epoch = 0
		past := New(cfg)
		defer past.Close()
		if _, err := past.Apply(context.Background(), 0, tp.end, tp.end, nil); !errors.Is(err, ErrFenced) {
			t.Errorf("the older epoch got %v", err)
		}
		cfg.Epoch = 2
		next := New(cfg)
		defer next.Close()
		again := makeTopic(15, 60) // shorter: its positions are below the old ones
		follow(t, next, again, rng, nil)
		wantView(t, s, again)
	})
}

func TestUnreachableServerIsAnErrorWithinItsBudget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts and never answers
	cfg := testConfig(testServer{addr: l.Addr().String()})
	cfg.Dialer = nil
	r := New(cfg)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	have, err := r.Apply(ctx, 0, 0, 0, nil)
	if err == nil || have != 0 || ctx.Err() != nil {
		t.Errorf("have %d, err %v, ctx %v", have, err, ctx.Err())
	}
	if r.Healthy() == nil {
		t.Error("the sink says it is healthy")
	}
}

func TestScriptRefusesMalformedGroupsBeforeItWrites(t *testing.T) {
	servers(t, func(t *testing.T, s testServer) {
		r := New(testConfig(s))
		defer r.Close()
		ctx := context.Background()
		for name, extra := range map[string][]any{"half a group": {"3", "f"}, "unknown key": {"9", "f", "v", "x"}, "the position": {"1", "next", "v", "x"}, "the inventory": {"2", "mark", "v", "x"}} {
			args := append([]any{"nonce", pad16(1), pad16(0), pad16(5)}, extra...)
			keys := []string{r.key(0, keyPos), r.key(0, keyHas), r.key(0, keyBar, "A", "1m")}
			reply, err := eval(ctx, r.conn(), script, keys, args).StringSlice()
			if err != nil || reply[0] != "BAD" {
				t.Errorf("%s: %v, %v", name, reply, err)
			}
		}
		if n := r.conn().DBSize(ctx).Val(); n != 0 {
			t.Errorf("%d keys were written", n)
		}
	})
}
