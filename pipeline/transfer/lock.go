package transfer

import (
	"fmt"
	"os"

	"github.com/gofrs/flock"
)

// lockState takes the lock of a state file; nil: another process has it. The file is
// removed at the end, so one that was opened just before may have been locked just
// behind: then it is no file of that name any more, and somebody else holds the one
// that is.
func lockState(path string, try func(*flock.Flock) (bool, error)) (*flock.Flock, error) {
	for {
		lock := flock.New(path)
		held, err := try(lock)
		if err == nil && held && !isAt(lock, path) {
			_ = lock.Close() // nobody looks at it
			continue
		}
		if err == nil && held {
			return lock, nil
		}
		_ = lock.Close() // nothing is held
		if err != nil {
			return nil, fmt.Errorf("locking the state of the import: %w (another place: --state)", err)
		}
		return nil, nil
	}
}

// isAt tells whether the file that is locked is the one at path.
func isAt(lock *flock.Flock, path string) bool {
	mine, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// unlock gives the lock back. The file goes first: whoever opens it in between finds
// that it is not there any more.
func unlock(lock *flock.Flock) {
	_ = os.Remove(lock.Path())
	_ = lock.Close() // the end of the process gives it back, too
}
