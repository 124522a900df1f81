package registry

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestUploadsPerHourAndDay(t *testing.T) {
	g, now := NewGate(), epoch
	l := Limits{}.withDefaults()
	try := func(id string) *Refusal {
		leave, err := g.enter(id, l, now)
		if err == nil {
			leave()
		}
		r, _ := errors.AsType[*Refusal](err)
		return r
	}
	for i := range 10 {
		if r := try("ann"); r != nil {
			t.Fatalf("upload %d of the hour: %v", i+1, r)
		}
		now = now.Add(time.Minute)
	}
	r := try("ann")
	if r == nil || r.Reason != TooMany || r.Limit != 10 || r.Retry != 50*time.Minute {
		t.Fatalf("upload 11 of the hour: %+v", r)
	}
	if try("bob") != nil {
		t.Error("another identity has to wait as well")
	}
	now = now.Add(r.Retry - time.Nanosecond)
	if try("ann") == nil {
		t.Error("the window ended too early")
	}
	now = now.Add(time.Nanosecond)
	if r := try("ann"); r != nil {
		t.Errorf("the window did not end: %v", r)
	}
	begun := 11
	for now.Sub(epoch) < day-time.Minute {
		now = now.Add(7 * time.Minute)
		if try("ann") == nil {
			begun++
		}
	}
	if begun != 50 {
		t.Errorf("%d uploads on one day, want 50", begun)
	}
}

func TestUploadsAtOnce(t *testing.T) {
	g := NewGate()
	l := Limits{}.withDefaults()
	first, err1 := g.enter("ann", l, epoch)
	_, err2 := g.enter("ann", l, epoch)
	_, err3 := g.enter("ann", l, epoch)
	if err1 != nil || err2 != nil || reasonOf(err3) != TooMany {
		t.Fatalf("%v, %v, %v", err1, err2, err3)
	}
	first()
	if _, err := g.enter("ann", l, epoch); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	for i := range maxUploads - 2 {
		if _, err := g.enter(fmt.Sprint(i), l, epoch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.enter("zoe", l, epoch); reasonOf(err) != Busy {
		t.Errorf("upload %d of all: %v", maxUploads+1, err)
	}
	if u := g.users["zoe"]; len(u.begun) != 0 {
		t.Error("an upload that the process had no room for was counted against its user")
	}
}

// The table of users is bounded, and whoever is over a limit is not forgotten
// for somebody who was idle longer.
func TestUsersAreForgottenByAge(t *testing.T) {
	g, now := NewGate(), epoch
	l := Limits{PerHour: 1}.withDefaults()
	for i := range maxUsers + 100 {
		now = now.Add(time.Millisecond)
		leave, err := g.enter(fmt.Sprint(i), l, now)
		if err != nil {
			t.Fatal(err)
		}
		leave()
	}
	if len(g.users) > maxUsers {
		t.Errorf("%d users are remembered", len(g.users))
	}
	if _, err := g.enter(fmt.Sprint(maxUsers+99), l, now); reasonOf(err) != TooMany {
		t.Errorf("the newest one was forgotten: %v", err)
	}
}
