package registry

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// maxUploads bounds the bodies in memory: with the default size 32 MiB.
	maxUploads = 8

	// maxUsers bounds what is remembered about who uploaded when.
	maxUsers = 10_000

	hour = time.Hour
	day  = 24 * time.Hour
)

// Limits bound the uploads of one identity and its tenant. A zero field is its
// default, a negative one no limit.
type Limits struct {
	Size     int64 // bytes of a module. Default: 4 MiB
	PerHour  int   // uploads begun, also refused ones, in any 60 minutes. Default: 10
	PerDay   int   // the same in any 24 hours. Default: 50
	AtOnce   int   // uploads under way. Default: 2
	Modules  int   // names that the tenant may have. Default: 50
	Versions int   // versions that a module may have. Default: 20
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.PerHour, DefaultPerHour}, {&l.PerDay, DefaultPerDay}, {&l.AtOnce, DefaultAtOnce},
		{&l.Modules, DefaultModules}, {&l.Versions, DefaultVersions},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if l.Size == 0 {
		l.Size = DefaultMaxSize
	}
	return l
}

// over tells whether one more than have is above a limit.
func over(have, limit int) bool { return limit >= 0 && have >= limit }

// Gate is what all registries of a process share: who uploaded how often, and
// the places where only one module at a time is looked at. It forgets with the
// process, so that a restart begins to count anew.
type Gate struct {
	uploads chan struct{} // a token per upload under way
	guard   chan struct{} // one token: the guard needs 20 times the bytes of a module
	vet     chan struct{} // one token: compiling is the largest burst of CPU there is

	mu    sync.Mutex // protects users
	users map[string]*user
}

// user is what is remembered of one identity.
type user struct {
	begun []time.Time // of the last 24 hours, ascending
	open  int
}

// NewGate returns a gate that nobody has passed.
func NewGate() *Gate {
	return &Gate{
		uploads: make(chan struct{}, maxUploads), guard: make(chan struct{}, 1), vet: make(chan struct{}, 1),
		users: make(map[string]*user),
	}
}

// enter counts an upload, if id may begin one. leave must be called at its end.
func (g *Gate) enter(id string, l Limits, now time.Time) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.user(id, now)
	if err := u.check(l, now); err != nil {
		return nil, err
	}
	select {
	case g.uploads <- struct{}{}:
	default:
		return nil, &Refusal{Reason: Busy, Message: "too many modules are being uploaded at the moment: try again", Limit: maxUploads, Retry: 2 * time.Second}
	}
	u.begun = append(u.begun, now)
	u.open++
	return func() {
		<-g.uploads
		g.mu.Lock()
		defer g.mu.Unlock()
		u.open--
	}, nil
}

// user finds id, without what is older than a day.
func (g *Gate) user(id string, now time.Time) *user {
	u := g.users[id]
	if u == nil {
		g.makeRoom(now)
		u = new(user)
		g.users[id] = u
	}
	u.forget(now)
	return u
}

// makeRoom forgets those who are idle for longest. One with an upload under way
// stays, and at most maxUploads are.
func (g *Gate) makeRoom(now time.Time) {
	if len(g.users) < maxUsers {
		return
	}
	idlest, since := "", now.Add(day)
	for id, u := range g.users {
		u.forget(now)
		if u.open > 0 {
			continue
		}
		if len(u.begun) == 0 {
			delete(g.users, id)
			continue
		}
		if last := u.begun[len(u.begun)-1]; last.Before(since) {
			idlest, since = id, last
		}
	}
	if len(g.users) >= maxUsers {
		delete(g.users, idlest)
	}
}

func (u *user) forget(now time.Time) {
	u.begun = slices.DeleteFunc(u.begun, func(t time.Time) bool { return now.Sub(t) >= day })
}

// check compares with the limits. The time to wait is that until the upload
// that fills the window has left it.
func (u *user) check(l Limits, now time.Time) error {
	if over(u.open, l.AtOnce) {
		return &Refusal{
			Reason: TooMany, Limit: int64(l.AtOnce), Retry: 5 * time.Second,
			Message: fmt.Sprintf("%d of your uploads are under way, allowed are %d at once", u.open, l.AtOnce),
		}
	}
	for _, w := range []struct {
		name   string
		length time.Duration
		limit  int
	}{{"hour", hour, l.PerHour}, {"24 hours", day, l.PerDay}} {
		recent := u.begun
		for len(recent) > 0 && now.Sub(recent[0]) >= w.length {
			recent = recent[1:]
		}
		if !over(len(recent), w.limit) {
			continue
		}
		wait := w.length
		if w.limit > 0 {
			wait = recent[len(recent)-w.limit].Add(w.length).Sub(now)
		}
		return &Refusal{
			Reason: TooMany, Limit: int64(w.limit), Retry: wait,
			Message: fmt.Sprintf("%d uploads in the last %s, allowed are %d; refused ones count as well", len(recent), w.name, w.limit),
		}
	}
	return nil
}

// alone runs f while no other module is at the same place.
func alone(ctx context.Context, place chan struct{}, f func() error) error {
	select {
	case place <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-place }()
	return f()
}
