//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// PostgresConfig says how a PostgreSQL is set up.
type PostgresConfig struct {
	// DiskMiB puts the data on a file system of its own of that size, so that it can become full. It needs root. Default: none.
	DiskMiB int
	// Settings are appended to the command line, name=value.
	Settings []string
}

// Postgres is one PostgreSQL server with the database kline. Its programs are those of the newest version below /usr/lib/postgresql,
// or of the folder in KL_POSTGRES_BIN.
type Postgres struct {
	*Process
	t        testing.TB
	bin      string
	dir      string
	port     int
	settings []string
	owner    *syscall.Credential // nil: as the test
	log      *Log
}

// StartPostgres makes a database in a folder of its own, starts the server and waits until it answers. It is killed at the end of
// the test. The server refuses to run as root: started by root it runs as the user postgres.
func StartPostgres(t testing.TB, config PostgresConfig) *Postgres {
	t.Helper()
	p := &Postgres{t: t, bin: postgresBin(t), settings: config.Settings, log: newLog()}
	p.owner = postgresUser(t)
	p.makeDir(config.DiskMiB)
	t.Cleanup(func() {
		if p.Process != nil {
			p.cleanup(t)
		}
		if t.Failed() {
			t.Logf("end of the log of PostgreSQL:\n%s", p.log.Tail(30))
		}
	})
	p.run("initdb", "-D", p.data(), "-A", "trust", "-U", "kline", "--no-sync", "-E", "UTF8", "--locale=C")
	p.port = FreePorts(t, 1)[0]
	p.launch()
	p.run("createdb", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "kline", "kline")
	t.Log(strings.TrimSpace(p.run("postgres", "--version")))
	return p
}

// Addr is host:port.
func (p *Postgres) Addr() string { return local(p.port) }

// Logs returns the output of all runs.
func (p *Postgres) Logs() *Log { return p.log }

// Query runs SQL with psql, the server's own client, and returns the rows, one a line, columns separated by tabs.
func (p *Postgres) Query(sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "psql", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "kline", "-d", "kline",
		"-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking PostgreSQL: %w: %.300q", err, out)
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// Must is Query whose failure ends the test.
func (p *Postgres) Must(sql string) string {
	p.t.Helper()
	out, err := p.Query(sql)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// Admit puts a line in front of those of pg_hba.conf, which trust everybody.
func (p *Postgres) Admit(line string) {
	p.t.Helper()
	file := filepath.Join(p.data(), "pg_hba.conf")
	old, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append([]byte(line+"\n"), old...), 0o600) // #nosec G306 -- it is there already, and keeps its owner
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.Must("select pg_reload_conf()")
}

// Secure takes the certificate, the key and the authority of a folder that [Authority.Write] has filled, and speaks TLS from then on.
func (p *Postgres) Secure(dir string) {
	p.t.Helper()
	for from, to := range map[string]string{"own.crt": "server.crt", "own.key": "server.key", "ca.crt": "root.crt"} {
		body, err := os.ReadFile(filepath.Join(dir, from))
		file := filepath.Join(p.data(), to)
		if err == nil {
			err = os.WriteFile(file, body, 0o600)
		}
		if err == nil && p.owner != nil {
			err = os.Chown(file, int(p.owner.Uid), int(p.owner.Gid))
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	for _, sql := range []string{"alter system set ssl = on", "alter system set ssl_ca_file = 'root.crt'", "select pg_reload_conf()"} {
		p.Must(sql)
	}
}

// Kill9 kills the postmaster with SIGKILL and checks that its port refuses. Its children see that it is gone and end.
func (p *Postgres) Kill9() {
	p.t.Helper()
	if err := errors.Join(p.Process.Kill9(), Refuses(p.Addr())); err != nil {
		p.t.Fatal(err)
	}
}

// Restart starts a server that was killed or stopped again, on the same port and data.
func (p *Postgres) Restart() {
	p.t.Helper()
	if p.Running() {
		p.t.Fatal("restarting PostgreSQL: it is still running, kill or stop it first")
	}
	p.launch()
}

// launch starts the server as often as it says that its predecessor's children have not ended yet.
func (p *Postgres) launch() {
	p.t.Helper()
	args := []string{"-D", p.data(), "-p", strconv.Itoa(p.port), "-k", p.dir, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=40"}
	for _, s := range p.settings {
		args = append(args, "-c", s)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		process, err := start("postgres", command{path: filepath.Join(p.bin, "postgres"), args: args, dir: p.dir, user: p.owner}, p.log)
		if err == nil {
			p.Process = process
			err = process.poll(50*time.Millisecond, patience, p.answers)
		}
		if err == nil {
			return
		}
		if ended := (*exitError)(nil); !errors.As(err, &ended) || time.Now().After(deadline) {
			p.t.Fatal(err)
		}
	}
}

// answers is nil once the server takes requests; the database of that name is always there.
func (p *Postgres) answers(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, filepath.Join(p.bin, "pg_isready"), "-h", "127.0.0.1", "-p", strconv.Itoa(p.port)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("asking pg_isready: %w: %s", err, out)
	}
	return nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// makeDir makes a folder that the server's user reaches; the test's own temporary folder is closed to others.
func (p *Postgres) makeDir(diskMiB int) {
	p.t.Helper()
	dir, err := os.MkdirTemp("", "kline-postgres-")
	if err != nil {
		p.t.Fatal(err)
	}
	p.dir = dir
	p.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if diskMiB > 0 {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", diskMiB)); err != nil {
			p.t.Skipf("not run: a file system of its own cannot be mounted (%v): run as root", err)
		}
		p.t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
	if p.owner == nil {
		return
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, int(p.owner.Uid), int(p.owner.Gid))); err != nil {
		p.t.Fatal(err)
	}
}

// run executes a program of the server as its user.
func (p *Postgres) run(program string, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, program), args...)
	cmd.Dir = p.dir
	if p.owner != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("running %s: %v\n%s", program, err, out)
	}
	return string(out)
}

// postgresUser is who the server runs as when the test is root.
func postgresUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skipf("not run: PostgreSQL refuses to run as root and there is no user postgres (%v): run scripts/install-test-deps.sh postgres", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// postgresBin is the folder of the programs, which Debian keeps out of PATH.
func postgresBin(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("KL_POSTGRES_BIN"); dir != "" {
		return dir
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_isready")
	if path, err := exec.LookPath("pg_isready"); len(found) == 0 && err == nil {
		found = []string{path}
	}
	if len(found) == 0 {
		t.Skip("not run: PostgreSQL is missing: run scripts/install-test-deps.sh postgres")
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
	return filepath.Dir(found[len(found)-1])
}

// Dir is the folder of the server, and with [PostgresConfig.DiskMiB] its file system.
func (p *Postgres) Dir() string { return p.dir }
