//go:build unix

package server

import (
	"os"
	"path/filepath"
	"testing"
)

// kafkaJars returns the folder with the jars, or skips the test.
func kafkaJars(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("KLINE_KAFKA")
	if folder == "" {
		folder = filepath.Join(repository(t), ".cache", "kafka", "lib")
	}
	if found, err := filepath.Glob(filepath.Join(folder, "kafka_2.13-*.jar")); err != nil || len(found) == 0 {
		t.Skip("not run: the Apache Kafka jars are missing: run scripts/install-test-deps.sh kafka")
	}
	return folder
}

// repository returns the root of the checkout: the folder above that has a go.mod and the folder pipeline.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the repository: %v", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		_, module := os.Stat(filepath.Join(dir, "go.mod"))
		_, room := os.Stat(filepath.Join(dir, "pipeline", "testbed"))
		if module == nil && room == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("finding the repository: no go.mod beside a folder pipeline/testbed above the working directory")
		}
	}
}
