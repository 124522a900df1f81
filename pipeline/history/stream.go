package history

import (
	"fmt"
	"slices"
)

// Stream is what is written: one topic, one kind of row.
type Stream uint8

// The streams.
const (
	// Trades are the raw trades of the input topic.
	Trades Stream = iota
	// Klines are the final bars of the topic klines, with all revisions.
	Klines
)

var streamNames = [...]string{Trades: "trades", Klines: "klines"}

// String is the stream's word in the configuration, in metrics and status.
func (s Stream) String() string { return streamNames[s] }

// ParseStream returns the stream that a word names.
func ParseStream(word string) (Stream, error) {
	if i := slices.Index(streamNames[:], word); i >= 0 {
		return Stream(i), nil
	}
	return 0, fmt.Errorf("unrecognized table %q (allowed: trades, klines)", cut(word))
}

// cut bounds foreign text that is quoted in an error.
func cut(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
