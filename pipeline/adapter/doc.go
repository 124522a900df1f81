// Package adapter turns foreign trades into ours: what venues send over
// WebSocket and answer over HTTP, and what an operator maps by hand.
//
// The central type is Reader. It is made of a preset's name (or of a Format, the
// words of a `format` block), reads one frame or page at a time, and tells of
// each trade how many of the venue's ids it stands for, so that a feed can see a
// hole. The traps of the dialects (whose side it is, which of two times, numbers
// that no float may touch, ids that are no ids) end here, one file per venue.
// Format also gives the wire.Mapping by which workers decode records of a topic.
//
// The package opens no connection and knows no topic: a Venue says what to ask
// and what to subscribe to, a feed does it. What it cannot read it refuses with
// a reason and never guesses.
package adapter
