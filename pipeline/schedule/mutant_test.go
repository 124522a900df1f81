package schedule

import (
	"testing"
)

// mutantSeeds is within how many schedules a mutant must be seen.
const mutantSeeds = 5000

// mutants are guarantees that are switched off, with what must see it.
var mutants = []struct {
	name   string
	mutant Mutant
}{
	{"nofence", Mutant{NoFence: true}},
	{"commitearly", Mutant{CommitEarly: true}},
	{"resetstart", Mutant{ResetStart: true}},
	{"startend", Mutant{StartAtEnd: true}},
	{"nodedupe", Mutant{NoDedupe: true}},
	{"droplate", Mutant{DropLate: true}},
	{"journaloutside", Mutant{JournalOutside: true}},
	{"decisionwithoutoffset", Mutant{DecisionWithoutOffset: true}},
	{"stateuptostable", Mutant{StateUpToStable: true}},
	{"actbeforeack", Mutant{ActBeforeAck: true}},
	{"nostart", Mutant{NoStart: true}},
	{"versionbyoffset", Mutant{VersionByOffset: true}},
	{"statebeforeacks", Mutant{StateBeforeAcks: true}},
	{"goon", Mutant{GoOn: true}},
	{"metadatalate", Mutant{MetadataLate: true}},
	{"nosilence", Mutant{NoSilence: true}},
	{"newrulesatonce", Mutant{NewRulesAtOnce: true}},
	{"placebelow", Mutant{PlaceBelow: true}},
	{"idlebyclock", Mutant{IdleByClock: true}},
}

func TestScheduleCatchesMutant(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r := NewRunner()
			for seed := range uint64(mutantSeeds) {
				res := r.Run(Options{Seed: seed, Mutant: m.mutant})
				if res.Err != nil {
					t.Logf("%s: caught by schedule %d: %v", m.name, seed+1, res.Err)
					return
				}
			}
			t.Fatalf("%d schedules did not see it", mutantSeeds)
		})
	}
}
