package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestAnImportThatDiesAnywhereLosesAndAddsNothing kills an import at any batch,
// before or after the rows were taken, again and again: what the target has, each
// message id once, is the file, and the guard takes none of it for another's.
func TestAnImportThatDiesAnywhereLosesAndAddsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.IntRange(1, 60).Draw(rt, "rows")
		withIDs := rapid.Bool().Draw(rt, "ids")
		packed := rapid.Bool().Draw(rt, "gzip")
		var text strings.Builder
		text.WriteString("ts,price,size,id\n")
		bad := 0
		for i := range rows {
			id := ""
			if withIDs {
				id = fmt.Sprint(1000 + i)
			}
			price := fmt.Sprint(1 + i)
			if rapid.IntRange(0, 9).Draw(rt, "bad") == 0 {
				price, bad = "none", bad+1
			}
			fmt.Fprintf(&text, "%d,%s,1,%s\n", 1723161255342+i, price, id)
		}
		content := []byte(text.String())
		if packed {
			content = gzipped(t, text.String())
		}
		path := put(t, "a.csv", content)
		m, told := &memory{}, 0
		cfg := Config{Target: m, Symbol: "A", MaxBad: int64(bad), Bad: func(b []*BadRowError) error { told += len(b); return nil }}
		cfg.rowsPerBatch = int64(rapid.IntRange(1, 7).Draw(rt, "batch"))
		for range 200 {
			m.dies = m.batches + rapid.IntRange(0, 6).Draw(rt, "dies")
			m.kept = rapid.Bool().Draw(rt, "kept")
			cfg.Guard = askedTarget(m, 0)
			_, err := run(t, cfg, path)
			if err == nil {
				break
			}
			if !errors.Is(err, errDied) {
				rt.Fatal(err)
			}
		}
		seen := map[string]string{}
		var order []string
		for i := range m.records {
			id := messageID(&m.records[i])
			value := string(m.records[i].Value)
			if old, twice := seen[id]; twice && old != value {
				rt.Fatalf("%s is two trades: %s and %s", id, old, value)
			} else if !twice {
				order = append(order, value)
			}
			seen[id] = value
		}
		whole := &memory{}
		cfg.Target, cfg.Bad, cfg.Guard = whole, nil, nil
		if _, err := run(t, cfg, put(t, "a.csv", content)); err != nil {
			rt.Fatal(err)
		}
		if got, want := strings.Join(order, "\n")+"\n", whole.values(); got != want && len(whole.records) > 0 {
			rt.Fatalf("got\n%swant\n%s", got, want)
		}
		if len(whole.records) != rows-bad || told < bad {
			rt.Fatalf("%d records of %d rows, %d bad, %d told", len(whole.records), rows, bad, told)
		}
	})
}

// slow is a target whose writes wait until they are let go.
type slow struct {
	memory
	begun chan struct{}
	let   chan struct{}
}

func (s *slow) Write(ctx context.Context, b *Batch) error {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	select {
	case <-s.let:
		return s.memory.Write(ctx, b)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAnInterruptedImportFinishesItsBatchAndGoesOnThere(t *testing.T) {
	var text strings.Builder
	for i := range 3 * batchRows {
		fmt.Fprintf(&text, `{"symbol":"A","price":1,"size":1,"ts":%d,"id":%d}`+"\n", 1723161255342+i, i)
	}
	path := put(t, "a.jsonl", []byte(text.String()))
	s := &slow{begun: make(chan struct{}, 1), let: make(chan struct{})}
	im, err := New(Config{Target: s})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.begun
		cancel()
		close(s.let)
	}()
	totals, err := im.Run(ctx, path, path+StateSuffix, TradeHeaders{Source: "test"})
	if !errors.Is(err, ErrInterrupted) || totals.Rows == 0 || int(totals.Rows) != len(s.records) {
		t.Fatalf("%+v, %d records, %v", totals, len(s.records), err)
	}
	again, err := run(t, Config{Target: s}, path)
	if err != nil || again.Resumed != totals.Rows || len(s.records) != 3*batchRows {
		t.Fatalf("%+v, %d records, %v", again, len(s.records), err)
	}
}
