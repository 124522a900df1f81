package registry

import "context"

// Actor is who asks for a change, as the audit log keeps it.
type Actor struct {
	ID      string // identity; foreign text
	Address string // IP address of the client, empty for none
}

// unknownActor stands where a caller did not say who asks: the program itself.
const unknownActor = "engine"

type actorKey struct{}

// By says for whom the changes under ctx are made.
func By(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

func actorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok && a.ID != "" {
		return a
	}
	return Actor{ID: unknownActor}
}
