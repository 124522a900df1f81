package wire

// tokenKind is the JSON type of a mapped value, as far as it matters.
type tokenKind uint8

const (
	tokenMissing tokenKind = iota // no key, or null
	tokenString
	tokenNumber
	tokenTrue
	tokenFalse
	tokenOther // object or array
)

// token is one mapped value: its type and its text, without quotes.
type token struct {
	text []byte
	kind tokenKind
}

// tokens are the values of one trade before anybody judged them.
type tokens [NumFields]token

// scanToken reads the value that starts at b[i].
func scanToken(b []byte, i int) (t token, end int, ok bool) {
	if i >= len(b) {
		return t, i, false
	}
	switch b[i] {
	case '"':
		end, ok = scanString(b, i+1)
		if !ok {
			return t, end, false
		}
		return token{text: b[i+1 : end], kind: tokenString}, end + 1, true
	case 't':
		end, ok = scanWord(b, i, "true")
		return token{kind: tokenTrue}, end, ok
	case 'f':
		end, ok = scanWord(b, i, "false")
		return token{kind: tokenFalse}, end, ok
	case 'n':
		end, ok = scanWord(b, i, "null")
		return token{}, end, ok
	case '{', '[':
		end, ok = skipValue(b, i, 0)
		return token{kind: tokenOther}, end, ok
	}
	end, ok = scanNumber(b, i)
	if !ok {
		return t, end, false
	}
	return token{text: b[i:end], kind: tokenNumber}, end, true
}
