package indicators

// explainDigit is the place of the parameter's number in badParamText.
const (
	badParamText = "parameter # is missing, out of range or of the wrong kind: see the manifest"
	explainDigit = 10
)

// Explain writes the text for an error into buf and returns its length. bad is
// the second result of SizeAt or WarmupAt, 0 where there is none. The text
// fits into 128 bytes; a longer one would be cut.
func Explain(code, bad int32, buf []byte) int {
	n := copy(buf, explainText(code, bad))
	if code == ErrParams && bad > 0 && n > explainDigit {
		buf[explainDigit] = byte('0' + bad%10)
	}
	return n
}

func explainText(code, bad int32) string {
	switch code {
	case ErrUnknown:
		return "no built-in indicator has this id: see the manifest"
	case ErrParams:
		if bad == argsCount {
			return "wrong number of parameters: see the manifest"
		}
		return badParamText
	case ErrState:
		return "the state is absent, misaligned or belongs to another indicator"
	case ErrInput:
		return "the bar or the output row is absent, or the stride is below 80"
	}
	return ""
}
