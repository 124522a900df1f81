package verify

// scanner walks over JSON text without copying. It understands the plain part
// of JSON: ASCII strings without escapes, numbers without exponent, the three
// words, no nesting; at anything else its methods report false and the caller
// takes encoding/json.
type scanner struct {
	b []byte
	i int
}

func (c *scanner) space() {
	for c.i < len(c.b) && (c.b[c.i] == ' ' || c.b[c.i] == '\n' || c.b[c.i] == '\t' || c.b[c.i] == '\r') {
		c.i++
	}
}

// byte steps over white space and want.
func (c *scanner) byte(want byte) bool {
	if c.i < len(c.b) && c.b[c.i] == want {
		c.i++
		return true
	}
	c.space()
	if c.i >= len(c.b) || c.b[c.i] != want {
		return false
	}
	c.i++
	return true
}

func (c *scanner) end() bool {
	c.space()
	return c.i == len(c.b)
}

// string returns what stands between two quotes.
func (c *scanner) string() ([]byte, bool) {
	if !c.byte('"') {
		return nil, false
	}
	for j := c.i; j < len(c.b); j++ {
		switch ch := c.b[j]; {
		case ch == '"':
			s := c.b[c.i:j]
			c.i = j + 1
			return s, true
		case ch == '\\' || ch < 0x20 || ch >= 0x7f:
			return nil, false
		}
	}
	return nil, false
}

// token returns the next value.
func (c *scanner) token() (token, bool) {
	c.space()
	if c.i >= len(c.b) {
		return token{}, false
	}
	switch c.b[c.i] {
	case '"':
		s, ok := c.string()
		return token{s, tokenText}, ok
	case 't':
		return token{kind: tokenTrue}, c.word("true")
	case 'f':
		return token{kind: tokenFalse}, c.word("false")
	case 'n':
		return token{}, c.word("null")
	}
	n, ok := c.number()
	return token{n, tokenNumber}, ok
}

func (c *scanner) word(w string) bool {
	if len(c.b)-c.i < len(w) || string(c.b[c.i:c.i+len(w)]) != w {
		return false
	}
	c.i += len(w)
	return true
}

// number returns the text of a number.
func (c *scanner) number() ([]byte, bool) {
	from, i := c.i, c.i
	if i < len(c.b) && c.b[i] == '-' {
		i++
	}
	first := i
	for i < len(c.b) && c.b[i] >= '0' && c.b[i] <= '9' {
		i++
	}
	if i == first || c.b[first] == '0' && i > first+1 {
		return nil, false
	}
	if i < len(c.b) && c.b[i] == '.' {
		i++
		dot := i
		for i < len(c.b) && c.b[i] >= '0' && c.b[i] <= '9' {
			i++
		}
		if i == dot {
			return nil, false
		}
	}
	if i < len(c.b) && c.b[i]|0x20 == 'e' {
		return nil, false
	}
	c.i = i
	return c.b[from:i], true
}
