package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
)

var small = settings{seed: 20131125, count: 500, from: 1_385_337_600_000, to: 1_385_424_000_000}

func TestSameSeedWritesSameBytesOnEveryMachine(t *testing.T) {
	var out bytes.Buffer
	if err := write(&out, small); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(out.Bytes())
	const want = "53ec8a4d7d168ffe"
	if got := hex.EncodeToString(sum[:8]); got != want {
		t.Errorf("hash of 500 trades is %s, want %s: the committed demo data would change", got, want)
	}
}

func TestTradesRiseInTimeAndStayPositive(t *testing.T) {
	var out bytes.Buffer
	if err := write(&out, small); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")[1:]
	if len(lines) != small.count {
		t.Fatalf("%d trades, want %d", len(lines), small.count)
	}
	last := small.from
	for i, line := range lines {
		fields := strings.Split(line, ",")
		at, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil || at < last || at > small.to {
			t.Fatalf("line %d: time %s after %d: %v", i, fields[0], last, err)
		}
		last = at
		for _, text := range fields[1:] {
			if value, err := strconv.ParseFloat(text, 64); err != nil || value <= 0 {
				t.Fatalf("line %d: %q is not a positive number", i, text)
			}
		}
	}
	if last != small.to {
		t.Errorf("last trade at %d, want %d", last, small.to)
	}
}

func TestBadSpanIsRefused(t *testing.T) {
	for _, s := range []settings{{count: 1, from: 1, to: 2}, {count: 5, from: 2, to: 2}, {count: 5, from: 0, to: 2}} {
		if err := write(&bytes.Buffer{}, s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}
