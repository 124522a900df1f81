package caddymodule

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// codeOf is the exit code of a command that has returned err. Caddy keeps those
// above 1 in a type of its own.
func codeOf(err error) int {
	if err == nil {
		return 0
	}
	if code := reflect.Indirect(reflect.ValueOf(err)).FieldByName("ExitCode"); code.IsValid() {
		return int(code.Int())
	}
	return 1
}

// runs runs a command on a storage and expects its exit code, and words in what
// it prints or fails with.
func runs(t *testing.T, config string, code int, says string, args ...string) {
	t.Helper()
	out, err := (&indicatorBed{t: t}).run(append(args, "--config", config, "--adapter", "caddyfile")...)
	if err != nil {
		out += err.Error()
	}
	if got := codeOf(err); got != code || !strings.Contains(out, says) {
		t.Errorf("%q: exit code %d, want %d and %q\n%s", args, got, code, says, out)
	}
}

// nothingStored is a configuration with a storage that Caddy has never used: that of
// another user, or a mistyped one.
func nothingStored(t *testing.T) (config, storage string) {
	t.Helper()
	dir := t.TempDir()
	config, storage = filepath.Join(dir, "Caddyfile"), filepath.Join(dir, "store")
	if err := os.WriteFile(config, []byte("{\n\tstorage file_system "+storage+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config, storage
}

// What is written into the storage of nobody stops nothing.
func TestAKillInTheWrongStorageFails(t *testing.T) {
	config, storage := nothingStored(t)
	for _, args := range [][]string{
		{"kill", "--module", "my-sum", "--reason", "wrong numbers"}, {"kill", "--tenant", "default"}, {"kill", "--all"}, {"kill"}, {"lift", "--all"},
		{"audit"}, {"audit", "--verify"},
	} {
		runs(t, config, exitUnable, storage, args...)
	}
	if _, err := os.Stat(storage); err == nil {
		t.Error("something was written there")
	}
}

// A name with a typo stops nothing, and an empty one is a variable that was not set.
func TestAKillOfNobodyFails(t *testing.T) {
	b, config := storedBed(t)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	runs(t, config, 1, "my-smu", "kill", "--module", "my-smu")
	runs(t, config, 1, "No Such Tenant", "kill", "--tenant", "No Such Tenant")
	runs(t, config, exitUnable, "--module", "kill", "--module", "", "--reason", "wrong numbers")
	runs(t, config, exitUnable, "--tenant", "kill", "--tenant", "")
	runs(t, config, exitUnable, "--module", "lift", "--module", "")
	runs(t, config, exitUnable, "--reason", "kill", "--reason", "wrong numbers")
	runs(t, config, 0, "nothing is stopped", "kill")
	runs(t, config, 0, b.dir, "kill", "--tenant", "default")
	runs(t, config, 0, "stopped: module my-sum", "kill", "--module", "my-sum")
	runs(t, config, 0, "stopped: all", "kill", "--all")
}

// A site takes names before anything is stored under them, which a typo may be.
func TestAKillByRequestOfNothingThatIsStoredWarns(t *testing.T) {
	b := newTurnBed(t)
	b.Authors, b.Operators = []string{"ann"}, []string{"ann"}
	b.prepare()
	b.limiter = newLimiter(b.clock, 1e6, 1_000_000)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	t.Setenv("KLINE_TOKEN", "pw")
	for _, tc := range []struct {
		args  []string
		warns bool
	}{
		{[]string{"kill", "--module", "my-smu"}, true},
		{[]string{"kill", "--module", "my-sum"}, false},
		{[]string{"lift", "--module", "my-smu"}, false},
		{[]string{"kill", "--tenant", "default"}, false},
		{[]string{"kill", "--all"}, false},
		{[]string{"kill"}, false},
	} {
		out, err := (&indicatorBed{t: t}).run(append(tc.args, "--url", b.site().String(), "--user", "ann")...)
		if err != nil || strings.Contains(out, "warning: nothing of my-smu is stored") != tc.warns || strings.Contains(out, "warning") != tc.warns {
			t.Errorf("%q: %v\n%s", tc.args, err, out)
		}
	}
}

// The record that cannot be read may be that of the module that has to stop.
func TestAKillOfWhatCannotBeReadWarns(t *testing.T) {
	b, config := storedBed(t)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	records, err := filepath.Glob(filepath.Join(b.dir, "kline/indicators/*.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records %v, %v", records, err)
	}
	if err := os.WriteFile(records[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	runs(t, config, 0, "warning: whether my-sum is stored", "kill", "--module", "my-sum")
	if err := os.Remove(records[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(records[0], 0o700); err != nil { // reading it is an error of the storage
		t.Fatal(err)
	}
	runs(t, config, 0, "warning: whether anything of tenant default is stored", "kill", "--tenant", "default")
	runs(t, config, 0, "stopped: module my-sum", "kill")
}

// Whoever verifies the wrong storage must not be told that all is well.
func TestAnAuditLogWithoutEntriesDoesNotHold(t *testing.T) {
	b, config := storedBed(t)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	runs(t, config, 0, b.dir, "audit", "--verify")
	if err := os.RemoveAll(filepath.Join(b.dir, "kline/audit")); err != nil {
		t.Fatal(err)
	}
	runs(t, config, 1, "no entry", "audit", "--verify")
	runs(t, config, 1, "no entry", "audit")
}

// Files that root leaves in the storage of user caddy are ones that Caddy cannot read.
func TestNobodyWritesIntoTheStorageOfAnotherUser(t *testing.T) {
	b, config := storedBed(t)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	storage, err := configuredStorage(config, "caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	defer storage.close()
	if err := storage.writable(os.Geteuid()); err != nil {
		t.Errorf("one's own: %v", err)
	}
	if err := storage.writable(os.Geteuid() + 1); err == nil || !strings.Contains(err.Error(), b.dir) {
		t.Errorf("somebody else's: %v", err)
	}
	if os.Geteuid() != 0 {
		return // nobody else gives files away
	}
	if err := os.Chown(filepath.Join(b.dir, "kline"), 12345, -1); err != nil {
		t.Fatal(err)
	}
	before := b.everything()
	for _, args := range [][]string{{"kill", "--all"}, {"lift", "--all"}, {"install", "none.wasm"}} {
		runs(t, config, exitUnable, "user 12345", args...)
	}
	if !reflect.DeepEqual(before, b.everything()) {
		t.Error("something was written there")
	}
	runs(t, config, 0, "nothing is stopped", "kill")
}
