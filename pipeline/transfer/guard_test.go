package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// askedTarget is a guard that finds in m what a Tail finds in the topic.
func askedTarget(m *memory, tolerance time.Duration) *Guard {
	return &Guard{Tolerance: tolerance, Newest: func(symbol string) (int64, bool, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		var newest int64
		for _, r := range m.records {
			var trade struct {
				Symbol string
				TS     int64
			}
			if err := json.Unmarshal(r.Value, &trade); err != nil {
				return 0, false, err
			}
			if trade.Symbol == symbol {
				newest = max(newest, trade.TS*1e6)
			}
		}
		return newest, newest > 0, nil
	}}
}

// firstMS is the time of the first trade of the files below.
const firstMS = 1723161255342

// minutes are n trades of a symbol, a minute apart, from a minute on.
func minutes(symbol string, from, n int) string {
	var text strings.Builder
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&text, `{"symbol":%q,"price":1,"size":1,"ts":%d,"id":%d}`+"\n", symbol, firstMS+i*60_000, i)
	}
	return text.String()
}

// live puts a trade of somebody else into m.
func live(t *testing.T, m *memory, symbol string, minute int) {
	t.Helper()
	if _, err := run(t, Config{Target: m}, put(t, "live.jsonl", []byte(minutes(symbol, minute, 1)))); err != nil {
		t.Fatal(err)
	}
}

// guarded imports a file with a guard of its own, as a command does.
func guarded(t *testing.T, to Target, m *memory, path string) error {
	t.Helper()
	cfg := Config{Target: to, Guard: askedTarget(m, time.Second)}
	cfg.rowsPerBatch = 10
	_, err := run(t, cfg, path)
	return err
}

// killed is a memory that keeps the state as it stands at the batch that dies.
type killed struct {
	*memory
	path  string
	state []byte
}

func (k *killed) Write(ctx context.Context, b *Batch) (err error) {
	if k.batches+1 == k.dies {
		if k.state, err = os.ReadFile(k.path); err != nil {
			return err
		}
	}
	return k.memory.Write(ctx, b)
}

// killedAt imports a file up to the batch of that number, where the process ends:
// the state does not learn what became of the batch.
func killedAt(t *testing.T, m *memory, path string, batch int, kept bool) {
	t.Helper()
	m.dies, m.kept = m.batches+batch, kept
	k := &killed{memory: m, path: path + StateSuffix}
	if err := guarded(t, k, m, path); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.path, k.state, 0o600); err != nil {
		t.Fatal(err)
	}
}

func refusedAsLate(err error) bool {
	return err != nil && strings.Contains(err.Error(), "put it into the topic late")
}

func TestAResumedFileDoesNotSilenceTheGuardForTheFilesBehindIt(t *testing.T) {
	m := &memory{}
	a, b := put(t, "a.jsonl", []byte(minutes("A", 0, 30))), put(t, "b.jsonl", []byte(minutes("B", 0, 5)))
	live(t, m, "B", 60)
	killedAt(t, m, a, 2, false)
	im, err := New(Config{Target: m, Guard: askedTarget(m, time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if totals, err := im.Run(t.Context(), a, a+StateSuffix, TradeHeaders{}); err != nil || totals.Resumed != 10 || totals.Rows != 20 {
		t.Fatalf("a: %+v, %v", totals, err)
	}
	if _, err := im.Run(t.Context(), b, b+StateSuffix, TradeHeaders{}); !refusedAsLate(err) {
		t.Errorf("b, an hour behind its live feed, is imported: %v", err)
	}
}

func TestTheGuardLooksAtWhatAnInterruptedRunHadNotSent(t *testing.T) {
	t.Run("a symbol that had not come", func(t *testing.T) {
		m := &memory{}
		path := put(t, "a.jsonl", []byte(minutes("A", 0, 20)+minutes("B", 0, 5)))
		live(t, m, "B", 60)
		killedAt(t, m, path, 2, true)
		if err := guarded(t, m, m, path); !refusedAsLate(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a live feed that began since", func(t *testing.T) {
		m := &memory{}
		path := put(t, "a.jsonl", []byte(minutes("A", 0, 40)))
		killedAt(t, m, path, 2, true)
		live(t, m, "A", 60)
		if err := guarded(t, m, m, path); !refusedAsLate(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody else", func(t *testing.T) {
		m := &memory{}
		path := put(t, "a.jsonl", []byte(minutes("A", 0, 40)+minutes("B", 0, 40)))
		killedAt(t, m, path, 2, true)
		killedAt(t, m, path, 3, true)
		if err := guarded(t, m, m, path); err != nil {
			t.Error(err)
		}
	})
}
