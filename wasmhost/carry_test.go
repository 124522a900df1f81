package wasmhost

import (
	"bytes"
	"testing"
)

func TestACarriedStateIsWhatAReadWouldHaveGiven(t *testing.T) {
	s, inst, _ := sumShard(t)
	one, many := open(t, s, inst), open(t, s, inst)
	var want [][]byte
	jobs := make([]Job, 5)
	carry := make([]Carry, len(jobs))
	for i := range jobs {
		b := bar(i, float64(i+1), 1)
		if err := s.Apply([]Job{{Slot: one, Bar: &b, Out: make([]float64, 1)}}); err != nil {
			t.Fatal(err)
		}
		state, err := s.Read(one, nil)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, state)
		jobs[i] = Job{Slot: many, Bar: &b, Out: make([]float64, 1), Carry: &carry[i]}
	}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	for i := range jobs {
		if len(want[i]) == 0 || !bytes.Equal(carry[i].To, want[i]) {
			t.Errorf("behind bar %d the state is %x, want %x", i, carry[i].To, want[i])
		}
	}
}

func TestAFailedSlotCarriesNothing(t *testing.T) {
	s, inst, _ := sumShard(t)
	slot := open(t, s, inst)
	carry := [2]Carry{{To: []byte("left over")}, {To: []byte("left over")}}
	jobs := []Job{
		{Slot: slot, Bar: new(bar(0, 1, doTrap)), Out: make([]float64, 1), Carry: &carry[0]},
		{Slot: slot, Bar: new(bar(1, 1, 1)), Out: make([]float64, 1), Carry: &carry[1]},
	}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	if jobs[0].RC != RCTrap || len(carry[0].To)+len(carry[1].To) != 0 {
		t.Errorf("code %d, states %q and %q", jobs[0].RC, carry[0].To, carry[1].To)
	}
	preview := []Job{{Slot: slot, Bar: new(bar(2, 1, 1)), Out: make([]float64, 1), Preview: true, Carry: &carry[0]}}
	if err := s.Apply(preview); err == nil {
		t.Error("a preview with a state to carry was accepted")
	}
}
