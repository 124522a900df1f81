package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// stream is one connection to an event stream over HTTP/1.1. It reads what a browser would, and no more than it needs: the crowd of
// clients shares the machine with the server that is measured.
type stream struct {
	conn  net.Conn
	body  *bufio.Reader
	reads int64 // events come in fewer reads where the server joins them
	bytes int64
	event []byte // type of the event whose data comes next
}

// dial asks for the stream and reads the header of the answer.
func dial(addr, path string) (*stream, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, fmt.Errorf("connecting to a stream: %w", err)
	}
	s := &stream{conn: conn}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", path, addr); err != nil {
		return nil, fmt.Errorf("asking for a stream: %w", err)
	}
	raw := bufio.NewReaderSize(counted{s}, 8<<10)
	line, err := raw.ReadString('\n')
	if err != nil || !strings.Contains(line, " 200 ") {
		return nil, fmt.Errorf("asking for a stream: answered %q (%v)", line, err)
	}
	chunked := false
	for {
		if line, err = raw.ReadString('\n'); err != nil {
			return nil, fmt.Errorf("reading the header of a stream: %w", err)
		}
		if line == "\r\n" {
			break
		}
		chunked = chunked || strings.EqualFold(strings.TrimSpace(line), "transfer-encoding: chunked")
	}
	if s.body = raw; chunked {
		s.body = bufio.NewReaderSize(httputil.NewChunkedReader(raw), 8<<10)
	}
	return s, nil
}

// counted counts the reads from the socket.
type counted struct{ *stream }

// Read implements io.Reader.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	c.reads++
	c.bytes += int64(n)
	return n, err
}

// next returns type and data of the next event that has data. The slices are valid until the next call.
func (s *stream) next() (event, data []byte, err error) {
	for {
		line, err := s.body.ReadSlice('\n')
		if err == bufio.ErrBufferFull { // a snapshot is longer than the buffer; nobody looks into it here
			line, err = s.long(line)
		}
		if err != nil {
			return nil, nil, err
		}
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			s.event = append(s.event[:0], bytes.TrimRight(name, "\n")...)
		} else if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			return s.event, data, nil
		}
	}
}

func (s *stream) long(head []byte) ([]byte, error) {
	line := bytes.Clone(head)
	rest, err := s.body.ReadBytes('\n')
	return append(line, rest...), err
}

// integer reads the number behind a key of a flat JSON object, -1 if it is not there.
func integer(data []byte, key string) int64 {
	at := bytes.Index(data, []byte(key))
	if at < 0 {
		return -1
	}
	digits := data[at+len(key):]
	end := bytes.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseInt(string(digits[:max(end, 0)]), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
