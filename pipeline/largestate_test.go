package pipeline

import "testing"

// TestAStateThatFitsIntoNoCheckpointCostsAReplayAlone: a checkpoint that nobody could read
// would end in a partition that has lost its state.
func TestAStateThatFitsIntoNoCheckpointCostsAReplayAlone(t *testing.T) {
	c := newCrashRun(t, 8)
	c.produce(200)
	if !c.begin() {
		t.Fatal("the partition did not begin")
	}
	c.deliver(100)
	if err := c.w.finish(); err != nil {
		t.Fatal(err)
	}
	first := len(c.log.checkpoints)
	if first == 0 {
		t.Fatal("no checkpoint was written")
	}
	c.w.check.limit = 100
	c.deliver(100)
	if err := c.w.finish(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.log.checkpoints); n != first {
		t.Errorf("%d checkpoints were written of a state that is too large", n-first)
	}
	c.drop(errKilled)
	c.complete() // reads again what no checkpoint holds, and repeats the same bytes
	if n := len(c.log.checkpoints); n <= first {
		t.Error("no checkpoint was written of a state that fits")
	}
}
