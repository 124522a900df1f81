package transfer

import (
	"encoding/json"
	"fmt"
	"io"
)

// BadRowError is a row that cannot be used. It names the place, and what is wrong.
type BadRowError struct {
	File   string `json:"file"`
	Member string `json:"member,omitempty"` // of a zip
	Line   int64  `json:"line"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Text   string `json:"text"` // the row, at most MaxRow bytes
}

// Error is the place and the reason, without the row.
func (b *BadRowError) Error() string {
	place := shown(b.File)
	if b.Member != "" {
		place += ":" + shown(b.Member)
	}
	if b.Field != "" {
		return fmt.Sprintf("%s:%d: field %s: %s", place, b.Line, b.Field, b.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", place, b.Line, b.Reason)
}

// fault is a BadRowError whose place the reader of rows adds.
type fault struct{ field, reason string }

func (f *fault) Error() string {
	if f.field == "" {
		return f.reason
	}
	return "field " + f.field + ": " + f.reason
}

func faulty(field, format string, args ...any) *fault {
	return &fault{field: field, reason: fmt.Sprintf(format, args...)}
}

// TooManyBadError ends an import whose bad rows exceed the limit. Rows before the one
// that it wraps are done.
type TooManyBadError struct {
	Limit int64
	Row   *BadRowError
}

// Error says what can be done.
func (t *TooManyBadError) Error() string {
	if t.Limit == 0 {
		return fmt.Sprintf("reading %s. Everything before it is done. Correct the file, or leave out up to n such rows with --max-bad n, and run the command again: it goes on there", t.Row)
	}
	return fmt.Sprintf("reading %s: that is more than the %d bad rows of --max-bad. Everything before it is done: correct the file or allow more, and run the command again", t.Row, t.Limit)
}

// Unwrap is the row.
func (t *TooManyBadError) Unwrap() error { return t.Row }

// WriteBad appends bad rows to w, one JSON object a line.
func WriteBad(w io.Writer, rows []*BadRowError) error {
	if w == nil || len(rows) == 0 {
		return nil
	}
	var out []byte
	for _, r := range rows {
		b, err := json.Marshal(r)
		if err != nil { // texts and numbers always marshal
			return fmt.Errorf("writing bad rows: %w", err)
		}
		out = append(append(out, b...), '\n')
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("writing bad rows: %w", err)
	}
	return nil
}
