package caddymodule

import (
	"context"
	"errors"
	"sync"
)

const (
	// maxUnderstanding bounds the expressions of clients that guests are asked about
	// at a time: a module may take most of its fuel to tell what it needs.
	maxUnderstanding = 2
	// maxAsking bounds the requests of one client, the one with a turn and those behind it.
	maxAsking = 64
)

var errManyNames = errors.New("too many indicators are being looked up just now")

// understanding is the way of clients to guests that are asked what an expression
// means. A client has one place, so that many requests of one take turns among
// themselves and not with everybody.
type understanding struct {
	places chan struct{}

	mu      sync.Mutex // protects clients
	clients map[string]*asker
}

// asker is a client in it.
type asker struct {
	place chan struct{}
	n     int // requests
}

func newUnderstanding() *understanding {
	return &understanding{places: make(chan struct{}, maxUnderstanding), clients: map[string]*asker{}}
}

// askerKey is under which a context has the client.
type askerKey struct{}

// asking is the context of a request of a client.
func asking(ctx context.Context, client string) context.Context {
	return context.WithValue(ctx, askerKey{}, client)
}

// enter waits for a place until ctx ends. What no client asks for has one always:
// versions that change must not wait for readers.
func (u *understanding) enter(ctx context.Context) (leave func(), err error) {
	client, asked := ctx.Value(askerKey{}).(string)
	if !asked {
		return func() {}, nil
	}
	a := u.arrive(client)
	if a == nil {
		return nil, errManyNames
	}
	if err := await(ctx, a.place); err != nil {
		u.depart(client)
		return nil, err
	}
	if err := await(ctx, u.places); err != nil {
		<-a.place
		u.depart(client)
		return nil, err
	}
	return func() { <-u.places; <-a.place; u.depart(client) }, nil
}

func await(ctx context.Context, place chan<- struct{}) error {
	select {
	case place <- struct{}{}:
		return nil
	default:
	}
	select {
	case place <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (u *understanding) arrive(client string) *asker {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.clients[client]
	if a == nil {
		a = &asker{place: make(chan struct{}, 1)}
	}
	if a.n >= maxAsking {
		return nil
	}
	u.clients[client] = a
	a.n++
	return a
}

func (u *understanding) depart(client string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	a := u.clients[client]
	if a.n--; a.n == 0 {
		delete(u.clients, client)
	}
}
