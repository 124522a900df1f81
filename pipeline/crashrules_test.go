package pipeline

import (
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// TestRulesThatChangeOverACrash: a process is killed, comes back with another
// delay and other intervals, and is killed again. What was published by the old
// rules stays, up to the place where the journal says that they changed; from
// there on everything is as after a clean restart.
func TestRulesThatChangeOverACrash(t *testing.T) {
	kills, records, silent := 0, 0, 0
	for seed := range uint64(crashSeeds) {
		c := newCrashRun(t, seed)
		log := newTxnLog(c.log, seed)
		c.store = log
		c.produce(10)
		rounds := 1 + c.rng.IntN(3)
		lives := func(e *Engine) {
			c.e = e
			for range rounds {
				c.log.dead, c.log.steps = false, c.rng.IntN(60)
				c.live(10 + c.rng.IntN(40))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		}
		lives(c.engineWith(true, 0, "1s", "5s"))
		if n := len(log.checkpoints); n > 0 && log.checkpoints[n-1].To < log.mark.To {
			silent++
		}
		lives(c.engineWith(true, 2*time.Second, "1s", "2s", "10s"))
		c.complete()
		wantNoRepeats(t, seed, log)
		golden := c.goldenOfTwo(
			c.engineWith(false, 0, "1s", "5s"), c.engineWith(false, 2*time.Second, "1s", "2s", "10s"))
		for _, kind := range []kafka.TopicKind{kafka.Klines, kafka.Late, kafka.DLQ} {
			records += compareTopics(t, seed, kind, c.log, golden)
		}
		kills += c.killed
	}
	if silent < crashSeeds/10 {
		t.Errorf("only %d of %d runs changed the rules with something to go through again", silent, crashSeeds)
	}
	t.Logf("%d seeds, %d kills, %d records compared, %d changes amid a replay", crashSeeds, kills, records, silent)
}

// goldenOfTwo replays input and journal with one engine up to the decision that
// rules have changed, and with another from there on.
func (c *crashRun) goldenOfTwo(first, second *Engine) *crashLog {
	c.t.Helper()
	counted, _, err := countJournal(c.log.journal, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	turn := slices.IndexFunc(counted, changesRules)
	for i := range counted {
		counted[i].Offset = int64(i)
	}
	crashed, store := c.log, c.store
	c.store = nil
	c.log = &crashLog{
		rng: c.rng, steps: -1, group: -1, outs: map[kafka.TopicKind][]written{}, points: map[string]int{},
		input: crashed.input, visible: len(crashed.input), high: crashed.high, journal: slices.Clone(counted),
	}
	if turn >= 0 { // else nothing was committed by the old rules
		at := counted[turn].At
		c.log.visible = sort.Search(len(crashed.input), func(i int) bool { return crashed.input[i].Offset >= at })
		c.log.high, c.log.journal = at, slices.Clone(counted[:turn])
		c.e = first
		c.complete()
		// The first golden engine has announced itself with a number of its own.
		c.log.journal = slices.Clone(counted)
		last := &c.log.checkpoints[len(c.log.checkpoints)-1]
		last.JN = int64(turn)
		c.log.visible, c.log.high = len(crashed.input), crashed.high
	}
	c.e = second
	c.complete()
	golden := c.log
	c.log, c.store = crashed, store
	return golden
}

func changesRules(r kafka.JournalRecord) bool {
	ops, err := wire.DecodeOps(r.Body)
	return err == nil && len(ops) == 1 && ops[0].Kind == core.OpConfig
}
