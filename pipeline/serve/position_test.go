package serve

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func genPoint(t *rapid.T) point {
	if rapid.IntRange(0, 9).Draw(t, "none") == 0 {
		return nowhere
	}
	return point{so: rapid.Int64Range(0, math.MaxInt64).Draw(t, "so"), sk: rapid.Int64Range(0, 3).Draw(t, "sk"),
		sub: rapid.Int32Range(0, 3).Draw(t, "sub")}
}

func TestPositionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		at := make([]point, n)
		for i := range at {
			at[i] = genPoint(t)
		}
		id := string(appendPosition(nil, "k3", at))
		got, err := parsePosition(id, "k3", n)
		if err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		for i := range at {
			if at[i].compare(got[i]) != 0 || at[i] != got[i] {
				t.Fatalf("%q: point %d is %v, want %v", id, i, got[i], at[i])
			}
		}
	})
}

func TestPositionsOrderInsideARecord(t *testing.T) {
	ascending := []point{nowhere, {0, 0, 1}, {0, 0, 2}, {0, 0, 0}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}}
	for i := range ascending {
		for j := range ascending {
			if got := ascending[i].compare(ascending[j]); got != order(int64(i), int64(j)) {
				t.Errorf("%v against %v: %d", ascending[i], ascending[j], got)
			}
		}
	}
}

func TestIDLengths(t *testing.T) {
	at := make([]point, 12)
	for i := range at {
		at[i] = point{so: 2_000_000_000_000 - 1} // 36^8 = 2.8e12
	}
	at[3].sk, at[3].sub = 40, 5
	if id := appendPosition(nil, "k3f9a2", at); len(id) > 128 {
		t.Errorf("12 partitions take %d bytes", len(id))
	}
	at = make([]point, MaxPartitions)
	for i := range at {
		at[i] = point{so: 2_000_000_000_000 - 1}
	}
	at[7].sk, at[7].sub = 1295, 35
	if id := appendPosition(nil, "k3f9a2b1c0d4e5f6", at); !CheckID(string(id)) {
		t.Errorf("%d partitions take %d bytes", MaxPartitions, len(id))
	}
}

func TestForeignIDsAreTold(t *testing.T) {
	for _, id := range []string{"", "v1.k3", "v1.k3.", "v1.k4.1", "v2.k3.1", "v1.k3.1-2-3", "v1.k3.1-", "v1.k3.01-2", "v1.k3.1~0-2",
		"v1.k3.1~1~0-2", "v1.k3.A-2", "v1.k3.zzzzzzzzzzzzzzzz-1", "v1.k3.1~1~1~1-2", "v1.k3._~1-2", "1760000000000-0", "v1.k3.1-2 "} {
		if at, err := parsePosition(id, "k3", 2); err == nil {
			t.Errorf("%q parsed as %v", id, at)
		}
	}
}

func FuzzLastEventID(f *testing.F) {
	for _, s := range []string{"v1.k3.1f8a-_", "v1.k3.1f8a~3~1-0", "v1.k3.", "v1.k3.1-\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parsePosition(s, "k3", 2)
		if err == nil && string(appendPosition(nil, "k3", at)) != s {
			t.Fatalf("%q is accepted but written as %q", s, appendPosition(nil, "k3", at))
		}
	})
}
