package shared

import (
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
)

func open(t *testing.T) (*Redis, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	r := New(goredis.NewClient(&goredis.Options{Addr: m.Addr(), MaxRetries: -1}), "kl", "abcd")
	t.Cleanup(func() { _ = r.Close() })
	return r, m
}

func hold(t *testing.T, r *Redis, token string, names ...string) []int64 {
	t.Helper()
	f, err := r.Hold(t.Context(), token, names, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// known makes the server know the locks of names, which takes the time of one.
func known(t *testing.T, r *Redis, m *miniredis.Miniredis, names ...string) {
	t.Helper()
	for _, f := range hold(t, r, "cc", names...) {
		if f != 0 {
			t.Fatal("a server without data gave a lock away at once")
		}
	}
	m.FastForward(1100 * time.Millisecond)
}

func TestAServerThatLostItsDataGivesNoLockAwayThatSomebodyMayHold(t *testing.T) {
	r, m := open(t)
	known(t, r, m, "A")
	if got := hold(t, r, "aa", "A"); got[0] != 1 {
		t.Fatalf("%v", got)
	}
	m.FlushAll()
	for range 3 {
		if got := hold(t, r, "bb", "A"); got[0] != 0 {
			t.Fatal("bb got a lock that aa holds for another second")
		}
		m.FastForward(300 * time.Millisecond)
	}
	m.FastForward(300 * time.Millisecond)
	if got := hold(t, r, "bb", "A"); got[0] == 0 {
		t.Error("nobody gets the lock any more")
	}
}

func TestALockHasOneHolderUntilItEnds(t *testing.T) {
	r, m := open(t)
	known(t, r, m, "A", "B", "C")
	if got := hold(t, r, "aa", "A", "B"); !slices.Equal(got, []int64{1, 1}) {
		t.Fatalf("%v", got)
	}
	if got := hold(t, r, "bb", "B", "C"); !slices.Equal(got, []int64{0, 1}) {
		t.Fatalf("%v", got)
	}
	m.FastForward(700 * time.Millisecond)
	if got := hold(t, r, "aa", "A"); got[0] != 1 {
		t.Fatalf("renewed: %v", got)
	}
	m.FastForward(700 * time.Millisecond)
	// A was renewed, B was not.
	if got := hold(t, r, "bb", "A", "B"); !slices.Equal(got, []int64{0, 2}) {
		t.Fatalf("%v", got)
	}
}

func TestALockIsGivenBackByItsHolderAlone(t *testing.T) {
	r, m := open(t)
	known(t, r, m, "A")
	hold(t, r, "aa", "A")
	if err := r.Release(t.Context(), "bb", []string{"A"}); err != nil {
		t.Fatal(err)
	}
	if got := hold(t, r, "bb", "A"); got[0] != 0 {
		t.Fatal("released by somebody else")
	}
	if err := r.Release(t.Context(), "aa", []string{"A"}); err != nil {
		t.Fatal(err)
	}
	if got := hold(t, r, "bb", "A"); got[0] != 2 {
		t.Fatalf("%v", got)
	}
}

func TestLocksOfTwoInputsAreNotTheSame(t *testing.T) {
	r, m := open(t)
	other := New(goredis.NewClient(&goredis.Options{Addr: m.Addr()}), "kl", "efgh")
	defer other.Close()
	known(t, r, m, "A")
	known(t, other, m, "A")
	if a, b := hold(t, r, "aa", "A"), hold(t, other, "bb", "A"); a[0] != 1 || b[0] != 1 {
		t.Errorf("%v %v", a, b)
	}
}

func TestAServerThatForgotTheScriptsIsToldThem(t *testing.T) {
	r, m := open(t)
	known(t, r, m, "A", "B")
	hold(t, r, "aa", "A")
	c := goredis.NewClient(&goredis.Options{Addr: m.Addr()})
	defer c.Close()
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if got := hold(t, r, "aa", "A", "B"); !slices.Equal(got, []int64{1, 1}) {
		t.Errorf("%v", got)
	}
}

func TestTheLimitIsSharedByAllNodes(t *testing.T) {
	r, m := open(t)
	other := New(goredis.NewClient(&goredis.Options{Addr: m.Addr()}), "kl", "abcd")
	defer other.Close()
	m.SetTime(time.Unix(1_700_000_000, 0))
	granted := 0
	for i := range 20 {
		wait, err := []*Redis{r, other}[i%2].Take(t.Context(), "venue", 10, 5)
		if err != nil {
			t.Fatal(err)
		}
		if wait == 0 {
			granted++
		} else if wait > 100*time.Millisecond {
			t.Errorf("waits %s", wait)
		}
	}
	if granted != 5 {
		t.Errorf("%d requests at once, 5 are allowed", granted)
	}
	m.SetTime(time.Unix(1_700_000_000, 250e6))
	granted = 0
	for range 5 {
		if wait, err := r.Take(t.Context(), "venue", 10, 5); err == nil && wait == 0 {
			granted++
		}
	}
	if granted != 2 {
		t.Errorf("%d requests after 250 ms, 2 are due", granted)
	}
}

func TestALimitDoesNotLastForAnHourWhenTheServersClockGoesBack(t *testing.T) {
	r, m := open(t)
	m.SetTime(time.Unix(1_700_003_600, 0))
	for range 6 {
		if _, err := r.Take(t.Context(), "venue", 10, 5); err != nil {
			t.Fatal(err)
		}
	}
	m.SetTime(time.Unix(1_700_000_000, 0))
	if wait, err := r.Take(t.Context(), "venue", 10, 5); err != nil || wait > time.Second {
		t.Errorf("waits %s, %v", wait, err)
	}
}

func TestAPauseHoldsForAllAndIsNotMadeShorter(t *testing.T) {
	r, m := open(t)
	for _, d := range []time.Duration{10 * time.Second, time.Second} {
		if err := r.Pause(t.Context(), "venue", d); err != nil {
			t.Fatal(err)
		}
	}
	m.FastForward(5 * time.Second)
	if wait, err := r.Take(t.Context(), "venue", 10, 5); err != nil || wait < 4*time.Second {
		t.Errorf("waits %s, %v", wait, err)
	}
}

func TestSeenIsWhatWasMarked(t *testing.T) {
	r, m := open(t)
	got, err := r.Seen(t.Context(), nil, []string{"a", "b"}, time.Minute)
	if err != nil || slices.Contains(got, true) {
		t.Fatalf("%v, %v", got, err)
	}
	if got, err = r.Seen(t.Context(), []string{"a"}, []string{"a", "b"}, time.Minute); err != nil || !slices.Equal(got, []bool{true, false}) {
		t.Fatalf("%v, %v", got, err)
	}
	m.FastForward(2 * time.Minute)
	if got, err = r.Seen(t.Context(), nil, []string{"a"}, time.Minute); err != nil || got[0] {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNothingIsAnsweredWithoutAServer(t *testing.T) {
	r, m := open(t)
	m.Close()
	if _, err := r.Hold(t.Context(), "aa", []string{"A"}, time.Second); err == nil {
		t.Error("a lock without a server")
	}
	if _, err := r.Take(t.Context(), "v", 1, 1); err == nil {
		t.Error("a request without a server")
	}
	if _, err := r.Seen(t.Context(), nil, []string{"a"}, time.Second); err == nil {
		t.Error("seen without a server")
	}
}
