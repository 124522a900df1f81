//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BinaryConfig says what to run.
type BinaryConfig struct {
	// Path is the program. Default: the environment variable KL_CADDY_BIN.
	Path string
	// Config is the text of a Caddyfile. It is written into the folder of the child and given to "run".
	Config string
	// Args replaces "run --config FILE --adapter caddyfile".
	Args []string
	// Env is added to the environment. XDG_DATA_HOME, XDG_CONFIG_HOME and HOME are in the child's folder already, so that no test
	// sees the certificates and the autosaved config of the user or of another test.
	Env []string
}

// Binary is a child process of the built caddy. Its folder, and so its data, stays over kills and restarts.
type Binary struct {
	*Process
	t      testing.TB
	config BinaryConfig
	dir    string
	log    *Log
	mark   int // position in log where the present run begins
}

// StartBinary starts the program and returns at once; wait with [Binary.WaitURL] or [Binary.WaitLog]. It is killed at the end of
// the test, and its log is printed when the test failed.
func StartBinary(t testing.TB, config BinaryConfig) *Binary {
	t.Helper()
	if config.Path == "" {
		config.Path = os.Getenv("KL_CADDY_BIN")
	}
	if config.Path == "" {
		t.Skip("not run: no caddy binary: build one and name it in KL_CADDY_BIN")
	}
	path, err := filepath.Abs(config.Path)
	if err != nil {
		t.Fatalf("finding the binary: %v", err)
	}
	config.Path = path
	b := &Binary{t: t, config: config, dir: t.TempDir(), log: newLog()}
	t.Cleanup(func() {
		if b.Process != nil {
			b.cleanup(t)
		}
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", filepath.Base(path), b.log.Tail(100))
		}
	})
	b.SetConfig(config.Config)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if version, err := b.Command(ctx, "version"); err == nil {
		t.Logf("%s: %s", filepath.Base(path), strings.TrimSpace(version))
	}
	b.launch()
	return b
}

// Dir is the folder of the child: working directory, home, data and config.
func (b *Binary) Dir() string { return b.dir }

// ConfigFile is the path of the Caddyfile that the child was started with.
func (b *Binary) ConfigFile() string { return filepath.Join(b.dir, "Caddyfile") }

// SetConfig rewrites the Caddyfile, for the next restart or a reload.
func (b *Binary) SetConfig(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.ConfigFile(), []byte(text), 0o600); err != nil {
		b.t.Fatalf("writing the Caddyfile: %v", err)
	}
}

// SetEnv replaces what is added to the environment, for the next restart.
func (b *Binary) SetEnv(env ...string) { b.config.Env = env }

// Logs returns the output of all runs.
func (b *Binary) Logs() *Log { return b.log }

// Kill9 kills the process group and checks that each address given refuses.
func (b *Binary) Kill9(addrs ...string) {
	b.t.Helper()
	errs := []error{b.Process.Kill9()}
	for _, addr := range addrs {
		errs = append(errs, Refuses(addr))
	}
	if err := errors.Join(errs...); err != nil {
		b.t.Fatal(err)
	}
}

// Restart starts a child that was killed or stopped again, in the same folder.
func (b *Binary) Restart() {
	b.t.Helper()
	if b.Running() {
		b.t.Fatal("restarting the binary: it is still running, kill or stop it first")
	}
	b.launch()
}

// Command runs the program with args in the child's folder and environment (reload, validate, subcommands) and returns what it
// printed.
func (b *Binary) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.config.Path, args...)
	cmd.Dir, cmd.Env = b.dir, b.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("running %s %s: %w\n%s", filepath.Base(b.config.Path), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// WaitURL polls url every 20 ms until it answers 200, and returns the body. The test fails after limit, or when the child ends.
func (b *Binary) WaitURL(url string, limit time.Duration) []byte {
	b.t.Helper()
	client := &http.Client{Timeout: patience / 3} // an answer may be long in coming, and another node may have to be asked anew
	defer client.CloseIdleConnections()
	var body []byte
	err := b.poll(20*time.Millisecond, limit, func(ctx context.Context) error {
		var err error
		body, err = get(ctx, client, url)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return body
}

// WaitLog waits until the present run has logged a line that contains text, and returns it. The test fails after limit.
func (b *Binary) WaitLog(text string, limit time.Duration) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	line, err := b.log.Wait(ctx, b.mark, text)
	if err != nil {
		b.t.Fatal(err)
	}
	return line
}

func (b *Binary) launch() {
	b.t.Helper()
	args := b.config.Args
	if args == nil {
		args = []string{"run", "--config", b.ConfigFile(), "--adapter", "caddyfile"}
	}
	b.mark = b.log.Mark()
	process, err := start(filepath.Base(b.config.Path), command{path: b.config.Path, args: args, dir: b.dir, env: b.environment()}, b.log)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Process = process
}

func (b *Binary) environment() []string {
	env := append(os.Environ(),
		"HOME="+b.dir,
		"XDG_DATA_HOME="+filepath.Join(b.dir, "data"),
		"XDG_CONFIG_HOME="+filepath.Join(b.dir, "config"))
	return append(env, b.config.Env...)
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", url, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s: status %d: %.200q", url, response.StatusCode, body)
	}
	return body, nil
}
