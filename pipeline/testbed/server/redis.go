//go:build unix

package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisConfig says how a redis-server keeps its data.
type RedisConfig struct {
	// Durable writes every command to disk before it is answered (appendfsync always), so that a killed server comes back with all
	// it acknowledged. Without it a kill means an empty store. Default: false.
	Durable bool
	// Args are appended to the command line.
	Args []string
}

// Redis is one redis-server. The program is named by KL_REDIS_BIN (a Valkey works as well), by default redis-server.
type Redis struct {
	*Process
	t      testing.TB
	name   string
	args   func(r *Redis) []string // the command line, for the port and folder of r
	ready  func(ctx context.Context, r *Redis) error
	binary string
	dir    string
	port   int
	log    *Log
}

// portAttempts is how often a server is started on another port when somebody took the one it was given.
const portAttempts = 5

// StartRedis starts a redis-server and waits until it answers PING. It is killed at the end of the test.
func StartRedis(t testing.TB, config RedisConfig) *Redis {
	t.Helper()
	return startRedis(t, "redis", config.args, ping)
}

// startRedis starts the program with the arguments and waits until it is ready.
func startRedis(t testing.TB, name string, args func(*Redis) []string, ready func(context.Context, *Redis) error) *Redis {
	t.Helper()
	return startRedisBelow(t, lastPort, name, args, ready)
}

// startRedisBelow takes a port below a limit.
func startRedisBelow(t testing.TB, below int, name string, args func(*Redis) []string, ready func(context.Context, *Redis) error) *Redis {
	t.Helper()
	binary := lookup(t, "redis-server", "KL_REDIS_BIN", "run scripts/install-test-deps.sh redis")
	if version, err := exec.Command(binary, "--version").Output(); err == nil {
		t.Logf("%s: %s", name, strings.TrimSpace(string(version)))
	}
	r := &Redis{t: t, name: name, args: args, ready: ready, binary: binary, dir: t.TempDir(), log: newLog()}
	t.Cleanup(func() {
		if r.Process != nil {
			r.cleanup(t)
		}
	})
	for attempt := 1; ; attempt++ {
		r.port = freePorts(t, 1, below)[0]
		err := r.launch()
		if err == nil {
			return r
		}
		if attempt == portAttempts || !strings.Contains(r.log.String(), "Address already in use") {
			t.Fatal(err)
		}
	}
}

func (c RedisConfig) args(r *Redis) []string {
	args := []string{"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--daemonize", "no"}
	if c.Durable {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	} else {
		args = append(args, "--appendonly", "no")
	}
	return append(args, c.Args...)
}

// Addr is host:port.
func (r *Redis) Addr() string { return local(r.port) }

// Port is the port of [Redis.Addr].
func (r *Redis) Port() int { return r.port }

// Dir is the folder of the data.
func (r *Redis) Dir() string { return r.dir }

// Logs returns the output of all runs.
func (r *Redis) Logs() *Log { return r.log }

// Kill9 kills the server and checks that its port refuses.
func (r *Redis) Kill9() {
	r.t.Helper()
	if err := errors.Join(r.Process.Kill9(), Refuses(r.Addr())); err != nil {
		r.t.Fatal(err)
	}
}

// Restart starts a server that was killed or stopped again, on the same port and data, and waits until it answers.
func (r *Redis) Restart() {
	r.t.Helper()
	if r.Running() {
		r.t.Fatal("restarting redis: it is still running, kill or stop it first")
	}
	if err := r.launch(); err != nil {
		r.t.Fatal(err)
	}
}

// Do sends one command and returns the first line of the answer, without its type byte. It is for the checks of the bed itself;
// errors of the server come back as errors.
func (r *Redis) Do(ctx context.Context, words ...string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", r.Addr())
	if err != nil {
		return "", fmt.Errorf("dialing redis: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return "", fmt.Errorf("setting the deadline: %w", err)
		}
	}
	if _, err := conn.Write(encodeCommand(words)); err != nil {
		return "", fmt.Errorf("sending %s: %w", words[0], err)
	}
	return readReply(bufio.NewReader(conn))
}

func encodeCommand(words []string) []byte {
	out := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, word := range words {
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(word), word)
	}
	return out
}

func readReply(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("reading the reply: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case strings.HasPrefix(line, "-"):
		return "", fmt.Errorf("asking redis: %s", line[1:])
	case strings.HasPrefix(line, "$") && line != "$-1":
		size, err := strconv.Atoi(line[1:])
		if err != nil {
			return "", fmt.Errorf("reading the reply %q: %w", line, err)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(in, body); err != nil {
			return "", fmt.Errorf("reading the reply: %w", err)
		}
		return string(body), nil
	case line == "":
		return "", errors.New("reading the reply: empty line")
	}
	return line[1:], nil
}

// Must sends one command whose failure ends the test, and returns the answer.
func (r *Redis) Must(words ...string) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := r.Do(ctx, words...)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

func (r *Redis) launch() error {
	process, err := start(r.name, command{path: r.binary, args: r.args(r), dir: r.dir}, r.log)
	if err != nil {
		return err
	}
	r.Process = process
	return process.poll(20*time.Millisecond, patience, func(ctx context.Context) error { return r.ready(ctx, r) })
}

// ping is nil once the server answers requests.
func ping(ctx context.Context, r *Redis) error {
	answer, err := r.Do(ctx, "PING")
	if err == nil && answer != "PONG" {
		err = fmt.Errorf("asking redis: PING was answered %q", answer)
	}
	return err
}

// info is nil once INFO of a section has a line for each field and value.
func (r *Redis) info(ctx context.Context, section string, want ...string) error {
	answer, err := r.Do(ctx, "INFO", section)
	if err != nil {
		return err
	}
	for _, line := range want {
		if !strings.Contains(answer, line) {
			return fmt.Errorf("asking redis: INFO %s has no %q", section, line)
		}
	}
	return nil
}
