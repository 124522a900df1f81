package transfer

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// memory is a target that keeps what it is given.
type memory struct {
	mu      sync.Mutex // protects records, which a guard looks at meanwhile
	name    string
	records []kafka.TradeRecord
	klines  []history.Kline
	batches int
	// dies, if not 0, is the batch whose write fails. With kept the rows are
	// there all the same, as after a lost acknowledgement.
	dies int
	kept bool
}

var errDied = errors.New("the target died")

func (m *memory) Name() string { return "memory " + m.name }

func (m *memory) Write(_ context.Context, b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches++
	dead := m.batches == m.dies
	if !dead || m.kept {
		m.records = append(m.records, b.Records...)
		m.klines = append(m.klines, b.Klines...)
	}
	if dead {
		return errDied
	}
	return nil
}

// values are the records' values, one a line.
func (m *memory) values() string {
	var out strings.Builder
	for _, r := range m.records {
		out.Write(r.Value)
		out.WriteByte('\n')
	}
	return out.String()
}

// put writes a file and returns its path.
func put(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// zipped makes a zip of pairs of a name and a text.
func zipped(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// run imports a file with its state beside it.
func run(t testing.TB, cfg Config, path string) (Totals, error) {
	t.Helper()
	im, err := New(cfg)
	if err != nil {
		return Totals{}, err
	}
	return im.Run(context.Background(), path, path+StateSuffix, TradeHeaders{Source: "test", Venue: "import"})
}
