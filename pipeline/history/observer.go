package history

import (
	"context"
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Observer counts. Its methods are called from several goroutines and must not
// block. sink is the name of the database and its stream, joined by a dot, both
// from the configuration.
type Observer interface {
	// Sink reports how many records of partition p are not in the database yet.
	Sink(sink string, p int32, lag int64)
	// SinkError counts a turn that failed; reason is one of those of Reason.
	SinkError(sink, reason string)
	// SinkRewind counts a position that was found moved or outside of the log.
	SinkRewind(sink string)
	// HistoryRows counts rows handed to the database and acknowledged; rows that
	// were there already count as well.
	HistoryRows(sink string, n int)
	// HistoryRefused counts rows that went to the dead-letter topic.
	HistoryRefused(sink string, n int)
	// HistoryLost counts records that the topic's retention removed before they
	// were written.
	HistoryLost(sink string, n int64)
	// Panicked counts a goroutine that ended in a panic.
	Panicked(name string)
}

// Logger is the part of a structured logger that this package uses.
type Logger interface {
	Info(msg string, kv ...any)
	Warn(msg string, kv ...any)
	Error(msg string, kv ...any)
}

// ServerError is an error of a database with its Reason.
type ServerError struct {
	// Reason is "refused" (credentials, rights), "conflict" (deadlock,
	// serialization), "full" (disk, connections, memory) or "server".
	Reason string
	Err    error
}

// Error is that of the cause.
func (e *ServerError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ServerError) Unwrap() error { return e.Err }

// Reason is the closed set of reasons of a failed turn: those of ServerError, and
// "log", "moved", "dead_letter", "timeout", "unreachable".
func Reason(err error) string {
	var fault *ServerError
	switch {
	case errors.As(err, &fault):
		return fault.Reason
	case errors.Is(err, kafka.ErrInputLost):
		return "log"
	case errors.Is(err, ErrMoved):
		return "moved"
	case errors.Is(err, errDeadLetter):
		return "dead_letter"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	default:
		return "unreachable"
	}
}
