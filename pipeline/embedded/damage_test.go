package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// filled is a broker's folder with 2,000 records in batches of 100, cleanly
// ended, and its segments in order.
func filled(t *testing.T, segmentBytes string) (cfg Config, segments []string) {
	t.Helper()
	cfg = testConfig(t)
	cfg.Topics[0].Configs = map[string]string{"segment.bytes": segmentBytes}
	b := mustStart(t, cfg)
	cl := client(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for range 20 {
		produce(t, cl, "ticks", 100)
	}
	b.Close()
	segments, err := filepath.Glob(filepath.Join(b.logDir(), "partitions", "ticks-0", "*.dat"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	return cfg, segments
}

// alterFile rewrites a file.
func alterFile(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o640); err != nil {
		t.Fatal(err)
	}
}

func flip(at func(size int) int) func([]byte) []byte {
	return func(raw []byte) []byte {
		raw[at(len(raw))] ^= 0x40
		return raw
	}
}

func half(size int) int { return size / 2 }
func last(size int) int { return size - 1 }

// killed makes the folder look as if the last run had been killed: what kfake
// writes at a clean end is missing.
func killed(t *testing.T, segment string) {
	t.Helper()
	if err := os.Remove(filepath.Join(filepath.Dir(segment), snapshotFile)); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsRefusedEveryTimeAndLeftAsItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		segmentBytes string
		kill         bool
		change       func([]byte) []byte
		want         string
	}{
		"in an old segment":               {"4096", true, flip(half), "unreadable, from byte"},
		"in the newest, ended cleanly":    {"1048576", false, flip(half), "unreadable, from byte"},
		"in the newest, killed":           {"1048576", true, flip(half), "unreadable, from byte"},
		"in the last batch, ended":        {"1048576", false, flip(last), "unreadable, from byte"},
		"in an offset":                    {"1048576", false, flip(func(int) int { return 7 }), "unreadable, from byte 0"},
		"in a length, killed":             {"1048576", true, flip(func(int) int { return batchLengthAt }), "unreadable, from byte 0"},
		"cut off, ended cleanly":          {"1048576", false, func(b []byte) []byte { return b[:len(b)-10] }, "the last 10 of "},
		"cut off between batches":         {"1048576", false, func(b []byte) []byte { return b[:batchSize(b)] }, "bytes are missing"},
		"more behind it, ended cleanly":   {"1048576", true, func(b []byte) []byte { return append(b, append([]byte("x"), b[:batchSize(b)]...)...) }, "unreadable"},
		"more than a batch is unreadable": {"1048576", true, func(b []byte) []byte { return append(b, make([]byte, maxTorn+1)...) }, "unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, segments := filled(t, tc.segmentBytes)
			alterFile(t, segments[0], tc.change)
			if tc.kill {
				killed(t, segments[0])
			}
			before, err := os.ReadFile(segments[0])
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				b, err := Start(cfg)
				if err == nil {
					b.Close()
					t.Fatalf("start %d went well", i)
				}
				for _, want := range []string{"the log of ticks[0] is damaged: ", tc.want, "restore the folder ", acceptFile} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("start %d: got %v, want %q", i, err, want)
					}
				}
			}
			after, err := os.ReadFile(segments[0])
			if err != nil || string(after) != string(before) {
				t.Errorf("the damaged segment was changed, %v", err)
			}
		})
	}
}

func TestTornEndAfterAKillIsNoDamage(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"half a batch": func(b []byte) []byte { return append(b, b[:batchSize(b)/2]...) },
		"half a head":  func(b []byte) []byte { return append(b, b[:9]...) },
		"zeros":        func(b []byte) []byte { return append(b, make([]byte, 4096)...) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg, segments := filled(t, "1048576")
			alterFile(t, segments[0], change)
			b := mustStart(t, cfg)
			if _, end := endOf(t, client(t, b), "ticks"); end != 2000 {
				t.Errorf("the log ends at %d, want 2000", end)
			}
		})
	}
}

func TestAcceptedDamageIsGivenUpOnce(t *testing.T) {
	cfg, segments := filled(t, "1048576")
	alterFile(t, segments[0], flip(half))
	accept := filepath.Join(cfg.DataDir, acceptFile)
	if err := os.WriteFile(accept, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	b := mustStart(t, cfg)
	_, end := endOf(t, client(t, b), "ticks")
	if end <= 0 || end >= 2000 || end%100 != 0 {
		t.Errorf("the log ends at %d, want whole batches of the first half", end)
	}
	if _, err := os.Stat(accept); !os.IsNotExist(err) {
		t.Errorf("the acceptance is still there: %v", err)
	}
	b.Close()
	mustStart(t, cfg).Close()
	alterFile(t, segments[0], flip(half))
	if b, err := Start(cfg); err == nil {
		b.Close()
		t.Error("new damage was accepted, too")
	}
}
