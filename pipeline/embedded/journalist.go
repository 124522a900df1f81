package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// probeBytes is more than the largest batch that a producer sends by default: where there
// is room for less, writes that were refused are refused again.
const probeBytes = 2 << 20

// journalist listens to what kfake says in its log, the only place where it
// tells of damage and of writes that failed.
type journalist struct {
	out   Logger
	probe string // path of a file to try the disk with

	mu   sync.Mutex // protects sick
	sick error
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
	if strings.HasPrefix(format, "persist") {
		j.noteSick(text)
		return
	}
	j.out.Warn("embedded broker: " + text)
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
	err := os.WriteFile(j.probe, make([]byte, probeBytes), 0o640)
	_ = os.Remove(j.probe) // a leftover is overwritten next time
	if err == nil {
		j.sick = nil
		j.out.Info("embedded broker: there is room again, records are taken")
	}
	return j.sick
}

func (j *journalist) panicked(err error) {
	j.out.Error("embedded broker: the retention stopped, the disk may fill up", "error", err)
}

var _ kfake.Logger = (*journalist)(nil)
