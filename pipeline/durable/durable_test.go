package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceLeavesTheNewContentAndNothingBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"one", "two"} {
		if err := Replace(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		info, err2 := os.Stat(path)
		if err != nil || err2 != nil || string(got) != text || info.Mode().Perm() != 0o600 {
			t.Errorf("%q, %v, %v, %v", got, info, err, err2)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside it: %v", left)
	}
}

// Without it a power failure takes the rename back.
func TestTheFolderIsSyncedBehindTheRename(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	asked := errors.New("asked")
	folder := func(got string) error {
		if _, err := os.Stat(path); err != nil || got != dir {
			t.Errorf("%s was synced before the file had its name: %v", got, err)
		}
		return asked
	}
	f, err := os.CreateTemp(dir, "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := rename(f, nil, path, folder); !errors.Is(err, asked) {
		t.Errorf("the folder was not synced: %v", err)
	}
}

func TestAWritingThatFailedLeavesTheOldContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "b")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	if err := Rename(f, full, path); !errors.Is(err, full) {
		t.Error(err)
	}
	got, _ := os.ReadFile(path)
	if left, _ := os.ReadDir(dir); string(got) != "old" || len(left) != 1 {
		t.Errorf("%q, beside it %v", got, left)
	}
}

func TestAFolderThatIsNotThereIsAnError(t *testing.T) {
	if err := Folder(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a folder that is not there was synced")
	}
}
