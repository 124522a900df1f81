package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// verify runs the command on the topics of the bed, as an operator does.
func (b *bed) verify(args ...string) (string, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	return b.node.Command(ctx, append([]string{"kline", "verify", "--config", b.node.ConfigFile()}, args...)...)
}

// forge appends a record to klines, as a broken writer would.
func (b *bed) forge(key, value, so, sk string, partition int32) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kcat", "-b", b.place.brokers(), "-P", "-t", b.place.topic("klines"), "-p", fmt.Sprint(partition),
		"-K", "\t", "-H", "so="+so, "-H", "sk="+sk, "-H", "ct=kline/json;1")
	cmd.Stdin = strings.NewReader(key + "\t" + value)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("producing with kcat: %v\n%.500s", err, out)
	}
}

// lastKline is the newest record of a bar of a series.
func (b *bed) lastKline(series string) (last oracle.Record) {
	b.t.Helper()
	err := oracle.Kcat(b.t.Context(), b.place.brokers(), b.place.topic("klines"), func(r oracle.Record) error {
		if r.Headers["k"] == "" && r.Payload != nil && strings.Contains(*r.Payload, series) {
			last = r
		}
		return nil
	})
	if err != nil || last.Payload == nil {
		b.t.Fatalf("no kline of %s: %v", series, err)
	}
	return last
}

// The command and the oracle are two witnesses of the same topics: on trades in
// every order they must agree that all is right, and that a forged record is
// wrong.
func TestEmbeddedVerifyAgreesWithTheOracle(t *testing.T) {
	t.Parallel()
	lines := repeated(shuffled(midnight(t), 20_000, 5), 0.2, 5)
	b := start(t, newEmbedded(t, 2), "allowed_lateness 5s")
	b.kcat(text(lines))
	b.settle(time.Minute)
	b.heartbeat("ticks", lines[len(lines)-1].TS+15*24*3600*1000)
	b.settle(time.Minute)
	l := b.check(allIntervals, true)
	if l.reasons["too_late"] == 0 {
		t.Error("no trade was too late: the scenario proves less than it says")
	}
	out, err := b.verify("--rest", b.http)
	if err != nil {
		t.Fatalf("verify found differences where the oracle finds none: %v", err)
	}
	t.Log("\n" + out)
	want := fmt.Sprintf("trades: %d = ", len(l.input.Trades)+len(l.input.Bad))
	if !strings.Contains(out, want) || !strings.Contains(out, "\nequal\n") || strings.Contains(out, " 0 indicator values") || strings.Contains(out, " 0 bars in views") {
		t.Errorf("want %q, values, bars in views and equal in\n%s", want, out)
	}
	b.kill()
	if out, err = b.verify(); err != nil || !strings.Contains(out, "\nequal\n") {
		t.Errorf("with the node killed: %v\n%s", err, out)
	}
	b.node.Restart()
	b.ready()

	last := b.lastKline(`"sym":"BTCUSDT","itv":"1m"`)
	var k oracle.Kline
	if err := json.Unmarshal([]byte(*last.Payload), &k); err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(*last.Payload, `"h":"`, `"h":"9`, 1)
	b.forge(last.Key, forged, last.Headers["so"], "999", last.Partition)
	again := b.read()
	out, err = b.verify("--indicators", "none")
	if err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Fatalf("a forged record: %v, want exit status 1\n%s", err, out)
	}
	for _, want := range []string{"BTCUSDT 1m ", fmt.Sprintf("(%d)", k.Open), "seq in klines: expected", "differences:"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	report := oracle.Compare(&again.klines, oracle.Bars(again.input.Trades, oracle.Options{Intervals: intervals(t, allIntervals...), WatermarkDelayMS: 500, AllClosed: true, Refused: again.refused}))
	if report.Err() == nil {
		t.Error("the oracle finds nothing wrong with the forged record")
	}
}

// On real servers the command also has transactions and Redis to read.
func TestServersVerifyComparesRedisToo(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	p := s.place(3)
	b := start(t, p, "")
	lines := repeated(shuffled(midnight(t), 5000, 9), 0.1, 9)
	b.kcat(text(lines))
	b.settle(time.Minute)
	b.kill()
	b.node.Restart()
	b.ready()
	b.heartbeat(p.topic("ticks"), lines[len(lines)-1].TS+15*24*3600*1000)
	b.settle(time.Minute)
	b.check(allIntervals, true)
	b.viewBecomes(patience, p.name, defaultViewBars, p.redis) // it follows the topic
	rest, err := b.verify("--no-redis", "--rest", b.http)
	if err != nil {
		t.Fatal(err)
	}
	both, err := b.verify("--rest", b.http)
	if err != nil {
		t.Fatal(err)
	}
	if views(t, both) != 2*views(t, rest) || views(t, rest) == 0 {
		t.Errorf("REST and Redis must show the same bars:\n%s\n%s", rest, both)
	}
}

// views reads how many bars of views a report has compared.
func views(t *testing.T, report string) (n int) {
	t.Helper()
	at := strings.Index(report, " bars in views")
	if at < 0 {
		t.Fatalf("no views in\n%s", report)
	}
	if _, err := fmt.Sscan(report[strings.LastIndexByte(report[:at], ' ')+1:at], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What cannot be compared is no difference: it has an exit code of its own.
func TestEmbeddedVerifySaysWhatItCannotDo(t *testing.T) {
	b := start(t, newEmbedded(t, 1), "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--brokers", "127.0.0.1:1", "--topic", "ticks", "--intervals", "1x"}, "1x"},
		{[]string{"--topic", "nothing"}, "nothing"},
		{[]string{"--topic", "a b"}, "--topic"},
		{[]string{"--indicators", "nonsense(3)"}, "nonsense"},
	} {
		out, err := b.verify(c.args...)
		if err == nil || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(out, c.want) {
			t.Errorf("%v: %v, want exit status 2 and %q\n%s", c.args, err, c.want, out)
		}
	}
}
