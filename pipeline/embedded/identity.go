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

// write replaces path in one step, so that a kill leaves the old or the new.
func write(path, text string) error {
	tmp := path + ".tmp"
	err := os.WriteFile(tmp, []byte(text+"\n"), 0o640)
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the disk is full: %w", err)
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
