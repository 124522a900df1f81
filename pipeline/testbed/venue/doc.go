// Package venue simulates exchanges for tests: it makes trades at a steady pace
// and speaks the dialects of five venues, over WebSocket and over HTTP, as their
// recorded frames and their manuals write them.
//
// The central type is Exchange. It lives as long as its test, misbehaves as its
// Faults say (it cuts connections, repeats, reorders and skips frames, answers
// HTML, truncated JSON, 429, bodies without an end, redirects), and keeps what it
// offers, so that a test can ask whether all of it arrived.
//
// It shares no code with the product: what a dialect means is written here a
// second time. It does not judge; a test compares Offered with what it finds.
package venue
