package serve

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// awayLog is a topic whose brokers may not answer.
type awayLog struct {
	recs []Record
	read func(ctx context.Context) error // nil: the topic answers
}

func (l *awayLog) Read(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error {
	kept := keptLog{recs: l.recs}
	if l.read != nil {
		if err := l.read(ctx); err != nil {
			return err
		}
	}
	return kept.Read(ctx, p, from, to, fn)
}

// shortMemory is a hub with bars 1 to 20 of A and B, of which 4 are in memory.
func shortMemory() (*Hub, *awayLog) {
	cfg := testConfig(1)
	cfg.ViewBars = 4
	h, log := NewHub(cfg), &awayLog{}
	h.Loaded()
	h.SetArchive(log)
	h.SetComputer(&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
	for i := range int64(40) {
		log.recs = append(log.recs, testBar([]string{"A", "B"}[i%2], i/2+1, i/2+1).record(i, i, 0))
	}
	h.Apply(0, log.recs)
	return h, log
}

// logAway are ways in which brokers are away. Every read has to have an end.
func logAway(t *testing.T) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"killed": func(context.Context) error { return errors.New("dial tcp 10.0.0.1:9092: secret") },
		"stopped": func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("a read has no end")
			}
			return context.DeadlineExceeded
		},
	}
}

func TestALogThatIsAwayHidesNothingOfMemory(t *testing.T) {
	for name, read := range logAway(t) {
		t.Run(name, func(t *testing.T) {
			h, log := shortMemory()
			log.read = read
			for _, target := range []string{
				"/v1/klines?sym=A&itv=1m&from=0&limit=5",
				"/v1/klines?sym=A&itv=1m&from=960000&limit=9",
				"/v1/klines?sym=A&itv=1m&to=960000&limit=9", // nothing else to show
				"/v1/values?sym=A&itv=1m&ind=mine/decay(1)&from=0",
				"/v1/bundle?s=A@1m:kline,mine/decay(1)&from=0",
			} {
				_, text := get(t, h, target)
				if p := decode[struct {
					Type   string
					Status int
				}](t, text); p.Status != 503 || !strings.HasSuffix(p.Type, CodeHistoryAway) || strings.Contains(text, "secret") {
					t.Errorf("%s: %s", target, text)
				}
			}
			for target, rows := range map[string]int{
				"/v1/klines?sym=A&itv=1m&limit=500":                   4,
				"/v1/klines?sym=A&itv=1m&to=1140000":                  2,
				"/v1/values?sym=A&itv=1m&ind=ema(3)":                  4,
				"/v1/values?sym=A&itv=1m&ind=mine/decay(1)&limit=500": 4,
			} {
				a, text := get(t, h, target)
				body := decode[struct{ Bars, Rows []any }](t, text)
				if len(body.Bars)+len(body.Rows) != rows || a.MissingText() != "-1020000" || !strings.Contains(text, `"missing":[[null,1020000]]`) ||
					a.Source() != "memory" || a.Cache != CacheLive {
					t.Errorf("%s: %q, missing %q, from %q: %s", target, a.Cache.Control(), a.MissingText(), a.Source(), text)
				}
			}
			a, text := get(t, h, "/v1/bundle?s=A,B@1m:kline,mine/decay(1)")
			if strings.Count(text, `"missing":[[null,1020000]]`) != 2 || strings.Contains(text, `"mine/decay(1)":{"t":[]`) || len(a.Missing) != 2 {
				t.Errorf("a bundle: %s", text)
			}
			if a, text := get(t, h, "/v1/klines?sym=A&itv=1m&limit=4"); a.Missing != nil || a.Source() != "memory" {
				t.Errorf("what memory holds: %s", text)
			}
			if _, p := explained(t, h, "sym=A&itv=1m&t=60000"); !strings.HasPrefix(p, CodeHistoryAway) || strings.Contains(p, "secret") {
				t.Errorf("an explanation: %s", p)
			}
		})
	}
}

// All reads of a request share one time: 50 series must not wait 50 times.
func TestTheReadsOfARequestShareTheirTime(t *testing.T) {
	h, log := shortMemory()
	asked := 0
	log.read = func(context.Context) error {
		asked++
		fake(h).Advance(logTime)
		return context.DeadlineExceeded
	}
	if _, text := get(t, h, "/v1/bundle?s=A,B@1m"); strings.Count(text, "missing") != 2 || asked != 1 {
		t.Errorf("the log was asked %d times: %s", asked, text)
	}
	if get(t, h, "/v1/klines?sym=A&itv=1m"); asked != 2 {
		t.Error("the next request has no time")
	}
}

// A client that hangs up is no failure of the log.
func TestAReadOfTheLogEndsWithItsClient(t *testing.T) {
	h, log := shortMemory()
	ctx, cancel := context.WithCancel(context.Background())
	log.read = func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	q, p := h.ParseKlines(url.Values{"sym": {"A"}, "itv": {"1m"}}, 0)
	if p != nil {
		t.Fatal(p)
	}
	_, err := h.Klines(ctx, q)
	if _, told := errors.AsType[*Problem](err); told || !errors.Is(err, context.Canceled) {
		t.Errorf("the client has gone: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	e, p := h.ParseExplain(context.Background(), url.Values{"sym": {"A"}, "itv": {"1m"}, "t": {"60000"}})
	if p != nil {
		t.Fatal(p)
	}
	_, err = h.Explain(ctx, e)
	if _, told := errors.AsType[*Problem](err); told || !errors.Is(err, context.Canceled) {
		t.Errorf("the client of an explanation has gone: %v", err)
	}
}

// crowd makes n requests that all wait inside the log until the returned function is
// called.
func crowd(t *testing.T, h *Hub, log *awayLog, n int, ask func()) (release func()) {
	t.Helper()
	var inside atomic.Int64
	gate := make(chan struct{})
	log.read = func(context.Context) error {
		if inside.Add(1) > int64(n) {
			t.Error("more read the log at a time than may")
		}
		<-gate
		return nil
	}
	var all sync.WaitGroup
	for range n {
		all.Go(ask)
	}
	for inside.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	return func() {
		close(gate)
		all.Wait()
	}
}

// outOfQueue asks while others hold all places, and moves the clock until there is an
// answer.
func outOfQueue(h *Hub, ask func() string) string {
	answer := make(chan string, 1)
	go func() { answer <- ask() }()
	for {
		fake(h).Advance(queueTime)
		select {
		case text := <-answer:
			return text
		case <-time.After(time.Millisecond):
		}
	}
}

// A few read the log at a time; who comes then is told to come again. Explanations
// have places of their own.
func TestAFewReadTheLogAtATime(t *testing.T) {
	h, log := shortMemory()
	read := func() string {
		_, text := get(t, h, "/v1/klines?sym=A&itv=1m&from=0&limit=5")
		return text
	}
	release := crowd(t, h, log, logParallel, func() { read() })
	if text := outOfQueue(h, read); !strings.Contains(text, CodeHistoryAway) || !strings.Contains(text, "busy") {
		t.Errorf("one more: %s", text)
	}
	if a, text := get(t, h, "/v1/klines?sym=A&itv=1m&limit=4"); a.Source() != "memory" {
		t.Errorf("what memory holds: %s", text)
	}
	log.read = nil
	if _, p := explained(t, h, "sym=A&itv=1m&t=60000"); p != "" {
		t.Errorf("an explanation: %s", p)
	}
	release()
	if text := read(); len(decode[klinesBody](t, text).Bars) != 5 {
		t.Errorf("afterwards: %s", text)
	}
	explain := func() string {
		_, p := explained(t, h, "sym=A&itv=1m&t=60000")
		return p
	}
	release = crowd(t, h, log, logParallel, func() { explain() })
	if p := outOfQueue(h, explain); !strings.HasPrefix(p, CodeHistoryAway) || !strings.Contains(p, "busy") {
		t.Errorf("one more explanation: %s", p)
	}
	release()
}

// A chart asks for many series at a time, and each may take a good part of a second
// where the log is long: all are answered, one after the other.
func TestAReadOfTheLogWaitsForItsTurn(t *testing.T) {
	h, log := shortMemory()
	begun, release := make(chan struct{}, 4*logParallel), make(chan struct{})
	log.read = func(context.Context) error {
		begun <- struct{}{}
		<-release
		return nil
	}
	var all sync.WaitGroup
	for range 4 * logParallel {
		all.Go(func() {
			if _, text := get(t, h, "/v1/klines?sym=A&itv=1m&from=0&limit=5"); len(decode[klinesBody](t, text).Bars) != 5 {
				t.Errorf("answered %s", text)
			}
		})
	}
	for range logParallel {
		<-begun
	}
	for passed := time.Duration(0); passed < 4*time.Second; passed += queueTime {
		time.Sleep(time.Millisecond)
		fake(h).Advance(queueTime)
	}
	close(release)
	all.Wait()
}

// An explanation reads on until its bar cannot change any more, and no further.
func TestAnExplanationEndsWhereItsBarIsFinal(t *testing.T) {
	h := lineage()
	log := h.explains.(*logGate).log.(*keptLog) //nolint:forcetypeassert // lineage
	x, p := explained(t, h, "sym=A&itv=1m&t=180000")
	// Bar 6 closes when the lateness of bar 3 is over: bars 1 to 6, and three records of the restatement.
	if p != "" || x.Rev != 1 || log.reads != 9 {
		t.Errorf("%d records were read for %+v %s", log.reads, x, p)
	}
}

// deafLog hands over a record and then does not notice that nobody waits any more.
type deafLog struct{ begun, end chan struct{} }

func (l deafLog) Read(_ context.Context, _ int32, _, _ int64, fn func(Record) bool) error {
	fn(Record{})
	l.begun <- struct{}{}
	<-l.end
	fn(Record{})
	l.begun <- struct{}{}
	return nil
}

// The client of a broker that was stopped notices only after ten seconds. Its reader
// goes before that, and is told nothing behind its back.
func TestAReaderDoesNotWaitForALogThatDoesNotNotice(t *testing.T) {
	log := deafLog{make(chan struct{}), make(chan struct{})}
	gate := newLogGate(log, clock.Real())
	ctx, cancel := context.WithCancel(t.Context())
	got, told := make(chan error), 0
	go func() { got <- gate.Read(ctx, 0, 0, 1, func(Record) bool { told++; return true }) }()
	<-log.begun
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if n := len(gate.slots.taken); n != 1 {
		t.Errorf("%d slots are taken while the read has not ended, want 1", n)
	}
	close(log.end)
	<-log.begun
	if told != 1 {
		t.Errorf("%d records were told, want 1", told)
	}
}
