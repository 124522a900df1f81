package oracle

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// Record is one record of a topic as "kcat -J" prints it, one JSON object a line.
type Record struct {
	Topic     string  `json:"topic"`
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Timestamp int64   `json:"ts"`      // Kafka timestamp, ms
	Headers   Headers `json:"headers"` // kcat prints name, value, name, value
	Key       string  `json:"key"`
	Payload   *string `json:"payload"` // nil = no value
}

// Headers are the headers of a record; of a repeated name the last one counts.
type Headers map[string]string

// UnmarshalJSON reads kcat's flat list of names and values.
func (h *Headers) UnmarshalJSON(text []byte) error {
	var flat []*string
	if err := json.Unmarshal(text, &flat); err != nil {
		return fmt.Errorf("reading headers: %w", err)
	}
	*h = Headers{}
	for i := 0; i+1 < len(flat); i += 2 {
		if flat[i] != nil && flat[i+1] != nil {
			(*h)[*flat[i]] = *flat[i+1]
		}
	}
	return nil
}

// ReadRecords reads JSON lines. Lines of kcat that are no objects ("% Reached end ..") are passed over.
func ReadRecords(in io.Reader, each func(Record) error) error {
	buffered := bufio.NewReaderSize(in, 1<<16)
	for number := 1; ; number++ {
		line, err := buffered.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] == '{' {
			var record Record
			if err := json.Unmarshal(line, &record); err != nil {
				return fmt.Errorf("reading line %d of the records: %w", number, err)
			}
			if err := each(record); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading records: %w", err)
		}
	}
}

// Kcat reads a whole topic with kcat, committed records only, and calls each for every record. Per partition the order is that of
// the offsets.
func Kcat(ctx context.Context, brokers, topic string, each func(Record) error) error {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "kcat", "-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J",
		"-X", "isolation.level=read_committed", "-X", "check.crcs=true",
		// The end of a partition shows in a fetch that brings nothing: where feeds write heartbeats, a long one never does.
		"-X", "fetch.wait.max.ms=10")
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", topic, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting kcat (scripts/install-test-deps.sh kcat installs it): %w", err)
	}
	readErr := ReadRecords(out, each)
	if readErr != nil {
		_ = cmd.Process.Kill() // kcat would block on the full pipe for ever; Wait reports how it ended
	}
	if err := cmd.Wait(); err != nil && readErr == nil {
		return fmt.Errorf("reading topic %s with kcat: %w: %.300q", topic, err, complaints.String())
	}
	return readErr
}
