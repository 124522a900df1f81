package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// MaxRow is the longest row that is read, in bytes. A longer one is a bad row,
// its rest is skipped.
const MaxRow = wire.MaxRecordBytes

// errLong says that a row is longer than MaxRow.
var errLong = fmt.Errorf("longer than %d bytes", MaxRow)

// rowText hands out the rows of one member as text, valid until the next call.
// line counts from 1. The error errLong is about one row; text then holds its
// beginning, and the next call goes on behind it.
type rowText interface {
	next() (text []byte, line int64, err error)
}

// lines cuts at line feeds. A carriage return before one, a byte order mark and
// empty lines are dropped.
type lines struct {
	in   *bufio.Reader
	line int64
	// unended tells that the last one had no line end.
	unended bool
}

func newLines(in io.Reader) (*lines, error) {
	l := &lines{in: bufio.NewReaderSize(in, MaxRow+2)} // a line ending may follow
	head, err := l.in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, err = l.in.Discard(3)
		return l, err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, errors.New("it is UTF-16: save it as UTF-8")
	}
	return l, nil
}

func (l *lines) next() ([]byte, int64, error) {
	for {
		text, err := l.in.ReadSlice('\n')
		if len(text) == 0 && err != nil {
			return nil, l.line, err
		}
		l.line++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return l.long(text)
		case err != nil && !errors.Is(err, io.EOF):
			return nil, l.line, err
		}
		l.unended = err != nil
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		if len(text) > MaxRow {
			return text[:MaxRow], l.line, errLong
		}
		if len(bytes.TrimSpace(text)) > 0 {
			return text, l.line, nil
		}
	}
}

// long skips the rest of a line.
func (l *lines) long(text []byte) ([]byte, int64, error) {
	text = append([]byte(nil), text[:256]...)
	for {
		_, err := l.in.ReadSlice('\n')
		switch {
		case err == nil || errors.Is(err, io.EOF):
			return text, l.line, errLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, l.line, err
		}
	}
}

// elements cuts the elements out of one JSON array. It finds their ends and
// leaves the reading of them to others.
type elements struct {
	in   *bufio.Reader
	line int64
	text []byte
	any  bool // an element was read
	done bool
}

func newElements(in io.Reader) (*elements, error) {
	l, err := newLines(in)
	if err != nil {
		return nil, err
	}
	e := &elements{in: l.in, line: 1}
	c, err := e.token()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if c != '[' {
		return nil, errors.New("it is no JSON array: the first character must be [ (JSON lines are --format jsonl)")
	}
	return e, nil
}

// token reads the next byte that is no white space.
func (e *elements) token() (byte, error) {
	for {
		c, err := e.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			e.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
	}
}

func (e *elements) next() ([]byte, int64, error) {
	if e.done {
		return nil, e.line, e.behind()
	}
	c, err := e.token()
	if err == nil && e.any && c == ',' {
		c, err = e.token()
	} else if err == nil && e.any && c != ']' {
		return nil, e.line, fmt.Errorf("between two elements stands %q instead of a comma", c)
	}
	if err != nil {
		return nil, e.line, early(err)
	}
	if c == ']' {
		e.done = true
		return nil, e.line, e.behind()
	}
	e.any = true
	return e.element(c)
}

// behind is what follows the array: nothing.
func (e *elements) behind() error {
	if _, err := e.token(); err == nil {
		return errors.New("something follows the end of the array")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return io.EOF
}

// element reads up to the end of the element that begins with c.
func (e *elements) element(c byte) ([]byte, int64, error) {
	e.text = e.text[:0]
	line, depth, quoted, escaped, long := e.line, 0, false, false, false
	for {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == '\n':
			e.line++
		}
		if len(e.text) < MaxRow {
			e.text = append(e.text, c)
		} else {
			long = true
		}
		if depth == 0 && !quoted && e.ends(c) {
			break
		}
		var err error
		if c, err = e.in.ReadByte(); err != nil {
			return nil, e.line, early(err)
		}
	}
	if long {
		return e.text, line, errLong
	}
	return e.text, line, nil
}

// ends reports whether an element is complete: a list, an object or a text ends
// with its last character, a number before what follows.
func (e *elements) ends(c byte) bool {
	if c == ']' || c == '}' || c == '"' {
		return true
	}
	follows, err := e.in.Peek(1)
	return err != nil || bytes.ContainsAny(follows, ",] \t\r\n")
}

// early says that the array has no end.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the array has no end: the file is cut off")
	}
	return err
}
