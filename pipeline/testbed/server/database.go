//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Database is one server that is spoken to over HTTP: ClickHouse, QuestDB or InfluxDB. Its data stay over kills and restarts.
type Database struct {
	*Process
	t       testing.TB
	name    string
	command func(d *Database) command
	ready   string // path that answers 2xx once requests are taken
	query   func(d *Database, sql string) (path string, query url.Values)
	dir     string
	port    int
	others  []int // further ports of its own
	log     *Log
}

// StartClickHouse starts clickhouse-server in a folder of its own and waits until it answers. It is killed at the end of the test.
func StartClickHouse(t testing.TB) *Database {
	t.Helper()
	binary := lookup(t, "clickhouse-server", "KL_CLICKHOUSE_BIN", "run scripts/install-test-deps.sh clickhouse")
	d := &Database{t: t, name: "clickhouse", ready: "/ping", others: FreePorts(t, 1), query: func(_ *Database, sql string) (string, url.Values) {
		return "/", url.Values{"query": {sql}}
	}}
	d.command = func(d *Database) command {
		d.write("config.xml", fmt.Sprintf(`<yandex><logger><level>warning</level><console>1</console></logger>
	<http_port>%d</http_port><tcp_port>%d</tcp_port><listen_host>127.0.0.1</listen_host>
	<path>%[3]s/data/</path><tmp_path>%[3]s/tmp/</tmp_path><users_config>users.xml</users_config>
	<default_profile>default</default_profile><default_database>default</default_database><mark_cache_size>67108864</mark_cache_size></yandex>`,
			d.port, d.others[0], d.dir))
		d.write("users.xml", `<yandex><profiles><default><max_memory_usage>2000000000</max_memory_usage></default></profiles>
	<users><default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
	<quotas><default><interval><duration>3600</duration><queries>0</queries><errors>0</errors><result_rows>0</result_rows><read_rows>0</read_rows><execution_time>0</execution_time></interval></default></quotas></yandex>`)
		return command{path: binary, args: []string{"--config-file=" + filepath.Join(d.dir, "config.xml")}, dir: d.dir}
	}
	d.begin()
	t.Logf("clickhouse: %s", d.Must("SELECT version()"))
	return d
}

// StartQuestDB starts the jar in KL_QUESTDB_JAR, or of .cache/questdb of the repository, and waits until it answers. It is killed at
// the end of the test.
func StartQuestDB(t testing.TB) *Database {
	t.Helper()
	java := lookup(t, "java", "KL_JAVA_BIN", "run scripts/install-test-deps.sh java")
	jar := questJar(t)
	d := &Database{t: t, name: "questdb", ready: "/ping", others: FreePorts(t, 2), query: func(_ *Database, sql string) (string, url.Values) {
		if !strings.HasPrefix(strings.ToLower(sql), "select") {
			return "/exec", url.Values{"query": {sql}}
		}
		return "/exp", url.Values{"query": {sql}, "nm": {"true"}} // CSV without a head
	}}
	d.command = func(d *Database) command {
		env := append(os.Environ(), "QDB_HTTP_BIND_TO="+d.Addr(), "QDB_HTTP_MIN_NET_BIND_TO="+local(d.others[0]), "QDB_PG_NET_BIND_TO="+local(d.others[1]),
			"QDB_LINE_TCP_ENABLED=false", "QDB_TELEMETRY_ENABLED=false", "QDB_LINE_AUTO_CREATE_NEW_COLUMNS=false", "QDB_LINE_AUTO_CREATE_NEW_TABLES=false")
		return command{path: java, args: []string{"-Xmx1g", "-Djava.io.tmpdir=" + t.TempDir(), "--add-opens=java.base/java.lang=ALL-UNNAMED", "-cp", jar, "io.questdb.ServerMain", "-d", d.dir}, dir: d.dir, env: env}
	}
	d.begin()
	t.Logf("questdb: %s", filepath.Base(jar))
	return d
}

// StartInfluxDB starts influxd 1.x and waits until it answers. It is killed at the end of the test.
func StartInfluxDB(t testing.TB) *Database {
	t.Helper()
	binary := lookup(t, "influxd", "KL_INFLUXD_BIN", "run scripts/install-test-deps.sh influxdb")
	if version, err := exec.Command(binary, "version").Output(); err == nil {
		t.Log(strings.TrimSpace(string(version)))
	}
	d := &Database{t: t, name: "influxdb", ready: "/ping", others: FreePorts(t, 1), query: func(_ *Database, sql string) (string, url.Values) {
		return "/query", url.Values{"q": {sql}, "db": {"kline"}}
	}}
	d.command = func(d *Database) command {
		d.write("influx.conf", fmt.Sprintf("reporting-disabled = true\nbind-address = %q\n[meta]\n dir = %q\n[data]\n dir = %q\n wal-dir = %q\n max-series-per-database = 0\n[http]\n bind-address = %q\n log-enabled = false\n",
			local(d.others[0]), filepath.Join(d.dir, "meta"), filepath.Join(d.dir, "data"), filepath.Join(d.dir, "wal"), d.Addr()))
		return command{path: binary, args: []string{"run", "-config", filepath.Join(d.dir, "influx.conf")}, dir: d.dir}
	}
	d.begin()
	return d
}

func questJar(t testing.TB) string {
	t.Helper()
	if jar := os.Getenv("KL_QUESTDB_JAR"); jar != "" {
		return jar
	}
	root, err := exec.Command("git", "rev-parse", "--path-format=absolute", "--git-common-dir").Output()
	if err != nil {
		t.Skipf("not run: the repository's cache was not found (%v): name the jar in KL_QUESTDB_JAR", err)
	}
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), ".cache", "questdb", "questdb-*.jar"))
	if len(found) == 0 {
		t.Skip("not run: QuestDB is missing: run scripts/install-test-deps.sh questdb")
	}
	return found[len(found)-1]
}

// begin makes the folder and starts the server for the first time.
func (d *Database) begin() {
	d.t.Helper()
	d.dir, d.log, d.port = d.t.TempDir(), newLog(), FreePorts(d.t, 1)[0]
	d.t.Cleanup(func() {
		if d.Process != nil {
			d.cleanup(d.t)
		}
		if d.t.Failed() {
			d.t.Logf("end of the log of %s:\n%s", d.name, d.log.Tail(30))
		}
	})
	d.launch()
}

func (d *Database) launch() {
	d.t.Helper()
	process, err := start(d.name, d.command(d), d.log)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Process = process
	err = process.poll(50*time.Millisecond, patience, func(ctx context.Context) error {
		_, err := d.do(ctx, http.MethodGet, d.ready, nil, "")
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *Database) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// Addr is host:port of the HTTP interface.
func (d *Database) Addr() string { return local(d.port) }

// Kill9 kills the server and checks that its port refuses.
func (d *Database) Kill9() {
	d.t.Helper()
	if err := errors.Join(d.Process.Kill9(), Refuses(d.Addr())); err != nil {
		d.t.Fatal(err)
	}
}

// Restart starts a server that was killed or stopped again, on the same port and data, and waits until it answers.
func (d *Database) Restart() {
	d.t.Helper()
	if d.Running() {
		d.t.Fatalf("restarting %s: it is still running, kill or stop it first", d.name)
	}
	d.launch()
}

// Query asks in the server's own language and returns its answer: lines of columns separated by tabs (ClickHouse), CSV (QuestDB), or
// JSON (InfluxDB).
func (d *Database) Query(sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	path, query := d.query(d, sql)
	method := http.MethodGet
	if d.name == "clickhouse" {
		method = http.MethodPost // a GET of ClickHouse only reads
	}
	answer, err := d.do(ctx, method, path, query, "")
	return strings.TrimRight(strings.ReplaceAll(answer, "\r", ""), "\n"), err
}

// Must is Query whose failure ends the test.
func (d *Database) Must(sql string) string {
	d.t.Helper()
	answer, err := d.Query(sql)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer
}

// Number is Must for an answer that is one number.
func (d *Database) Number(sql string) int {
	d.t.Helper()
	answer := d.Must(sql)
	n, err := strconv.Atoi(answer)
	if err != nil {
		d.t.Fatalf("%s answers %q to %q, want a number", d.name, answer, sql)
	}
	return n
}

func (d *Database) do(ctx context.Context, method, path string, query url.Values, body string) (string, error) {
	u := url.URL{Scheme: "http", Host: d.Addr(), Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", d.name, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking %s: %w", d.name, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer of %s: %w", d.name, err)
	}
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("asking %s: status %d: %.300q", d.name, resp.StatusCode, answer)
	}
	return string(answer), nil
}
