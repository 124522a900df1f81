package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Storage is where the registry lives: whole values under keys, and a lock that
// excludes other processes. Caddy's storage modules satisfy it. Load of a key
// that is not there wraps [fs.ErrNotExist]; Store replaces a value as a whole;
// a lock whose holder was killed is free again after a while.
type Storage interface {
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, path string, recursive bool) ([]string, error)
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
}

// The keys. All but the last part are constant, and the last part is made of
// hex digits: no text of a user gets into a key.
const (
	folder      = "kline/indicators"
	revisionKey = folder + "/revision"
	lockName    = "kline_indicators"

	bytesSuffix  = ".wasm"
	recordSuffix = ".json"
)

func bytesKey(sum string) string { return folder + "/" + sum + bytesSuffix }

// recordKey is where the record of a version lives. Since it follows from name
// and version alone, two uploads of one version meet at one key even where one
// record is damaged.
func recordKey(module, version string) string {
	sum := sha256.Sum256([]byte(module + "@" + version))
	return folder + "/" + hex.EncodeToString(sum[:]) + recordSuffix
}

// ErrDamaged is wrapped where bytes or a record are not what was stored. The
// caller should refuse to use them and tell the operator, who can restore the
// key from a backup, or delete the version.
var ErrDamaged = errors.New("the stored module is damaged")

// bytes loads and compares.
func (r *Registry) bytes(ctx context.Context, sum string) ([]byte, error) {
	b, err := r.cfg.Storage.Load(ctx, bytesKey(sum))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening module sha256:%s: %w: its bytes are missing", sum[:8], ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("opening module sha256:%s: %w", sum[:8], err)
	}
	if got := sha256.Sum256(b); hex.EncodeToString(got[:]) != sum {
		return nil, fmt.Errorf("opening module sha256:%s: %w: its bytes have another sum", sum[:8], ErrDamaged)
	}
	return b, nil
}

// keys lists the folder. A storage of files fails with "does not exist" when a
// file is renamed while it looks: only if nothing was ever written there is the
// folder really missing.
func (r *Registry) keys(ctx context.Context) ([]string, error) {
	var err error
	for range 8 {
		var keys []string
		keys, err = r.cfg.Storage.List(ctx, folder, false)
		if err == nil {
			return keys, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if _, missing := r.cfg.Storage.Load(ctx, revisionKey); errors.Is(missing, fs.ErrNotExist) && len(keys) == 0 {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("listing the registry of modules: %w", err)
}

// Empty tells whether nothing was ever stored here: no module, no entry of the audit
// log, no kill. What cannot be read is something.
func (r *Registry) Empty(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if segments, err := r.segments(ctx); err != nil || len(segments) > 0 {
		return false
	}
	if keys, err := r.keys(ctx); err != nil || len(keys) > 0 {
		return false
	}
	_, err := r.cfg.Storage.Load(ctx, killsKey)
	return errors.Is(err, fs.ErrNotExist)
}

// kind of a key.
type kind uint8

const (
	kindForeign  kind = iota
	kindBytes         // of a module
	kindRecord        // of a version
	kindRevision      // of the whole
	kindHalf          // what a storage of files left of a write that was killed
)

// classify tells what a key is, by its name, and the hex digits in it.
func classify(key string) (kind, string) {
	name := path.Base(key)
	if path.Dir(key) != folder {
		return kindForeign, ""
	}
	if sum, ok := strings.CutSuffix(name, bytesSuffix); ok && validSum(sum) {
		return kindBytes, sum
	}
	if sum, ok := strings.CutSuffix(name, recordSuffix); ok && validSum(sum) {
		return kindRecord, sum
	}
	switch {
	case key == revisionKey:
		return kindRevision, ""
	case len(name) <= 20 && strings.Trim(name, "0123456789") == "":
		return kindHalf, ""
	}
	return kindForeign, ""
}

// validSum tells whether s is a SHA-256 in lower-case hex.
func validSum(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
