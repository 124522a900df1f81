package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// followed is a hub that has seen bars 1 to n of symbol A at offsets 1 to n.
func followed(n int64) *Hub {
	h := testHub(1)
	for i := int64(1); i <= n; i++ {
		h.Apply(0, []Record{testBar("A", i, i).record(i, i, 0)})
	}
	return h
}

func (h *Hub) waiting() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := 0
	for i := range h.parts {
		n += len(h.parts[i].awaited)
	}
	return n
}

func TestAClientThatIsAheadOfThisNodeWaitsAndResumes(t *testing.T) {
	h := followed(5)
	s := stream(t, h, "s=A@1m", "v1.k3.7")
	defer s.Close()
	for i := int64(6); i <= 7; i++ {
		fake(h).Advance(900 * time.Millisecond)
		if got := read(t, s); len(got) != 0 {
			t.Fatalf("at %d of 7: %v", i-1, got)
		}
		h.Apply(0, []Record{testBar("A", i, i).record(i, i, 0)})
	}
	got := read(t, s)
	if names(got) != "pos" || got[0].id != "v1.k3.7" || got[0].data != `{"resume":"v1.k3.7","frames":0}` {
		t.Fatalf("%v", got)
	}
	h.Apply(0, []Record{testBar("A", 8, 8).record(8, 8, 0)})
	if got := read(t, s); names(got) != "kline" || !strings.Contains(got[0].data, `"seq":8,`) {
		t.Errorf("behind the resume: %v", got)
	}
}

func TestAClientInTheMiddleOfARecordWaitsForTheWholeOfIt(t *testing.T) {
	h := followed(5)
	s := stream(t, h, "s=A@1m:kline,ema(3),macd(2,3,2)", "v1.k3.6~0~1") // it has the bar and none of its values
	defer s.Close()
	if got := read(t, s); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	h.Apply(0, []Record{testBar("A", 6, 6).record(6, 6, 0)})
	if got := read(t, s); names(got) != "pos indicator indicator" {
		t.Errorf("%v", got)
	}
}

func TestAPositionThatDoesNotComeIsAResetAfterTwoSeconds(t *testing.T) {
	h := followed(5)
	s := stream(t, h, "s=A@1m", "v1.k3.zzzz")
	defer s.Close()
	read(t, s)
	for i := int64(6); i <= 9; i++ { // batches do not begin the two seconds anew
		fake(h).Advance(catchUp/4 - time.Millisecond)
		h.Apply(0, []Record{testBar("A", i, i).record(i, i, 0)})
		if got := read(t, s); len(got) != 0 {
			t.Fatalf("too early: %v", got)
		}
	}
	fake(h).Advance(4 * time.Millisecond)
	got := read(t, s)
	if names(got) != "reset snapshot" || !strings.Contains(got[0].data, `"foreign"`) || got[1].id != "v1.k3.9" {
		t.Fatalf("%v", got)
	}
	if n := h.waiting(); n != 0 {
		t.Errorf("%d streams are still waited for", n)
	}
}

func TestTheTwoSecondsBeginWhenTheHubIsReady(t *testing.T) {
	h := NewHub(testConfig(1))
	s := stream(t, h, "s=A@1m", "v1.k3.6")
	defer s.Close()
	read(t, s)
	fake(h).Advance(10 * time.Second)
	h.Apply(0, []Record{testBar("A", 5, 5).record(0, 5, 0)})
	h.Loaded()
	if got := read(t, s); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	h.Apply(0, []Record{testBar("A", 6, 6).record(1, 6, 0)})
	if got := read(t, s); names(got) != "pos" {
		t.Errorf("%v", got)
	}
}

func TestIDsOfOtherLogsDoNotWait(t *testing.T) {
	h := followed(5)
	for _, id := range []string{"v1.other.9", "v2.k3.9", "v1.k3.9-9", "v1.k3.-9", "v1.k3.09", "nonsense"} {
		s := stream(t, h, "s=A@1m", id)
		if got := read(t, s); names(got) != "reset snapshot" {
			t.Errorf("%s: %v", id, got)
		}
		s.Close()
	}
}

func TestAWaitForAPositionEndsWithItsClient(t *testing.T) {
	h := followed(5)
	s := stream(t, h, "s=A@1m", "v1.k3.6")
	read(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	loop := safego.Go("stream", nil, func() {
		_, err := s.Next(ctx)
		ended <- err
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the stream of a client that left ended with %v", err)
	}
	loop.Wait()
	s.Close()
	if n := h.waiting(); n != 0 {
		t.Errorf("%d streams are still waited for", n)
	}
}

func TestAWaitForAPositionEndsWithADrain(t *testing.T) {
	h := followed(5)
	s := stream(t, h, "s=A@1m", "v1.k3.6")
	defer s.Close()
	read(t, s)
	h.Drain(0)
	if got := read(t, s); names(got) != "bye" || got[0].id != "" {
		t.Errorf("%v", got)
	}
}

func TestTheLoopSleepsWhileItWaitsForAPosition(t *testing.T) {
	h := followed(5)
	s := stream(t, h, "s=A@1m", "v1.k3.6")
	defer s.Close()
	read(t, s)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 { // nothing but the client's end is there to wake it
		if err := s.wait(gone, time.Second); !errors.Is(err, context.Canceled) {
			t.Fatal("something else wakes the loop: it would turn round and round for two seconds")
		}
	}
	done := make(chan string, 1)
	loop := safego.Go("stream", nil, func() {
		b, _ := s.Next(context.Background())
		done <- string(b)
	})
	h.Apply(0, []Record{testBar("A", 6, 6).record(6, 6, 0)})
	if got := <-done; !strings.Contains(got, `"resume"`) {
		t.Errorf("%q", got)
	}
	loop.Wait()
}

// Ids of the future are made up by anybody. They take places of streams like all
// others, wake nobody while the log grows below them, and leave nothing behind.
func TestMadeUpPositionsCostNoMoreThanStreams(t *testing.T) {
	cfg := testConfig(2)
	cfg.MaxStreams = 500
	h := NewHub(cfg)
	h.Loaded()
	var all []*Subscriber
	for i := range cfg.MaxStreams {
		s := stream(t, h, "s=A@1m", fmt.Sprintf("v1.k3._-z%03d", i))
		read(t, s)
		all = append(all, s)
	}
	busy := stream(t, h, "s=A@1m", "v1.k3._-zz")
	if got := read(t, busy); names(got) != "bye" {
		t.Errorf("beyond the limit of streams: %v", got)
	}
	for i := range int64(50) {
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
		h.Apply(1, []Record{testBar("B", i+1, i+1).record(i, i, 0)})
	}
	for i, s := range all {
		if len(s.wake) != 0 {
			t.Fatalf("stream %d was woken before its position was there", i)
		}
	}
	if n := h.waiting(); n != len(all) {
		t.Errorf("%d of %d wait", n, len(all))
	}
	for i := 0; i < len(all); i += 2 {
		all[i].Close()
	}
	h.Apply(1, []Record{testBar("B", 60, 60).record(60, 40*36*36*36, 0)}) // beyond all of them
	for i := 1; i < len(all); i += 2 {
		if len(all[i].wake) != 1 {
			t.Fatalf("stream %d was not woken", i)
		}
		if got := read(t, all[i]); len(got) == 0 || !strings.Contains(got[0].data, `"resume"`) {
			t.Fatalf("stream %d begins with %v", i, got[:min(len(got), 1)])
		}
		all[i].Close()
	}
	if n := h.waiting(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// node is a hub of one log with the batches it has not followed yet.
type node struct {
	hub  *Hub
	todo [2][][]Record
}

// follow takes the next batch of a partition in, if there is one.
func (n *node) follow(p int) {
	if todo := n.todo[p]; len(todo) > 0 {
		n.hub.Apply(int32(p), todo[0]) //nolint:gosec // 0 or 1
		n.todo[p] = todo[1:]
	}
}

// behind tells whether the client has seen more than the node.
func (n *node) behind(id string) bool {
	at, err := parsePosition(id, "k3", 2)
	if err != nil {
		return false
	}
	for p := range at {
		if at[p].compare(n.hub.at[p]) > 0 {
			return true
		}
	}
	return false
}

// TestMovingToANodeThatIsBehindLosesAndRepeatsNothing lets a client go to and fro
// between two nodes of one log, each of which follows it at a pace of its own.
// What it is told is compared with the log by the client's rules: no seq is left
// out and none comes twice. A reset comes exactly where the node did not get to the
// client's position in time.
func TestMovingToANodeThatIsBehindLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := [2]*node{{hub: testHub(2)}, {hub: testHub(2)}}
		y := newHistory(t)
		c := &client{t: t, bars: map[string]map[int64]string{}, seq: map[string]int64{}, newest: map[string]int64{}}
		const query = "s=S0,S1,S2,S3@1m:kline,ema(3),macd(2,3,2)&snapshot=1000"
		for round := range rapid.IntRange(2, 12).Draw(t, "rounds") {
			n := nodes[round%2]
			for range rapid.IntRange(0, 6).Draw(t, "written") {
				p := rapid.IntRange(0, 1).Draw(t, "p")
				recs := y.next(p)
				for i := range recs {
					recs[i].Offset-- // the log is followed from its first record
				}
				for _, n := range nodes {
					n.todo[p] = append(n.todo[p], recs)
				}
			}
			id, resets := c.lastID, c.resets
			ask := query
			if _, err := parsePosition(id, "k3", 2); err == nil && rapid.IntRange(0, 3).Draw(t, "in time") > 0 {
				ask = strings.TrimSuffix(query, "&snapshot=1000") // a resume has to bring everything
			}
			late := ask == query && id != ""
			s := stream(&fatal{T: t}, n.hub, ask, id)
			c.read(s, false)
			for range rapid.IntRange(0, 4).Draw(t, "pieces") {
				n.follow(rapid.IntRange(0, 1).Draw(t, "follows"))
				fake(n.hub).Advance(catchUp / 5)
				c.read(s, false)
			}
			for !late && n.behind(id) {
				n.follow(rapid.IntRange(0, 1).Draw(t, "goes on"))
			}
			switch tooLate := n.behind(id); {
			case tooLate:
				fake(n.hub).Advance(catchUp)
				resets++
			case id == noPosition:
				resets++
			}
			if s = c.read(s, rapid.IntRange(0, 2).Draw(t, "cut") == 0); s != nil {
				if c.resets != resets {
					t.Fatalf("round %d: %d resets, want %d", round, c.resets, resets)
				}
				for range rapid.IntRange(0, 4).Draw(t, "live") {
					n.follow(rapid.IntRange(0, 1).Draw(t, "follows"))
				}
				c.read(s, false)
				s.Close()
			}
			if c.resets > resets {
				t.Fatalf("round %d: %d resets, want %d", round, c.resets, resets)
			}
		}
		for p := range 2 {
			for len(nodes[0].todo[p]) > 0 {
				nodes[0].follow(p)
			}
		}
		s := stream(&fatal{T: t}, nodes[0].hub, query, c.lastID)
		c.read(s, false)
		s.Close()
		for sym, bars := range y.truth {
			if !maps.Equal(bars, c.bars[sym]) || c.seq[sym] != y.seq[sym] {
				t.Fatalf("%s: the client holds %v at %d, the log says %v at %d", sym, c.bars[sym], c.seq[sym], bars, y.seq[sym])
			}
		}
	})
}
