package embedded

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// tornBytes is the most that a kill in the middle of a write can leave: one
// batch. What is more than that was readable before.
const tornBytes = 1<<20 + 1<<12

// journalist listens to what kfake says in its log, the only place where it
// tells of damage and of writes that failed.
type journalist struct {
	out   Logger
	probe string // path of a file to try the disk with

	mu   sync.Mutex // protects cuts and sick
	cuts []cut
	sick error
}

// cut is a place where kfake cut a segment off.
type cut struct {
	topic     string
	partition int32
	segment   int64
	bytes     int
}

func newJournalist(cfg Config) *journalist {
	return &journalist{out: cfg.Log, probe: filepath.Join(cfg.DataDir, "probe")}
}

// Logf takes a line of kfake.
func (j *journalist) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn {
		return
	}
	text := fmt.Sprintf(format, args...)
	switch {
	case strings.Contains(format, "truncating %d corrupt bytes") && len(args) == 4:
		j.noteCut(args)
	case strings.HasPrefix(format, "persist"):
		j.noteSick(text)
		return
	}
	j.out.Warn("embedded broker: " + text)
}

func (j *journalist) noteCut(args []any) {
	topic, ok1 := args[0].(string)
	p, ok2 := args[1].(int32)
	segment, ok3 := args[2].(int64)
	n, ok4 := args[3].(int)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cuts = append(j.cuts, cut{topic, p, segment, n})
}

func (j *journalist) noteSick(text string) {
	j.mu.Lock()
	first := j.sick == nil
	if strings.Contains(text, "no space left on device") {
		j.sick = fmt.Errorf("the disk of the embedded broker is full, records are refused: make room, it goes on by itself (%s)", text)
	} else {
		j.sick = fmt.Errorf("the embedded broker cannot write, records are refused: %s", text)
	}
	err := j.sick
	j.mu.Unlock()
	if first { // one line, not one per refused batch
		j.out.Error(err.Error())
	}
}

// health tries the disk again after a failed write.
func (j *journalist) health() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.sick == nil {
		return nil
	}
	err := os.WriteFile(j.probe, make([]byte, 64<<10), 0o640)
	_ = os.Remove(j.probe) // a leftover is overwritten next time
	if err == nil {
		j.sick = nil
	}
	return j.sick
}

// loaded judges what was cut off at the start. The end of the newest segment may
// be torn by a kill; anything else is damage, and starting would skip records
// that were acknowledged.
func (j *journalist) loaded(dataDir, logDir string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.cuts {
		if c.bytes <= tornBytes && c.segment == newestSegment(logDir, c) {
			continue
		}
		text := fmt.Sprintf("the log of %s[%d] is damaged: %d bytes of segment %d are unreadable. Restore the folder %q from a copy, or remove it to start with an empty log (removing only the file %q accepts the loss of these records)",
			c.topic, c.partition, c.bytes, c.segment, dataDir, damageFile)
		if err := write(filepath.Join(dataDir, damageFile), text); err != nil {
			return fmt.Errorf("%s (noting it down failed: %w)", text, err)
		}
		return damage(dataDir)
	}
	return nil
}

func newestSegment(logDir string, c cut) int64 {
	newest := int64(-1)
	files, _ := filepath.Glob(filepath.Join(logDir, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(c.topic), c.partition), "*.dat"))
	for _, f := range files {
		if base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(f), ".dat"), 10, 64); err == nil {
			newest = max(newest, base)
		}
	}
	return newest
}

func (j *journalist) panicked(err error) {
	j.out.Error("embedded broker: the retention stopped, the disk may fill up", "error", err)
}

var _ kfake.Logger = (*journalist)(nil)
