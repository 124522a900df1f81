package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// guestCost is what the child measured of one uploaded module.
type guestCost struct {
	Single   float64 `json:"single"`   // ns per bar, one call per bar
	Backfill float64 `json:"backfill"` // ns per bar, 1,000 bars at once
	Resident float64 `json:"resident"` // resident bytes of many slots over the bytes of their states
	Booked   float64 `json:"booked"`   // memory of the guests over the bytes of the states
}

// manySlots is how many series share the guests where their memory is weighed: 155 MiB of SMA(200).
const manySlots = 100_000

// guestCosts measures each module as an upload: with its limits, its fuel, and in instances of at most 16 MiB.
func (b *bench) guestCosts(modules []uploaded) error {
	for i := range modules {
		u := &modules[i]
		var runs []guestCost
		for range b.rounds {
			var c guestCost
			if err := b.child(&c, "guest", "-file", u.file, "-ind", u.ind); err != nil {
				return err
			}
			runs = append(runs, c)
		}
		of := func(pick func(guestCost) float64) float64 {
			var values []float64
			for _, r := range runs {
				values = append(values, pick(r))
			}
			return median(values)
		}
		name := "[" + u.kind + " " + u.ind + "]"
		single, bars := 30.0, 40.0
		if u.isGo() {
			single, bars = 80, 15
		}
		b.figure("upload_single_update_ns"+name, of(func(c guestCost) float64 { return c.Single }), "<=", single)
		b.figure("upload_backfill_mbars_per_s_core"+name, of(func(c guestCost) float64 { return 1e3 / c.Backfill }), ">=", bars)
		resident := of(func(c guestCost) float64 { return c.Resident })
		if u.kind == "c" || u.kind == "rust" || u.kind == "as" || u.kind == "go" { // states of 16 bytes, and the runtime of the Go toolchain, say little about slots
			b.figure("upload_resident_over_slot_bytes"+name, resident, "<=", 1.05)
		} else {
			b.note("upload_resident_over_slot_bytes"+name, resident)
		}
		b.note("upload_booked_over_slot_bytes"+name, of(func(c guestCost) float64 { return c.Booked }))
	}
	return nil
}

func guestChild(flags *flag.FlagSet) func() (any, error) {
	file := flags.String("file", "", "module")
	ind := flags.String("ind", "", "indicator of it")
	return func() (any, error) {
		wasm, err := os.ReadFile(*file)
		if err != nil {
			return nil, fmt.Errorf("reading a module: %w", err)
		}
		host, err := wasmhost.New(context.Background(), wasmhost.Config{Shards: 1, TenantMemory: 1 << 30})
		if err != nil {
			return nil, err
		}
		defer host.Close()
		m, err := host.LoadUpload(context.Background(), wasm, "bench")
		if err != nil {
			return nil, err
		}
		inst, err := host.ResolveIn(m, *ind)
		if err != nil {
			return nil, err
		}
		var c guestCost
		bars := walk(batchSeries)
		if c.Single, err = guestTime(host, inst, 1, bars); err != nil {
			return nil, err
		}
		if c.Backfill, err = backfillTime(host, inst, bars); err != nil {
			return nil, err
		}
		c.Resident, c.Booked, err = weigh(host, inst, bars)
		return c, err
	}
}

// backfillTime is ns per bar where a series is given all bars at once.
func backfillTime(host *wasmhost.Host, inst *wasmhost.Instance, bars []wasmhost.Bar) (float64, error) {
	shard := host.Shard(0)
	slot, err := shard.Open(inst, wasmhost.Series{IntervalMS: minute})
	if err != nil {
		return 0, err
	}
	out := make([]float64, len(bars)*len(inst.Outputs))
	ns, err := timed(len(bars), func() error {
		_, err := shard.Backfill(slot, bars, out, nil)
		return err
	})
	_ = shard.Close(slot) // the host ends with this process
	return ns, err
}

// weigh opens many slots, updates each, and returns what the process and the host hold for them over the bytes of their states.
func weigh(host *wasmhost.Host, inst *wasmhost.Instance, bars []wasmhost.Bar) (resident, booked float64, err error) {
	shard, jobs, out := host.Shard(0), make([]wasmhost.Job, manySlots), make([]float64, len(inst.Outputs))
	heap, rss, used := heapBytes(), residentBytes(), host.Memory()
	for i := range jobs {
		slot, err := shard.Open(inst, wasmhost.Series{IntervalMS: minute})
		if err != nil {
			return 0, 0, err
		}
		jobs[i] = wasmhost.Job{Slot: slot, Bar: &bars[i%len(bars)], Out: out}
	}
	if err := shard.Apply(jobs); err != nil {
		return 0, 0, err
	}
	states := float64(manySlots * inst.StateSize)
	// What the host keeps of a slot on its own heap is its bookkeeping, not the guest's.
	grown := float64(residentBytes()-rss) - max(0, float64(heapBytes()-heap))
	return grown / states, float64(host.Memory()-used) / states, nil
}

// heapBytes is what this process has on its own heap, with what is not given back.
func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapSys - m.HeapReleased) // #nosec G115 -- bytes of a process
}

// residentBytes is what this process occupies.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

var guardMedian = regexp.MustCompile(`([-0-9.]+) median-%`)

// guardCost is what fuel and stack add to the time of the built-in module, as the benchmark of the host measures it: a module without
// counters cannot be had from outside.
func (b *bench) guardCost() error {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "Guard$", "-benchtime", "1x", "./wasmhost")
	cmd.Dir = filepath.Clean(b.root)
	printed, err := cmd.CombinedOutput()
	m := guardMedian.FindSubmatch(printed)
	if err != nil || m == nil {
		return fmt.Errorf("measuring fuel and stack: %w: %.2000s", err, printed)
	}
	percent, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return fmt.Errorf("reading the cost of fuel and stack: %w", err)
	}
	b.figure("guard_median_percent", percent, "<=", 12)
	return nil
}
