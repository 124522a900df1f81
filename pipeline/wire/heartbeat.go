package wire

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// MaxSourceBytes is the length of the longest name of a source. Each name costs
// state in every partition that saw it.
const MaxSourceBytes = 64

// maxEventMillis is the last millisecond that fits an int64 of nanoseconds.
const maxEventMillis = 9_223_372_036_854

// AppendHeartbeat appends the body of a record with HeaderKind = KindHeartbeat.
func AppendHeartbeat(dst []byte, hb core.Heartbeat) []byte {
	dst = appendText(append(dst, `{"src":`...), hb.Source)
	dst = appendInt(dst, `,"ts":`, hb.TS)
	dst = append(dst, `,"up":`...)
	return append(strconv.AppendBool(dst, hb.Up), '}')
}

// DecodeHeartbeat reads the body of a heartbeat. A missing `src` leaves Source
// empty: the record's own source is meant. A missing `up` means true. Errors are
// *RejectError.
func DecodeHeartbeat(value []byte) (core.Heartbeat, error) {
	hb := core.Heartbeat{Up: true}
	if len(value) > MaxRecordBytes {
		return hb, reject(core.ReasonTooLarge, "")
	}
	m := parseMembers("heartbeat", value)
	if m.err != nil {
		return hb, reject(core.ReasonDecode, "")
	}
	if present(m.keys["src"]) {
		hb.Source = m.text("src")
		if m.err != nil || !validSource(hb.Source) {
			return hb, reject(core.ReasonDecode, "src")
		}
	}
	if hb.TS = m.int("ts", 0, maxEventMillis); m.err != nil {
		return hb, reject(core.ReasonTS, "ts")
	}
	if present(m.keys["up"]) {
		if hb.Up = m.bool("up"); m.err != nil {
			return hb, reject(core.ReasonDecode, "up")
		}
	}
	return hb, nil
}

func present(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// validSource reports whether s may name a source: printable, bounded UTF-8.
func validSource(s string) bool {
	if s == "" || len(s) > MaxSourceBytes || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
