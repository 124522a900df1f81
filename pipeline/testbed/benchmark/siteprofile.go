package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// pieceSeconds is the length of one CPU profile of a site; `go tool pprof` adds up as many as it is given.
const pieceSeconds = 2

// profileSite keeps CPU profiles of a site, piece after piece, in the folder of -profile. The function it returns ends that, and keeps
// the heap as it is then. Without the flag it does nothing.
func (b *bench) profileSite(admin string) func() error {
	if b.profile == "" {
		return func() error { return nil }
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	base := filepath.Join(b.profile, fmt.Sprint("site-", b.next))
	b.work.Go(func() {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && !answers("http://"+admin+"/config/"); {
			time.Sleep(5 * time.Millisecond)
		}
		for i := 0; ; i++ {
			err := keep(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, pieceSeconds), fmt.Sprintf("%s-%d.pprof", base, i))
			select {
			case <-stop:
				done <- errors.Join(err, keep("http://"+admin+"/debug/pprof/heap", base+".heap.pprof"))
				return
			default:
			}
			if err != nil {
				done <- err
				return
			}
		}
	})
	return func() error {
		close(stop)
		return <-done
	}
}

// keep writes the body of an answer into a file.
func keep(url, file string) error {
	resp, err := http.Get(url) // #nosec G107 -- our own child on loopback
	if err != nil {
		return fmt.Errorf("fetching a profile: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("fetching a profile: %w", err)
	}
	return os.WriteFile(file, body, 0o600)
}
