package server

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
)

// maxLog bounds what is kept of a child's output: a broker that logs an error per request would otherwise fill the memory of a
// long crash test. The oldest lines go first.
const maxLog = 8 << 20

// Log keeps the output of a child over all its restarts. It is an [io.Writer].
type Log struct {
	mu      sync.Mutex // protects the rest
	text    []byte
	dropped int
	grown   chan struct{} // closed and replaced at each write
}

func newLog() *Log { return &Log{grown: make(chan struct{})} }

// Write appends p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - maxLog; over > 0 {
		cut := over + bytes.IndexByte(l.text[over:], '\n') + 1
		l.dropped += cut
		l.text = append([]byte(nil), l.text[cut:]...)
	}
	close(l.grown)
	l.grown = make(chan struct{})
	return len(p), nil
}

// String returns what is kept.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// Mark returns the position behind the last byte, for [Log.Wait] after a restart.
func (l *Log) Mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped + len(l.text)
}

// Tail returns the last n lines.
func (l *Log) Tail(n int) string {
	lines := strings.Split(strings.TrimRight(l.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Wait returns the first whole line after mark that contains text. It fails when ctx ends.
func (l *Log) Wait(ctx context.Context, mark int, text string) (string, error) {
	for {
		l.mu.Lock()
		kept := l.text[min(max(mark-l.dropped, 0), len(l.text)):]
		line, found := lineWith(kept, text)
		grown := l.grown
		l.mu.Unlock()
		if found {
			return line, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for the log line %q: %w; end of the log:\n%s", text, context.Cause(ctx), l.Tail(30))
		}
	}
}

func lineWith(kept []byte, text string) (string, bool) {
	at := bytes.Index(kept, []byte(text))
	if at < 0 {
		return "", false
	}
	end := bytes.IndexByte(kept[at:], '\n')
	if end < 0 {
		return "", false
	}
	begin := bytes.LastIndexByte(kept[:at], '\n') + 1
	return string(kept[begin : at+end]), true
}
