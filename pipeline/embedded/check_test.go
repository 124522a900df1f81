package embedded

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A reload that cannot start must be refused while the broker before it runs, so
// Check must read what this version of the log really looks like.
func TestAnotherNumberOfPartitionsIsSeenWhileTheBrokerRuns(t *testing.T) {
	cfg := testConfig(t)
	if err := Check(cfg); err != nil {
		t.Fatalf("without a log: %v", err)
	}
	mustStart(t, cfg)
	if err := Check(cfg); err != nil {
		t.Fatalf("the number of the log: %v", err)
	}
	more := cfg
	more.Partitions = 3
	err := Check(more)
	if err == nil || !strings.Contains(err.Error(), "has 1 partitions, 3 are configured") || !strings.Contains(err.Error(), "word partitions") {
		t.Fatalf("another number: %v", err)
	}
	more.Topics = []Topic{{Name: "other"}}
	if err := Check(more); err != nil {
		t.Fatalf("a topic that is not ours: %v", err)
	}
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "log", topicsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check(cfg); err != nil {
		t.Errorf("a file that cannot be read is the start's to judge: %v", err)
	}
}

func TestAPortAndAFolderAreTriedWithoutKeepingThem(t *testing.T) {
	cfg := testConfig(t)
	for range 2 {
		if err := TryFolder(cfg.DataDir); err != nil {
			t.Fatal(err)
		}
		if err := TryListen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	mustStart(t, cfg)
	if err := TryFolder(cfg.DataDir); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a folder that is taken: %v", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := TryListen(ln.Addr().String()); err == nil || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("a port that is taken: %v", err)
	}
}
