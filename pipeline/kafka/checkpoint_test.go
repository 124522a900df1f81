package kafka

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// client returns an incarnation that holds partition 0 and is not consuming.
func (b *bed) client(group int64) *Client {
	b.t.Helper()
	c, err := NewClient(b.config(true), newSummer())
	if err != nil {
		b.t.Fatal(err)
	}
	c.parts[0] = &partition{group: group}
	sending := c.send.start()
	b.t.Cleanup(func() { c.fail(errors.New("end of the test")); sending.Wait(); c.cl.Close() })
	return c
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (b *bed) save(c *Client, to int64, body []byte) {
	b.t.Helper()
	u := &Unit{P: 0, Checkpoint: &Checkpoint{From: to - 1, To: to, JN: 3, Cfg: "abc", Body: body}}
	if err := c.Publish(b.ctx(), u); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) wantCheckpoint(c *Client, to int64, body []byte) {
	b.t.Helper()
	cp, err := c.LoadCheckpoint(b.ctx(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if cp.To != to || !bytes.Equal(cp.Body, body) {
		b.t.Errorf("restored to %d with %d bytes, want %d with %d", cp.To, len(cp.Body), to, len(body))
	}
	if cp.From != to-1 || cp.JN != 3 || cp.Cfg != "abc" {
		b.t.Errorf("headers are %+v", cp)
	}
}

func TestNewestCheckpointIsRestored(t *testing.T) {
	for _, size := range []int{0, 10, maxPartBytes - 100, 3*maxPartBytes + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			b := newBed(t, 1)
			c := b.client(-1)
			b.save(c, 5, noise(100))
			body := noise(size)
			b.save(c, 9, body)
			b.wantCheckpoint(b.client(9), 9, body)
		})
	}
}

func TestPartsNeverExceedTheBrokersLimit(t *testing.T) {
	b := newBed(t, 1)
	b.save(b.client(-1), 5, noise(3*maxPartBytes))
	recs := b.read("state", 0)
	if len(recs) != 4 {
		t.Fatalf("%d records, want 4", len(recs))
	}
	for i, r := range recs {
		kind, _ := r.Header("kind")
		if want := fmt.Sprintf("part %d/4", i+1); string(kind) != want || len(r.Value) > maxPartBytes {
			t.Errorf("record %d: kind %q with %d bytes, want %q", i, kind, len(r.Value), want)
		}
	}
}

// rewrite copies the records of state, changed by f, behind what is there.
func (b *bed) rewrite(recs []Rec, f func(i int, r *kgo.Record) bool) {
	b.t.Helper()
	for i, r := range recs {
		n := &kgo.Record{Topic: "state", Partition: 0, Value: bytes.Clone(r.Value), Headers: append([]Header(nil), r.Headers...)}
		if !f(i, n) {
			continue
		}
		if err := b.cl.ProduceSync(b.ctx(), n).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestDamagedCheckpointFallsBackToTheOlder(t *testing.T) {
	old := noise(50)
	for _, tt := range []struct {
		name   string
		size   int
		change func(i int, r *kgo.Record) bool
	}{
		{"flipped bit", 500, func(_ int, r *kgo.Record) bool { r.Value[100] ^= 1; return true }},
		{"cut short", 500, func(_ int, r *kgo.Record) bool { r.Value = r.Value[:40]; return true }},
		{"foreign bytes", 500, func(_ int, r *kgo.Record) bool { r.Value = []byte("hello"); return true }},
		{"newer format", 500, func(_ int, r *kgo.Record) bool { r.Value[4]++; return true }},
		{"no header", 500, func(_ int, r *kgo.Record) bool { r.Headers = nil; return true }},
		{"last part missing", 2 * maxPartBytes, func(i int, _ *kgo.Record) bool { return i < 2 }},
		{"middle part missing", 2 * maxPartBytes, func(i int, _ *kgo.Record) bool { return i != 1 }},
		{"first part missing", 2 * maxPartBytes, func(i int, _ *kgo.Record) bool { return i != 0 }},
		{"part damaged", 2 * maxPartBytes, func(i int, r *kgo.Record) bool {
			if i == 1 {
				r.Value[5000] ^= 1
			}
			return true
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := newBed(t, 1)
			source.save(source.client(-1), 9, noise(tt.size))
			recs := source.read("state", 0)

			b := newBed(t, 1)
			b.save(b.client(-1), 5, old)
			// Parts name the offset of the first: it is 0 there and 1 here.
			b.rewrite(recs, func(i int, r *kgo.Record) bool {
				for j, h := range r.Headers {
					if h.Key == "full" {
						r.Headers[j].Value = []byte("1")
					}
				}
				return tt.change(i, r)
			})
			b.wantCheckpoint(b.client(5), 5, old)
		})
	}
}

func TestManyBrokenTailsDoNotHideTheCheckpoint(t *testing.T) {
	b := newBed(t, 1)
	body := noise(30)
	b.save(b.client(-1), 5, body)
	for range 200 { // more than one step back
		b.write("state", 0, []byte("x"))
	}
	b.wantCheckpoint(b.client(5), 5, body)
}

func TestAbortedTransactionBehindTheCheckpointIsSteppedOver(t *testing.T) {
	b := newBed(t, 1)
	body := noise(30)
	b.save(b.client(-1), 5, body)
	b.abort("state", 0, 3)
	b.wantCheckpoint(b.client(5), 5, body)
}

func TestNoCheckpointIsANewPartitionOrALostState(t *testing.T) {
	b := newBed(t, 1)
	if _, err := b.client(-1).LoadCheckpoint(b.ctx(), 0); !errors.Is(err, ErrNoCheckpoint) {
		t.Errorf("new partition: %v", err)
	}
	if _, err := b.client(7).LoadCheckpoint(b.ctx(), 0); !errors.Is(err, ErrStateLost) {
		t.Errorf("the group has an offset: %v", err)
	}
	b.save(b.client(-1), 5, noise(100))
	bad := newBed(t, 1)
	bad.rewrite(b.read("state", 0), func(_ int, r *kgo.Record) bool { r.Value[50] ^= 1; return true })
	if _, err := bad.client(-1).LoadCheckpoint(b.ctx(), 0); !errors.Is(err, ErrStateLost) {
		t.Errorf("only a damaged checkpoint: %v", err)
	}
}

func TestFrameComesBackAsItWas(t *testing.T) {
	z, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		frame := z.seal(body)
		got, err := z.open(bytes.Join(split(frame), nil))
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		i := rapid.IntRange(0, len(frame)-1).Draw(t, "byte")
		frame[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if _, err := z.open(frame); err == nil {
			t.Fatalf("byte %d changed and nobody noticed", i)
		}
	})
}

func FuzzFrame(f *testing.F) {
	z, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(z.seal([]byte("state")))
	f.Add([]byte("KLCP"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, err := z.open(b); err == nil && len(body) > MaxState {
			t.Errorf("%d bytes were unpacked", len(body))
		}
	})
}

func FuzzCheckpointHeaders(f *testing.F) {
	f.Add("full", "1", "0")
	f.Add("part 2/3", "1", "5")
	f.Fuzz(func(t *testing.T, kind, to, full string) {
		r := &kgo.Record{Headers: []Header{
			{Key: "ct", Value: []byte(checkpointType)}, {Key: "kind", Value: []byte(kind)}, {Key: "full", Value: []byte(full)},
			{Key: "from", Value: []byte("0")}, {Key: "to", Value: []byte(to)}, {Key: "jn", Value: []byte("0")},
		}}
		if l, ok := parseLink(r); ok && (l.part < 1 || l.part > l.of) {
			t.Errorf("part %d of %d", l.part, l.of)
		}
	})
}

// TestRetentionOfTheEmbeddedBrokerLeavesAWholeCheckpoint: it goes by bytes, and the size of
// a state has nothing to do with the configured ones.
func TestRetentionOfTheEmbeddedBrokerLeavesAWholeCheckpoint(t *testing.T) {
	b := newBed(t, 1)
	_, share := b.stateRetention(2 << 20)
	c := b.client(-1)
	for to := range int64(4) {
		body := noise(int(share) + 500_000)
		b.save(c, to+1, body)
		b.fake.ApplyRetention()
		b.wantCheckpoint(b.client(to+1), to+1, body)
	}
	now, _ := b.stateRetention(-2)
	if now < snapshotsKept*share {
		t.Errorf("the topic keeps %d bytes, three snapshots have more than %d", now, snapshotsKept*share)
	}
	// At the next start the configured share holds again, until the state is loaded.
	b.stateRetention(share)
	b.client(4).makeRoom(0, 0)
	if again, _ := b.stateRetention(-2); again != share {
		t.Errorf("a small state has the topic keep %d bytes", again)
	}
	if _, err := b.client(4).LoadCheckpoint(b.ctx(), 0); err != nil {
		t.Fatal(err)
	}
	if again, _ := b.stateRetention(-2); again < snapshotsKept*share {
		t.Errorf("with the state loaded the topic keeps %d bytes", again)
	}
	b.fake.ApplyRetention()
	if _, err := b.client(4).LoadCheckpoint(b.ctx(), 0); err != nil {
		t.Fatal(err)
	}
}

// stateRetention sets retention.bytes of state, below -1 it does not, and returns what it
// was and is.
func (b *bed) stateRetention(bytes int64) (before, after int64) {
	b.t.Helper()
	configs, err := b.adm.DescribeTopicConfigs(b.ctx(), "state")
	if err != nil {
		b.t.Fatal(err)
	}
	if before, err = strconv.ParseInt(configValue(configs, "state", "retention.bytes"), 10, 64); err != nil {
		b.t.Fatal(err)
	}
	if bytes < -1 {
		return before, before
	}
	value := strconv.FormatInt(bytes, 10)
	if _, err := b.adm.AlterTopicConfigs(b.ctx(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.bytes", Value: &value}}, "state"); err != nil {
		b.t.Fatal(err)
	}
	return before, bytes
}
