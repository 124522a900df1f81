package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// transferLimit is how long one command may take on a busy machine.
const transferLimit = 5 * time.Minute

// running is one command under way.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer
	end chan error
}

// begin starts a command on the configuration of the bed and does not wait for it.
func (b *bed) begin(args ...string) *running {
	b.t.Helper()
	r := &running{t: b.t, end: make(chan error, 1)}
	r.cmd = exec.Command(os.Getenv("KLINE_BIN"), append([]string{"kline", args[0], args[1], "--config", b.node.ConfigFile()}, args[2:]...)...)
	home := b.t.TempDir()
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = home, &r.out, &r.out
	r.cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home)
	if err := r.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	go func() { r.end <- r.cmd.Wait() }()
	b.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

// wait fails the test where the command failed.
func (r *running) wait() string {
	r.t.Helper()
	select {
	case err := <-r.end:
		if err != nil {
			r.t.Fatalf("%v: %v\n%s", r.cmd.Args, err, r.out.String())
		}
	case <-time.After(transferLimit):
		r.t.Fatalf("%v has not ended within %v", r.cmd.Args, transferLimit)
	}
	return r.out.String()
}

// within waits until ok, and tells whether that came before the command had ended
// by itself.
func (r *running) within(ok func() bool) bool {
	r.t.Helper()
	for deadline := time.Now().Add(transferLimit); !ok(); time.Sleep(time.Millisecond) {
		select {
		case err := <-r.end:
			if err != nil {
				r.t.Fatalf("%v: %v\n%s", r.cmd.Args, err, r.out.String())
			}
			return false
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%v has not come far enough within %v\n%s", r.cmd.Args, transferLimit, r.out.String())
		}
	}
	return true
}

// doneRows is how many rows a state file says are done.
func doneRows(state string) (s struct {
	Rows int64 `json:"rows"`
	Done bool  `json:"done"`
}) {
	text, err := os.ReadFile(state)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		s.Rows = -1
	}
	return s
}

// importKilled imports a file and kills the command each time another part of it
// is done. It returns how often it was killed in the middle.
func (b *bed) importKilled(file string, rows int64, parts int, args ...string) (killed int) {
	b.t.Helper()
	state := filepath.Join(b.t.TempDir(), "state")
	args = append([]string{"import", "trades", file, "--state", state}, args...)
	for i := range int64(parts) {
		r := b.begin(append(args, "--rate", "1500")...)
		if !r.within(func() bool { return doneRows(state).Rows >= rows*(i+1)/int64(parts+1) }) {
			return killed // this machine was so busy that it came too late
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // before, within or behind an acknowledgement
		_ = r.cmd.Process.Kill()                                     // it may have ended
		<-r.end
		if s := doneRows(state); !s.Done && s.Rows < rows {
			killed++
		}
	}
	out := b.begin(args...).wait()
	if killed > 0 && !strings.Contains(out, "where it had stopped") {
		b.t.Errorf("after %d kills the import says\n%s", killed, out)
	}
	return killed
}

// exportedRow is a kline of the topic as an export in CSV writes it.
func exportedRow(k *oracle.Kline) string {
	return strings.Join([]string{
		k.Symbol, k.Interval, fmt.Sprint(k.Open), fmt.Sprint(k.End), string(k.O), string(k.H), string(k.L), string(k.C), string(k.V), string(k.QV), fmt.Sprint(k.N),
		string(k.BV), string(k.BQV), string(k.VWAP), strings.Trim(string(k.First), `"`), strings.Trim(string(k.Last), `"`), fmt.Sprint(k.Revision),
	}, ",")
}

// revisions are the rows of the topic, and the newest revision of each bar.
func (b *bed) revisions() (rows map[string]bool, newest map[string]int) {
	b.t.Helper()
	rows, newest = map[string]bool{}, map[string]int{}
	l := b.read()
	for i := range l.klines.Klines {
		k := &l.klines.Klines[i]
		rows[exportedRow(k)] = true
		bar := fmt.Sprint(k.Symbol, ",", k.Interval, ",", k.Open)
		newest[bar] = max(newest[bar], int(k.Revision))
	}
	return rows, newest
}

// exportedBars reads an export: each bar once, and its row.
func exportedBars(t *testing.T, text string) map[string]string {
	t.Helper()
	bars := map[string]string{}
	for i, line := range slices.Collect(strings.Lines(text)) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if i == 0 {
			continue
		}
		bar := strings.Join(fields[:3], ",")
		if _, twice := bars[bar]; twice {
			t.Errorf("the export has %s twice", bar)
		}
		bars[bar] = strings.Join(fields[:17], ",")
	}
	return bars
}

// exportsWhile exports klines again and again until done reports true. What an
// export shows is on the topic, and nothing is missing that was there when it began.
func (b *bed) exportsWhile(done func() bool) {
	b.t.Helper()
	grown := map[int]bool{}
	for i := 0; ; i++ {
		last := done()
		_, before := b.revisions()
		bars := exportedBars(b.t, b.exported(fmt.Sprintf("while%d.csv", i)))
		rows, _ := b.revisions()
		for bar, row := range bars {
			if !rows[row] {
				b.t.Fatalf("the export has a row that is not on the topic: %s %s", bar, row)
			}
		}
		for bar, rev := range before {
			fields := strings.Split(bars[bar], ",")
			if got, err := strconv.Atoi(fields[len(fields)-1]); err != nil || got < rev {
				b.t.Fatalf("%s was on the topic as revision %d when the export began, it has %q", bar, rev, bars[bar])
			}
		}
		grown[len(bars)] = true
		if last {
			b.t.Logf("%d exports while trades came, of %d different lengths", i+1, len(grown))
			return
		}
	}
}

// On a real Kafka: an import that is killed again and again is the file, nothing
// twice and nothing missing; exports meanwhile are of one moment; verify agrees;
// and the trades that were exported, imported into topics of another number of
// partitions, give the same klines, byte for byte.
func TestServersImportAndExportOnKafka_A06(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	a := start(t, s.place(3), "")
	const until = "2024-08-24T00:00:00Z"
	lines := midnight(t)
	rows := map[string]int64{}
	for _, l := range lines {
		rows[l.Symbol]++
	}
	killed := a.importKilled(midnightFile(t, "BTCUSDT"), rows["BTCUSDT"], 4, "--symbol", "BTCUSDT")
	second := a.begin("import", "trades", midnightFile(t, "ETHUSDT"), "--symbol", "ETHUSDT", "--state", filepath.Join(t.TempDir(), "eth"), "--complete-until", until, "--rate", "8000")
	var ended error
	a.exportsWhile(func() bool {
		select {
		case ended = <-second.end:
			return true
		default:
			return false
		}
	})
	if ended != nil {
		t.Fatalf("the second import: %v\n%s", ended, second.out.String())
	}
	a.settle(2 * time.Minute)
	l := a.check(allIntervals, true)
	ids := map[string]bool{}
	for _, tr := range l.input.Trades {
		ids[tr.Symbol+" "+tr.ID] = true
	}
	if len(ids) != len(lines) || len(l.refused) > 0 {
		t.Errorf("the topic has %d trades, the files have %d; %d were refused: %v", len(ids), len(lines), len(l.refused), l.reasons)
	}
	if again := int64(len(l.input.Trades) - len(lines)); again > int64(killed)*10_000 {
		t.Errorf("%d records came twice over %d kills", again, killed)
	}
	if killed == 0 {
		t.Error("the import was never killed in the middle")
	}
	t.Logf("%d kills, %d records for %d trades", killed, len(l.input.Trades), len(lines))
	out, err := a.verify("--rest", a.http)
	if err != nil || !strings.Contains(out, "\nequal\n") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	a.tradesComeBack(lines)
	first := a.exported("first.csv", "--indicators", "all")
	if got, want := strings.Count(first, "\n")-1, len(newestRows(l)); got != want {
		t.Errorf("the export has %d bars, the topic %d", got, want)
	}

	file := filepath.Join(t.TempDir(), "trades.csv.gz")
	a.mustKline("export", "trades", "--output", file)
	b := start(t, s.place(5), "")
	killed = b.importKilled(file, int64(len(lines)), 2, "--complete-until", until)
	b.settle(2 * time.Minute)
	b.check(allIntervals, true)
	if again := b.exported("again.csv", "--indicators", "all"); again != first {
		t.Errorf("the klines of the trades that were exported and imported differ: %d and %d bytes", len(again), len(first))
	}
	if out, err := b.verify("--rest", b.http); err != nil || !strings.Contains(out, "\nequal\n") {
		t.Errorf("verify of the second topics: %v\n%s", err, out)
	}
	t.Logf("there and back over %d more kills", killed)
}
