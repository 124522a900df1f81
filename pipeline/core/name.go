package core

// maxSymbolLen is the longest symbol, in bytes.
const maxSymbolLen = 32

// ValidSymbol reports whether b is a symbol: a letter or digit, then up to 31
// letters, digits or . _ : / -
func ValidSymbol(b []byte) bool {
	if len(b) == 0 || len(b) > maxSymbolLen || !alphanumeric(b[0]) {
		return false
	}
	for _, c := range b[1:] {
		if !alphanumeric(c) && c != '.' && c != '_' && c != ':' && c != '/' && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
}
