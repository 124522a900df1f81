package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/durable"
)

// StateSuffix ends the name of a state file, which stands beside the imported
// file unless told otherwise.
const StateSuffix = ".kline-import"

// headBytes at both ends of a file are part of its identity.
const headBytes = 64 << 10

// state is what an import has done of a file. Rows are written after their
// acknowledgement, so they may be behind and are never ahead; Sent before they go
// out, so it may be ahead and is never behind.
type state struct {
	Version  int    `json:"version"`
	File     string `json:"file"`
	Size     int64  `json:"size"`
	Head     string `json:"head"` // sha256 over both ends of the file
	Target   string `json:"target"`
	Settings string `json:"settings"`
	// ID begins the ids of trades that have none. It stays when the file grows.
	ID string `json:"id"`
	// Rows are done, and hash to Hash.
	Rows int64  `json:"rows"`
	Hash string `json:"hash"`
	// Sent rows may be on the target, acknowledged or not, and hash to SentHash.
	Sent     int64  `json:"sent,omitempty"`
	SentHash string `json:"sent_hash,omitempty"`
	Bad      int64  `json:"bad"`
	Unit     string `json:"unit,omitempty"` // found out of the first row
	Done     bool   `json:"done"`
	// Sum is the xxhash of the state without it.
	Sum string `json:"sum"`
}

// identify takes the identity of a file.
func identify(path string) (size int64, head string, err error) {
	f, err := os.Open(path) // #nosec G304 -- the operator's own file
	if err != nil {
		return 0, "", fmt.Errorf("opening the file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return 0, "", fmt.Errorf("looking at the file: %w", err)
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%d ", info.Size()) // a hash never fails
	for _, at := range []int64{0, max(0, info.Size()-headBytes)} {
		if _, err := io.Copy(h, io.NewSectionReader(f, at, headBytes)); err != nil {
			return 0, "", fmt.Errorf("reading %s: %w", filepath.Base(path), err)
		}
	}
	return info.Size(), hex.EncodeToString(h.Sum(nil)), nil
}

// sum hashes the state.
func (s state) sum() string {
	s.Sum = ""
	b, err := json.Marshal(s)
	if err != nil { // texts and numbers always marshal
		return ""
	}
	return strconv.FormatUint(xxhash.Sum64(b), 16)
}

// loadState reads a state; nil if there is none.
func loadState(path string) (*state, error) {
	b, err := os.ReadFile(path) // #nosec G304 -- the operator's own file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of the import: %w", err)
	}
	s := new(state)
	if err := json.Unmarshal(b, s); err != nil || s.Version != 1 || s.Sum != s.sum() {
		return nil, fmt.Errorf("the state of the import, %s, is damaged: with --restart the file is imported from its beginning (trades that are there already count once, as far as the engine remembers their ids)", path)
	}
	return s, nil
}

// save replaces the state in one step. sync makes it outlive a power failure.
func (s *state) save(path string, sync bool) error {
	s.Version = 1
	s.Sum = s.sum()
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return fmt.Errorf("writing the state of the import: %w", err)
	}
	return replaceFile(path, append(b, '\n'), sync)
}

// replaceFile writes beside path and renames.
func replaceFile(path string, b []byte, sync bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the state of the import: %w (another place: --state)", err)
	}
	_, err = f.Write(b)
	if sync {
		if err = durable.Rename(f, err, path); err != nil {
			return fmt.Errorf("writing the state of the import: %w", err)
		}
		return nil
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the state of the import: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// fits reports why a state cannot be gone on from; an empty text is that it can.
func (s *state) fits(now *state) string {
	switch {
	case s.Target != now.Target:
		return fmt.Sprintf("it was begun for %s, this is %s", s.Target, now.Target)
	case s.Settings != now.Settings:
		return fmt.Sprintf("it was begun with other words: %s; now: %s", s.Settings, now.Settings)
	}
	return ""
}
