package wasmhost

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSnapshotSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Snapshot{
			Indicator:    rapid.Uint16().Draw(t, "indicator"),
			StateVersion: rapid.Uint32().Draw(t, "version"),
			ParamsHash:   rapid.Uint64().Draw(t, "hash"),
			OpenTime:     rapid.Int64().Draw(t, "time"),
			Bars:         rapid.Uint64().Draw(t, "bars"),
			State:        rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "state"),
		}
		copy(want.SHA256[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sha"))
		front := []byte("before")
		b, err := EncodeSnapshot(slices.Clone(front), &want)
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := DecodeSnapshot(append(b[len(front):], "after"...))
		if err != nil || string(rest) != "after" || !bytes.HasPrefix(b, front) || len(b) != len(front)+76+len(want.State) {
			t.Fatalf("%q %v", rest, err)
		}
		if !bytes.Equal(got.State, want.State) {
			t.Fatal("state differs")
		}
		got.State, want.State = nil, nil
		if got.Bars != want.Bars || got.OpenTime != want.OpenTime || got.SHA256 != want.SHA256 || got.ParamsHash != want.ParamsHash ||
			got.Indicator != want.Indicator || got.StateVersion != want.StateVersion {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func record1(t testing.TB) []byte {
	t.Helper()
	b, err := EncodeSnapshot(nil, &Snapshot{Indicator: 3, StateVersion: 1, OpenTime: 60_000, Bars: 5, State: []byte("sixteen bytes ok")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDamagedSnapshotIsRefused(t *testing.T) {
	good := record1(t)
	for n := range good {
		if _, _, err := DecodeSnapshot(good[:n]); err == nil {
			t.Errorf("cut to %d bytes: accepted", n)
		}
	}
	for i := range len(good) * 8 {
		b := slices.Clone(good)
		b[i/8] ^= 1 << (i % 8)
		if _, _, err := DecodeSnapshot(b); err == nil {
			t.Errorf("bit %d flipped: accepted", i)
		}
	}
	for _, n := range []uint32{0, maxState, maxState + 1, math.MaxUint32} {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[68:], n)
		if _, _, err := DecodeSnapshot(b); err == nil || !strings.Contains(err.Error(), "state of") {
			t.Errorf("length %d: %v", n, err)
		}
	}
	for _, n := range []int{0, maxState + 1} {
		if _, err := EncodeSnapshot(nil, &Snapshot{State: make([]byte, n)}); err == nil {
			t.Errorf("encoding %d bytes: accepted", n)
		}
	}
}

func TestSnapshotIsAcceptedOnlyWhereItFits(t *testing.T) {
	h, _ := loadModule(t, Config{Shards: 1}, newFixture().bytes())
	inst := resolve(t, h, "sum(2)")
	good := inst.Snapshot(minute, 0, 1, make([]byte, 16))
	if err := inst.Accepts(&good, minute, 16); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Snapshot)
		want   string
	}{
		{"other parameters", func(s *Snapshot) { s.ParamsHash++ }, "other parameters"},
		{"other state version", func(s *Snapshot) { s.StateVersion++ }, "state version 2"},
		{"other length", func(s *Snapshot) { s.State = s.State[1:] }, "15 bytes"},
		{"other indicator of the module", func(s *Snapshot) { s.Indicator++ }, "of indicator 4"},
	} {
		s := good
		tt.change(&s)
		if err := inst.Accepts(&s, minute, 16); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	other := good
	other.SHA256[0]++
	other.Indicator = 99 // another build may number its indicators anew
	if err := inst.Accepts(&other, minute, 16); err != nil {
		t.Errorf("another build with equal states: %v", err)
	}
	if err := inst.Accepts(&good, Series{IntervalMS: 1000}, 16); err == nil {
		t.Error("accepted for bars of another length")
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	f.Add(record1(f))
	f.Add(record1(f)[:76])
	f.Add([]byte("KLSS"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := DecodeSnapshot(b)
		if err != nil {
			if s.State != nil || len(rest) != len(b) {
				t.Fatal("parts of a refused record were returned")
			}
			return
		}
		again, err := EncodeSnapshot(nil, &s)
		if err != nil || !bytes.Equal(again, b[:len(b)-len(rest)]) {
			t.Fatalf("record changes when written again: %v", err)
		}
	})
}
