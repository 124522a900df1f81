package oracle

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Event is one event of a stream.
type Event struct {
	Type string // "message" where the stream names none
	Data string
	ID   string // the last id seen, this event's or an earlier one's
}

// ReadEvents reads a text/event-stream as the WHATWG standard says and calls each for every whole event. An event without its empty
// line at the end is dropped: the connection broke inside it. It returns the last id, for the next connect.
func ReadEvents(in io.Reader, lastID string, each func(Event) error) (string, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 1<<16), 16<<20)
	lines.Split((&lineSplitter{}).split)
	var event string
	var data []string
	id := lastID
	for first := true; lines.Scan(); first = false {
		line := lines.Text()
		if first {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line == "" {
			lastID = id // an id counts only when its event is whole
			if data != nil {
				if event == "" {
					event = "message"
				}
				if err := each(Event{event, strings.Join(data, "\n"), lastID}); err != nil {
					return lastID, err
				}
			}
			event, data = "", nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			event = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		}
	}
	if err := lines.Err(); err != nil {
		return lastID, fmt.Errorf("reading the stream: %w", err)
	}
	return lastID, nil
}

// lineSplitter cuts at CR, LF or CRLF. After a CR the line is given out at once, and a LF that follows is swallowed with the next
// one: waiting for it would hold an event back until the next byte.
type lineSplitter struct{ afterCR bool }

func (s *lineSplitter) split(data []byte, _ bool) (advance int, token []byte, err error) {
	skip := 0
	if s.afterCR && len(data) > 0 {
		s.afterCR = false
		if data[0] == '\n' {
			skip = 1
		}
	}
	for i, b := range data[skip:] {
		if b == '\n' || b == '\r' {
			s.afterCR = b == '\r'
			return skip + i + 1, data[skip : skip+i], nil
		}
	}
	return skip, nil, nil // a line that the end cuts off is no line
}

// Stream opens one connection and reads it until it ends, ctx ends or each fails. It returns the id to resume from. A connection that
// breaks is no error: it is what clients live with.
func Stream(ctx context.Context, client *http.Client, address, lastID string, each func(Event) error) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return lastID, fmt.Errorf("opening the stream: %w", err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := client.Do(request)
	if err != nil {
		return lastID, fmt.Errorf("opening the stream: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return lastID, fmt.Errorf("opening the stream: status %d", response.StatusCode)
	}
	var refused error
	last, err := ReadEvents(response.Body, lastID, func(e Event) error {
		refused = each(e)
		return refused
	})
	if refused != nil || errors.Is(err, bufio.ErrTooLong) {
		return last, err
	}
	return last, nil
}
