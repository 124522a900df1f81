package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Action is what an entry of the audit log is about.
type Action string

// The actions.
const (
	ActionUpload     Action = "upload"
	ActionSign       Action = "sign" // a signature was added to a version
	ActionShadow     Action = "shadow"
	ActionState      Action = "state" // a shadow run ended; the note has the state
	ActionActivate   Action = "activate"
	ActionRollback   Action = "rollback"
	ActionDeactivate Action = "deactivate"
	ActionQuarantine Action = "quarantine" // by the watchdog, after strikes
	ActionDelete     Action = "delete"
	ActionKill       Action = "kill"
	ActionLift       Action = "lift" // of a kill
	ActionStrike     Action = "strike"
	ActionRefused    Action = "refused" // a request; the note has the route, the result the code
	ActionChain      Action = "chain"   // about the log itself
)

// Results of entries that are no code of a refusal.
const (
	ResultDone   = "done"
	ResultUnsure = "unsure" // a write failed and may have happened nevertheless
)

// Entry is one line of the audit log. It stands there before its effect does: a
// process that is killed in between leaves an entry of what did not happen, never
// an effect without an entry.
type Entry struct {
	Seq          int64     `json:"seq"` // from 1, without holes
	Time         time.Time `json:"time"`
	Action       Action    `json:"action"`
	Result       string    `json:"result"`
	Actor        string    `json:"actor"` // foreign text
	Address      string    `json:"client_ip,omitempty"`
	Tenant       string    `json:"tenant,omitempty"`
	Module       string    `json:"module,omitempty"`
	Version      string    `json:"version,omitempty"`
	ModuleSHA256 string    `json:"module_sha256,omitempty"`
	Note         string    `json:"note,omitempty"`  // foreign text
	Count        int       `json:"count,omitempty"` // of equal refusals within a minute; absent: one
	Prev         string    `json:"prev_sha256"`     // of the line before
}

// maxNote bounds foreign text in an entry, in bytes.
const maxNote = 256

// The end of each line: its own sum, over all bytes before.
const (
	sumMark = `,"sha256":"`
	sumTail = `"}`
	sumSize = len(sumMark) + 2*sha256.Size + len(sumTail)
)

// genesis is what the first entry of all says of the line before it.
var genesis = strings.Repeat("0", 2*sha256.Size)

// line encodes an entry and returns it with its sum.
func (e *Entry) line() (line []byte, sum string, err error) {
	for _, text := range []*string{&e.Actor, &e.Address, &e.Tenant, &e.Module, &e.Version, &e.Note} {
		*text = bounded(*text)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, "", fmt.Errorf("encoding an entry of the audit log: %w", err)
	}
	body = body[:len(body)-1]
	sum = sumOf(body)
	return append(body, sumMark+sum+sumTail...), sum, nil
}

// decodeLine reads a line, whose sum has to be its own.
func decodeLine(line []byte) (e Entry, sum string, err error) {
	at := len(line) - sumSize
	if at <= 0 || !bytes.HasPrefix(line[at:], []byte(sumMark)) || !bytes.HasSuffix(line, []byte(sumTail)) {
		return e, "", errors.New("it does not end with its sum")
	}
	sum = string(line[at+len(sumMark) : len(line)-len(sumTail)])
	if sumOf(line[:at]) != sum {
		return e, "", errors.New("its content does not have the sum at its end: it was changed")
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, "", fmt.Errorf("reading its JSON: %w", err)
	}
	return e, sum, nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func bounded(s string) string {
	if len(s) <= maxNote {
		return s
	}
	return strings.ToValidUTF8(s[:maxNote], "") + "..."
}
