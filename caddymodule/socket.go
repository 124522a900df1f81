package caddymodule

import (
	"context"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// unsentBytes is how much of a stream the kernel takes beyond what is on its way
// to the client. It would take megabytes: a client that never reads would pin them,
// and one that reads slowly would read them first, all of it old, while the newest
// bar in progress waits behind.
const unsentBytes = 16 << 10

// maxWrapped bounds the connections in connections that are looked through.
const maxWrapped = 8

// socketKey is the key of a request's connection in its context.
type socketKey struct{}

// rememberSockets makes the server put its connections into the contexts of their
// requests. Without a server there is nothing to remember.
func rememberSockets(ctx caddy.Context) {
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		srv.RegisterConnContext(rememberSocket)
	}
}

func rememberSocket(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, socketKey{}, c)
}

// boundSocket lets the kernel hold back little of a stream, and give a client up
// that has acknowledged nothing for longer than one write may take: one whose cable
// was pulled says nothing, and some heartbeats fit into any buffer. Only HTTP/1 has
// a connection of its own for a stream; on HTTP/2 others share it, and the window of
// the stream bounds what waits. What release undoes is for the next request on the
// connection.
func boundSocket(r *http.Request, patience time.Duration) (release func()) {
	conn, ok := r.Context().Value(socketKey{}).(net.Conn)
	if !ok || r.ProtoMajor != 1 {
		return func() {}
	}
	raw := rawSocket(conn)
	if raw == nil {
		return func() {}
	}
	setSocket(raw, unsentBytes, patience)
	return func() { setSocket(raw, 0, 0) }
}

// rawSocket looks through TLS and other layers that say what is below them; nil if
// one of them does not.
func rawSocket(c net.Conn) syscall.RawConn {
	for range maxWrapped {
		switch layer := c.(type) {
		case syscall.Conn:
			raw, err := layer.SyscallConn()
			if err != nil {
				return nil // closed
			}
			return raw
		case interface{ NetConn() net.Conn }:
			c = layer.NetConn()
		default:
			return nil
		}
	}
	return nil
}
