package embedded

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/caddy-kline/caddy-kline/pipeline/durable"
)

const identityFile = "cluster_id"

// identity returns the cluster id that is kept in dir, a new one at first use.
// It names the log: positions of another log must not be mistaken for ours.
func identity(dir string) (string, error) {
	path := filepath.Join(dir, identityFile)
	b, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading the cluster id: %w", err)
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // crypto/rand.Read never fails
	id := base64.RawURLEncoding.EncodeToString(raw[:])
	if err := write(path, id); err != nil {
		return "", fmt.Errorf("keeping the cluster id: %w", err)
	}
	return id, nil
}

// write replaces path in one step, so that a kill or a power failure leaves the old or
// the new: a log that lost its id is another log to everybody who has a position in it.
func write(path, text string) error {
	err := durable.Replace(path, []byte(text+"\n"), 0o640)
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk is full: %w", err)
	}
	return err
}
