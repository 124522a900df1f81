package caddymodule

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// fileStore is a storage of files in a folder of a test. Caddy's own is used
// where one process is killed; its locks are polled once a second.
type fileStore struct {
	dir string
	mu  sync.Mutex
}

func (s *fileStore) path(key string) string { return filepath.Join(s.dir, filepath.FromSlash(key)) }

func (s *fileStore) Store(_ context.Context, key string, value []byte) error {
	if err := os.MkdirAll(filepath.Dir(s.path(key)), 0o700); err != nil {
		return err
	}
	// As Caddy's own: nobody reads half of a value.
	f, err := os.CreateTemp(s.dir, "half-")
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	return errors.Join(err, f.Close(), os.Rename(f.Name(), s.path(key)))
}

func (s *fileStore) Load(_ context.Context, key string) ([]byte, error) {
	return os.ReadFile(s.path(key))
}

func (s *fileStore) Delete(_ context.Context, key string) error { return os.RemoveAll(s.path(key)) }

func (s *fileStore) List(_ context.Context, path string, _ bool) ([]string, error) {
	entries, err := os.ReadDir(s.path(path))
	var keys []string
	for _, e := range entries {
		keys = append(keys, strings.TrimSuffix(path, "/")+"/"+e.Name())
	}
	return keys, err
}

func (s *fileStore) Lock(context.Context, string) error {
	s.mu.Lock()
	return nil
}

func (s *fileStore) Unlock(context.Context, string) error {
	s.mu.Unlock()
	return nil
}
