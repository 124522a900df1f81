package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a contender spent.
type usage struct {
	CPU     time.Duration `json:"cpu"`  // user and system, of its process
	Wall    time.Duration `json:"wall"` // of all of it
	Flow    time.Duration `json:"flow"` // from the first trade applied to the end of an orderly stop: Wall without joining the group
	Trades  int64         `json:"trades"`
	Klines  int64         `json:"klines"`
	Mallocs uint64        `json:"mallocs"`
	PeakRSS int64         `json:"peak_rss"` // bytes
}

func cpuPerTrade(u usage) float64 { return float64(u.CPU) / float64(u.Trades) }

func flowPerTrade(u usage) float64 { return float64(u.Flow) / float64(u.Trades) }

// meter measures this process from its making to stop.
type meter struct {
	cpu     time.Duration
	began   time.Time
	mallocs uint64
}

func newMeter() meter {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return meter{cpu: ownCPU(), began: time.Now(), mallocs: m.Mallocs}
}

func (m meter) stop() usage {
	u := usage{CPU: ownCPU() - m.cpu, Wall: time.Since(m.began), PeakRSS: ownUsage().Maxrss << 10}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	u.Mallocs = now.Mallocs - m.mallocs
	return u
}

func ownUsage() syscall.Rusage {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // cannot fail for RUSAGE_SELF
	return r
}

func ownCPU() time.Duration { return cpuOf(ownUsage()) }

func cpuOf(r syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// processCPU reads what a running process has spent so far, in ticks of 10 ms.
func processCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU of a process: %w", err)
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may contain spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the CPU of a process: %d fields", len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("reading the CPU of a process: %q %q", fields[11], fields[12])
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond, nil
}

// child runs this program again as a contender and returns what it printed.
func (b *bench) child(out any, name string, args ...string) error {
	if b.profile != "" && !slices.Contains(args, "-profile") {
		b.next++
		args = append(args, "-profile", filepath.Join(b.profile, fmt.Sprintf("%s-%d.pprof", name, b.next)))
	}
	cmd := exec.Command(b.self, append([]string{"child", name}, args...)...)
	cmd.Stderr = os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running contender %s: %w", name, err)
	}
	if err := json.Unmarshal(printed, out); err != nil {
		return fmt.Errorf("reading what contender %s printed, %.100q: %w", name, printed, err)
	}
	return nil
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimLeft(strings.TrimSpace(name), ": \t")
		}
	}
	return "unknown processor"
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
