package history

// Fits reports whether the decimal text (no exponent) has at most whole digits
// in front of the point and at most places behind it. Databases with columns of
// fixed scale cut what is beyond, some of them in silence.
func Fits(text []byte, whole, places int) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	for i, c := range text {
		if c == '.' {
			return i <= whole && len(text)-i-1 <= places
		}
	}
	return len(text) <= whole
}
