package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// keyedRecords makes n records of one key with the values 0, 1, 2 ...
func keyedRecords(key string, n int) []TradeRecord {
	recs := make([]TradeRecord, n)
	for i := range recs {
		recs[i] = TradeRecord{Key: []byte(key), Value: []byte(strconv.Itoa(i))}
	}
	return recs
}

// A feed goes on behind the last trade of a symbol on the log. A Send that was
// given up may therefore leave its first records there, but never the last ones
// without the first: those would be missing for ever.
func TestASendThatIsGivenUpLeavesNoHoleOnTheLog_A06(t *testing.T) {
	b := newBed(t, 1)
	p, err := NewProducer(ProducerConfig{Cluster: b.at, Topic: b.topics.Input})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var (
		all     sync.WaitGroup
		mu      sync.Mutex // protects givenUp
		givenUp int
	)
	for w := range 24 {
		r := rand.New(rand.NewPCG(uint64(w), 1))
		all.Go(func() {
			for i := range 150 {
				patience := time.Minute
				if w%2 == 0 {
					patience = time.Duration(r.IntN(12_000)) * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				if p.Send(ctx, keyedRecords(fmt.Sprintf("%d-%d", w, i), 1+r.IntN(500))) != nil {
					mu.Lock()
					givenUp++
					mu.Unlock()
				}
				cancel()
			}
		})
	}
	all.Wait()
	// What is on its way still is in front of this one.
	if err := p.Send(b.ctx(), keyedRecords("end", 1)); err != nil {
		t.Fatal(err)
	}
	next, holes := map[string]int{}, 0
	for _, r := range b.read(b.topics.Input, 0) {
		if want := strconv.Itoa(next[string(r.Key)]); want != string(r.Value) {
			if holes++; holes < 5 {
				t.Errorf("%s: %s stands where %s should", r.Key, r.Value, want)
			}
		}
		next[string(r.Key)]++
	}
	if givenUp == 0 || holes > 0 {
		t.Errorf("%d records behind a hole, %d sends were given up", holes, givenUp)
	}
}

func TestWhoGivesUpTakesNothingAwayFromOthers(t *testing.T) {
	b := newBed(t, 1)
	p, err := NewProducer(ProducerConfig{Cluster: b.at, Topic: b.topics.Input, Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(b.ctx(), keyedRecords("first", 1)); err != nil {
		t.Fatal(err)
	}
	arrived, goOn := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(arrived); <-goOn })
	b.fake.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		hold()
		return nil, nil, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error, 2)
	go func() { results <- p.Send(b.ctx(), keyedRecords("held", 1)) }()
	<-arrived // the broker has it and does not answer; what follows waits in the client
	hurried := make(chan error, 1)
	go func() { hurried <- p.Send(ctx, keyedRecords("hurried", 3)) }()
	eventually(t, "three records wait", func() bool { return p.cl.BufferedProduceRecords() == 4 })
	go func() { results <- p.Send(b.ctx(), keyedRecords("patient", 3)) }()
	eventually(t, "six records wait", func() bool { return p.cl.BufferedProduceRecords() == 7 })
	cancel()
	select {
	case err := <-hurried:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	case <-time.After(time.Minute):
		t.Error("whoever gives up waits for the broker all the same")
	}
	close(goOn)
	for range 2 {
		if err := <-results; err != nil {
			t.Errorf("somebody else gave up, and this one has %v", err)
		}
	}
}

func TestASendWithoutRoomWaitsForItsTurnOrItsEnd(t *testing.T) {
	r := newRoom(100)
	held, err := r.take(t.Context(), 70)
	if err != nil || held != 70 {
		t.Fatalf("%d, %v", held, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	large := make(chan error, 1)
	go func() {
		_, err := r.take(ctx, 1000) // more than there is: all of it
		large <- err
	}()
	eventually(t, "the large one waits", func() bool { return len(r.door) == 1 })
	hurry, end := context.WithTimeout(t.Context(), time.Millisecond)
	defer end()
	if _, err := r.take(hurry, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a small one passed the large one: %v", err)
	}
	cancel()
	if err := <-large; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	r.give(held)
	if held, err := r.take(t.Context(), 1000); err != nil || held != 100 {
		t.Errorf("%d, %v", held, err)
	}
}
