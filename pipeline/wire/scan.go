package wire

import (
	"encoding/binary"
	"math/bits"
)

// The scanners below accept a subset of JSON: they give up (ok false) on
// everything that is wrong or rare, and encoding/json then decides. So they
// must never accept what it refuses.

// maxSkipDepth is how deep unknown values are skipped by hand.
const maxSkipDepth = 16

// skipSpace returns the index of the first byte that is not JSON white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// scanString returns the index of the quote that closes the string whose first
// byte is b[i]. Escapes and control characters are left to encoding/json.
func scanString(b []byte, i int) (end int, ok bool) {
	for i+8 <= len(b) {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			i += bits.TrailingZeros64(m) >> 3
			return i, b[i] == '"'
		}
		i += 8
	}
	for ; i < len(b); i++ {
		if b[i] == '"' || b[i] == '\\' || b[i] < 0x20 {
			return i, b[i] == '"'
		}
	}
	return i, false
}

// special marks the high bit of the bytes of w that are a quote, a backslash or
// a control character. The lowest mark is exact; borrows may fake higher ones.
func special(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote := w ^ (ones * '"')
	slash := w ^ (ones * '\\')
	return ((quote - ones) &^ quote & highs) | ((slash - ones) &^ slash & highs) | ((w - ones*0x20) &^ w & highs)
}

// scanNumber returns the index behind the JSON number that starts at b[i].
func scanNumber(b []byte, i int) (end int, ok bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	if i = skipDigits(b, i); i == start || (b[start] == '0' && i > start+1) {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		start = i + 1
		if i = skipDigits(b, start); i == start {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		start = i + 1
		if start < len(b) && (b[start] == '+' || b[start] == '-') {
			start++
		}
		if i = skipDigits(b, start); i == start {
			return i, false
		}
	}
	return i, true
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// skipValue returns the index behind the value that starts at b[i].
func skipValue(b []byte, i, depth int) (end int, ok bool) {
	if i >= len(b) || depth > maxSkipDepth {
		return i, false
	}
	switch b[i] {
	case '"':
		end, ok = scanString(b, i+1)
		return end + 1, ok
	case '{':
		return skipObject(b, i+1, depth)
	case '[':
		return skipArray(b, i+1, depth)
	case 't':
		return scanWord(b, i, "true")
	case 'f':
		return scanWord(b, i, "false")
	case 'n':
		return scanWord(b, i, "null")
	}
	return scanNumber(b, i)
}

func scanWord(b []byte, i int, word string) (end int, ok bool) {
	end = i + len(word)
	return end, end <= len(b) && string(b[i:end]) == word
}

func skipArray(b []byte, i, depth int) (end int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = skipValue(b, skipSpace(b, i), depth+1); !ok {
			return i, false
		}
		var more bool
		if i, more, ok = separator(b, i, ']'); !ok || !more {
			return i, ok
		}
	}
}

func skipObject(b []byte, i, depth int) (end int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for {
		if i = skipSpace(b, i); i >= len(b) || b[i] != '"' {
			return i, false
		}
		if i, ok = scanString(b, i+1); !ok {
			return i, false
		}
		if i, ok = colon(b, i+1); !ok {
			return i, false
		}
		if i, ok = skipValue(b, i, depth+1); !ok {
			return i, false
		}
		var more bool
		if i, more, ok = separator(b, i, '}'); !ok || !more {
			return i, ok
		}
	}
}

// colon returns the index of the value behind the colon that follows a key.
func colon(b []byte, i int) (next int, ok bool) {
	if i < len(b) && b[i] != ':' {
		i = skipSpace(b, i)
	}
	if i >= len(b) || b[i] != ':' {
		return i, false
	}
	if i++; i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	return i, i < len(b)
}

// separator reads what follows a value: a comma (more) or the closing byte.
func separator(b []byte, i int, closing byte) (next int, more, ok bool) {
	if i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if i >= len(b) {
		return i, false, false
	}
	switch b[i] {
	case ',':
		return i + 1, true, true
	case closing:
		return i + 1, false, true
	}
	return i, false, false
}
