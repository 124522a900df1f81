package caddymodule

import (
	"os"
	"testing"
	"time"
)

// storageDir is a folder for a registry. A change that a test has seen may still
// be writing what comes behind it (its entry in the audit log, the revision) when
// the test ends: it is never cut off half way. The folder is removed once nothing
// comes any more, which that of the test framework is not.
func storageDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kline-storage-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		deadline := time.Now().Add(time.Minute)
		for err := os.RemoveAll(dir); err != nil; err = os.RemoveAll(dir) {
			if time.Now().After(deadline) {
				t.Errorf("something writes into the storage for a minute after the test: %v", err)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	return dir
}
