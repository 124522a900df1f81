package transfer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
)

// The file that one import removes was open in a second one, and a third made a new one:
// both held a lock, and wrote one state.
func TestALockOnARemovedFileIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.lock")
	var third *flock.Flock
	tries := 0
	second, err := lockState(path, func(l *flock.Flock) (bool, error) {
		held, err := l.TryLock()
		if tries++; tries > 1 {
			return held, err
		}
		if err := os.Remove(path); err != nil { // as the first one does
			t.Fatal(err)
		}
		if third, err = lockState(path, (*flock.Flock).TryLock); err != nil || third == nil {
			t.Fatalf("the third: %v, %v", third, err)
		}
		return held, err
	})
	if err != nil || second != nil || tries != 2 {
		t.Errorf("the second holds %v after %d tries: %v", second, tries, err)
	}
	unlock(third)
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	last, err := lockState(path, (*flock.Flock).TryLock)
	if err != nil || last == nil {
		t.Fatalf("nobody holds it, and it is not to be had: %v", err)
	}
	unlock(last)
}
