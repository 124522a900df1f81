// Package durable writes files that are there after a power failure.
//
// A file that was written and synced can be gone all the same: its name stands in
// the folder, and a rename or a new file is on the disk when the folder is. The
// central function is Replace; who writes in another way calls Folder behind it.
//
// The package keeps no file open and knows nothing of what is in one.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Replace makes b the content of path in one step: a kill or a power failure leaves
// the old content or the new.
func Replace(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	return Rename(f, err, path)
}

// Rename ends the writing of f, a file beside path: it takes the place of path, unless
// the writing ended in an error, and then f is removed.
func Rename(f *os.File, err error, path string) error {
	return rename(f, err, path, Folder)
}

func rename(f *os.File, err error, path string, folder func(string) error) error {
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return folder(filepath.Dir(path))
}

// Folder brings to the disk which files are in dir, and under which names.
func Folder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there, and need not be
	}
	d, err := os.Open(dir) // #nosec G304 -- a folder of ours
	if err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}
