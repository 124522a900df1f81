package registry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	minSpeed = 10_000          // bytes per second, on average since the beginning
	grace    = 5 * time.Second // before the speed counts
)

// readBody reads a module whole, within its size and not slower than minSpeed.
// What the client promises as a length is never allocated: memory follows what
// has arrived.
func readBody(u *Upload, limit int64, now func() time.Time) ([]byte, error) {
	tooLarge := &Refusal{Reason: TooLarge, Message: fmt.Sprintf("the module has more than %d bytes", limit), Limit: limit}
	if u.Length > limit && limit >= 0 {
		return nil, tooLarge
	}
	// It bounds the body and nothing behind it: the checks may take longer.
	if u.Deadline != nil {
		defer u.Deadline(time.Time{})
	}
	var wasm []byte
	began, chunk := now(), make([]byte, 32<<10)
	for {
		deadline := began.Add(grace + time.Duration(len(wasm))*time.Second/minSpeed)
		if u.Deadline != nil {
			u.Deadline(deadline)
		}
		n, err := u.Body.Read(chunk)
		wasm = append(wasm, chunk[:n]...)
		switch {
		case int64(len(wasm)) > limit && limit >= 0:
			return nil, tooLarge
		case errors.Is(err, io.EOF):
			return complete(u, wasm)
		case errors.Is(err, os.ErrDeadlineExceeded) || now().After(deadline):
			return nil, &Refusal{Reason: TooSlow, Message: "the module arrives too slowly: at least 10 KB/s are expected", Limit: minSpeed}
		case err != nil:
			return nil, incomplete(len(wasm))
		}
	}
}

func complete(u *Upload, wasm []byte) ([]byte, error) {
	if u.Length >= 0 && int64(len(wasm)) != u.Length {
		return nil, incomplete(len(wasm))
	}
	return wasm, nil
}

func incomplete(n int) error {
	return refuse(Incomplete, fmt.Sprintf("the module broke off after %d bytes", n))
}
