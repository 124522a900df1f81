package e2e

import (
	"bufio"
	"compress/gzip"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The run behind the figure is -import-bytes 10737418240 -import-limit 30m.
var (
	importBytes = flag.Int64("import-bytes", 96<<20, "size of the text that is imported, before it is compressed")
	importLimit = flag.Duration("import-limit", 5*time.Minute, "how long one of these imports may take")
)

// importGrowth is what the import of the whole file may take more than that of
// its first part: room of the garbage collector, nothing that follows the length.
const importGrowth = 64 << 20

// manyRows writes a gzip of rows of some 500 bytes, most of them in columns that
// nobody reads, up to size bytes of text.
func manyRows(t *testing.T, size int64) (path string, rows int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "many.csv.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(z, 1<<20)
	r := rand.New(rand.NewPCG(7, uint64(size)))
	line := []byte("ts,price,size,id,side,comment\n")
	for written, ts := int64(0), int64(1_723_161_600_000); written < size; rows++ {
		written += int64(len(line))
		if _, err := w.Write(line); err != nil {
			t.Fatal(err)
		}
		ts += r.Int64N(3)
		line = strconv.AppendInt(line[:0], ts, 10)
		line = strconv.AppendInt(append(line, ','), 60_000+r.Int64N(900), 10)
		line = strconv.AppendInt(append(line, '.'), 10+r.Int64N(90), 10)
		line = strconv.AppendInt(append(line, ",0.0"...), 1+r.Int64N(99_999), 10)
		line = strconv.AppendInt(append(line, ','), 1_000_000+rows, 10)
		line = append(line, ",buy,"...)
		for range 11 {
			line = strconv.AppendUint(line, r.Uint64N(1_000_000), 36)
			line = append(line, " the venue's further columns, unread;"...)
		}
		line = append(line, '\n')
	}
	for _, end := range []func() error{w.Flush, z.Close, f.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	return path, rows - 1
}

// peakOf runs a command to its end and returns the most memory that it took, as
// the system counts it, in bytes.
func (r *running) peakOf() (most int64) {
	r.t.Helper()
	for deadline := time.Now().Add(*importLimit); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); err == nil && ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			most = max(most, kib<<10)
		}
		select {
		case err := <-r.end:
			if err != nil {
				r.t.Fatalf("%v: %v\n%s", r.cmd.Args, err, r.out.String())
			}
			return most
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%v has not ended\n%s", r.cmd.Args, r.out.String())
		}
	}
}

// rowsBed is a topic that keeps little of what is imported, and no node.
func rowsBed(t *testing.T) *bed {
	t.Helper()
	p := newServers(t).place(2)
	p.made.Do(func() {
		p.kafka.CreateTopic(p.topic("ticks"), p.n, "retention.bytes", "67108864", "segment.bytes", "16777216")
	})
	b := start(t, p, "")
	b.kill()
	return b
}

// An import takes what it takes for a part of a file, however long the file is.
func TestServersImportTakesTheSameMemoryForAnyLength(t *testing.T) {
	t.Parallel()
	b := rowsBed(t)
	peaks := map[string]int64{}
	for _, c := range []struct {
		name string
		size int64
	}{{"a part", 16 << 20}, {"the whole", *importBytes}} {
		path, rows := manyRows(t, c.size)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r := b.begin("import", "trades", path, "--symbol", strings.ReplaceAll(c.name, " ", "_"), "--columns", "ts,price,size,id,side,_")
		peaks[c.name] = r.peakOf()
		took := time.Since(began)
		if s := doneRows(path + ".kline-import"); !s.Done || s.Rows != rows {
			t.Fatalf("%s: %+v, want %d rows\n%s", c.name, s, rows, r.out.String())
		}
		t.Logf("figure: %s: %d MiB of text in a gzip of %d MiB, %d rows in %v: peak RSS %d MiB", c.name, c.size>>20, info.Size()>>20, rows, took.Round(time.Second), peaks[c.name]>>20)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if more := peaks["the whole"] - peaks["a part"]; more > importGrowth {
		t.Errorf("%d MiB of text take %d MiB more memory than 16", *importBytes>>20, more>>20)
	}
}
