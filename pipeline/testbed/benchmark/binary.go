package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// site is a running Caddy.
type site struct {
	cmd  *exec.Cmd
	url  string
	log  string // file
	wait sync.WaitGroup
	done chan error
}

// serve starts a Caddy binary with the given Caddyfile. Its data folder is home, which may be that of an earlier run.
func (b *bench) serve(binary, home, config string) (*site, error) {
	b.next++
	file := filepath.Join(b.dir, fmt.Sprintf("Caddyfile-%d", b.next))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("writing the Caddyfile: %w", err)
	}
	s := &site{log: file + ".log", done: make(chan error, 1)}
	out, err := os.Create(s.log)
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer out.Close()
	s.cmd = exec.Command(binary, "run", "--config", file, "--adapter", "caddyfile")
	s.cmd.Dir = b.root
	s.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "HOME="+home)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting caddy: %w", err)
	}
	b.bed.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.wait.Go(func() { s.done <- s.cmd.Wait() })
	return s, nil
}

// stop ends Caddy in order and returns what it spent over its whole life.
func (s *site) stop() (usage, error) {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return usage{}, fmt.Errorf("stopping caddy: %w", err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			return usage{}, fmt.Errorf("stopping caddy: %w; end of its log: %s", err, s.tail())
		}
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill()
		return usage{}, fmt.Errorf("stopping caddy: still alive 30s after SIGTERM; end of its log: %s", s.tail())
	}
	spent, _ := s.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return usage{CPU: cpuOf(*spent), PeakRSS: spent.Maxrss << 10}, nil
}

func (s *site) tail() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// until polls ready every 5 ms until it says yes, Caddy ends, or the time is over.
func (s *site) until(what string, limit time.Duration, ready func() bool) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ready() {
			return nil
		}
		select {
		case err := <-s.done:
			s.done <- err
			return fmt.Errorf("waiting for %s: caddy ended (%v): %s", what, err, s.tail())
		default:
		}
	}
	return fmt.Errorf("waiting for %s: not there after %v: %s", what, limit, s.tail())
}

// get decodes the JSON of a route.
func get(url string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return json.Unmarshal(body, into)
}

// answers tells whether a route is served.
func answers(url string) bool {
	resp, err := http.Get(url) // #nosec G107 -- our own child on loopback
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// status is the part of /v1/status that is looked at.
type status struct {
	Ready      bool `json:"ready"`
	Partitions []struct {
		Next int64 `json:"next"`
	} `json:"partitions"`
}

// applied asks how many trades all partitions have applied, 0 while there is no answer.
func (s *site) applied() (total int64) {
	var st status
	if get(s.url+"/v1/status", &st) != nil {
		return 0
	}
	for _, p := range st.Partitions {
		total += p.Next
	}
	return total
}

// ports finds free ones.
func (b *bench) ports(n int) (ports []int, err error) {
	err = b.bed.Do(func() { ports = server.FreePorts(b.bed, n) })
	return ports, err
}
