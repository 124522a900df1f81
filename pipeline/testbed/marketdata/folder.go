package marketdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Folder returns the folder of the market data: below KLINE_SHARED, by default ../shared beside the repository. Without it the test is
// skipped with the line "not run: ..": a user's clone has no such folder.
func Folder(t testing.TB) string {
	t.Helper()
	shared := os.Getenv("KLINE_SHARED")
	if shared == "" {
		shared = beside(t)
	}
	folder := filepath.Join(shared, "market-data")
	if _, err := os.Stat(folder); err != nil {
		t.Skip("not run: the market data are missing: name their parent folder in KLINE_SHARED")
	}
	return folder
}

// beside is the folder shared next to the repository, which is the folder above that has pipeline/testbed in it.
func beside(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the repository: %v", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "pipeline", "testbed")); err == nil {
			break
		}
	}
	return filepath.Join(dir, "..", "shared")
}
