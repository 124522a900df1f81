package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// ready is the first line of a companion: it is where it should be, the measurement may begin.
const ready = "ready"

// companion is a child that works beside the measured process: a crowd of clients, a producer.
type companion struct {
	name string
	cmd  *exec.Cmd
	out  *bufio.Reader
}

// accompany starts a companion and waits until it is ready.
func (b *bench) accompany(name string, args ...string) (*companion, error) {
	cmd := exec.Command(b.self, append([]string{"child", name}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	b.bed.Cleanup(func() { _ = cmd.Process.Kill() })
	c := &companion{name: name, cmd: cmd, out: bufio.NewReader(pipe)}
	if line, err := c.out.ReadString('\n'); err != nil || line != ready+"\n" {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("starting %s: it said %q (%v)", name, line, err)
	}
	return c, nil
}

// result waits for the end of the companion and decodes what it found.
func (c *companion) result(into any) error {
	printed, err := io.ReadAll(c.out)
	if waited := c.cmd.Wait(); err == nil {
		err = waited
	}
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", c.name, err)
	}
	if err := json.Unmarshal(printed, into); err != nil {
		return fmt.Errorf("reading what %s found, %.100q: %w", c.name, printed, err)
	}
	return nil
}

// end kills a companion that is not needed any more.
func (c *companion) end() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}
