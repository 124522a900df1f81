//go:build unix

package chaos

import (
	"reflect"
	"testing"
	"time"
)

func testConfig(t *testing.T) Config {
	t.Helper()
	c, err := Config{Binary: "/dev/null", Duration: 4 * time.Minute, Seed: 7, Symbols: 10, Rate: 100}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlanIsMadeByTheSeedAlone(t *testing.T) {
	c := testConfig(t)
	if a, b := Plan(c), Plan(c); !reflect.DeepEqual(a, b) {
		t.Error("the same configuration gave two plans")
	}
	other := c
	other.Seed++
	if reflect.DeepEqual(Plan(c), Plan(other)) {
		t.Error("another seed gave the same plan")
	}
}

// Over many seeds every kind has to come, or a run would show less than its figures say.
func TestPlanHasEveryKindAndEndsInTime(t *testing.T) {
	c := testConfig(t)
	seen := map[Kind]int{}
	for seed := range uint64(50) {
		c.Seed = seed
		lanes := map[string]time.Duration{}
		for _, f := range Plan(c) {
			seen[f.Kind]++
			if f.At+f.Hold > c.Duration {
				t.Fatalf("seed %d: %v ends behind the run", seed, f)
			}
			if f.At < lanes[f.Lane] {
				t.Fatalf("seed %d: %v begins before the fault before it is over, at %v", seed, f, lanes[f.Lane])
			}
			lanes[f.Lane] = f.At + f.Hold
			if f.Lane == "brokers" && f.Target >= brokers || f.Target < 0 {
				t.Fatalf("seed %d: %v has no such target", seed, f)
			}
		}
	}
	for _, k := range []Kind{KillNode, LeaveNode, ZombieNode, ReloadSame, ReloadEqual, ReloadInvalid, SlowNode, CutNode, ResetNode,
		KillBroker, SlowBroker, KillRedis, FlushRedis, SlowRedis, CutRedis} {
		if seen[k] == 0 {
			t.Errorf("no plan has %q", k)
		}
	}
}

func TestPlanOfOneNodeKeepsItsPlace(t *testing.T) {
	c, err := Config{Binary: "/dev/null", Duration: 4 * time.Minute, Seed: 7, Symbols: 10, Rate: 100, Delivery: "idempotent"}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range Plan(c) {
		switch f.Kind {
		case LeaveNode, KillBroker, SlowBroker, CutNode, SlowNode, ResetNode:
			t.Errorf("a node with the embedded broker cannot have %v", f)
		}
	}
}

func TestConfigRefusesWhatProvesNothing(t *testing.T) {
	for name, c := range map[string]Config{
		"two nodes without transactions": {Delivery: "idempotent", Nodes: 2},
		"transactions, embedded":         {Source: "embedded"},
		"no such delivery":               {Delivery: "once"},
		"no time":                        {Duration: -1},
	} {
		base := Config{Binary: "/dev/null", Duration: time.Minute, Symbols: 10, Rate: 100}
		if c.Duration == 0 {
			c.Duration = base.Duration
		}
		c.Binary, c.Symbols, c.Rate = base.Binary, base.Symbols, base.Rate
		if _, err := c.WithDefaults(); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
}

func TestFigureSaysWhenAGoalIsMissed(t *testing.T) {
	for _, tc := range []struct {
		figure Figure
		want   string
	}{
		{Figure{Name: "lost", Value: 0, Op: "<=", Goal: 0}, "figure: lost = 0 (goal <= 0) ok"},
		{Figure{Name: "lost", Value: 1, Op: "<=", Goal: 0}, "figure: lost = 1 (goal <= 0) short"},
		{Figure{Name: "kills", Value: 2.5, Op: ">=", Goal: 3}, "figure: kills = 2.50 (goal >= 3) short"},
		{Figure{Name: "seen", Value: 9, Op: "", Goal: 0}, "figure: seen = 9 (goal none -) ok"},
	} {
		if got := tc.figure.String(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
