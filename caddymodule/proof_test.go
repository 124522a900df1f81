package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/embedded"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/verify"
)

// proofBed is a Caddyfile with an embedded broker that no node runs.
type proofBed struct {
	t       *testing.T
	file    string
	dir     string
	listen  string
	cluster kafka.Cluster
	broker  *embedded.Broker
}

func newProofBed(t *testing.T) *proofBed {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	b := &proofBed{t: t, dir: filepath.Join(t.TempDir(), "broker"), listen: freeAddress(t)}
	b.file = filepath.Join(t.TempDir(), "Caddyfile")
	text := fmt.Sprintf("{\n\tkline {\n\t\tsource embedded {\n\t\t\tdata_dir %s\n\t\t\tlisten %s\n\t\t}\n\t\tintervals 1s 1m\n\t}\n}\n", b.dir, b.listen)
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// freeAddress is one that nobody listens on. Its port is below those that the
// system gives to connections, or one of these could have it before we do, and
// below those of the test bed, whose tests run beside ours.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(10_000)))
		if err == nil {
			_ = l.Close() // only the port is wanted
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// open starts the broker on its folder, as a node would.
func (b *proofBed) open() {
	b.t.Helper()
	m := &pipeline.EmbeddedSource{Dir: b.dir, Listen: b.listen, Partitions: 1, Retention: 64 << 20}
	var err error
	b.broker, err = embedded.Start(embedded.Config{DataDir: b.dir, Listen: b.listen, Partitions: 1, Topics: m.EmbeddedTopics()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(b.broker.Close)
	b.cluster = kafka.Cluster{Brokers: []string{b.broker.Addr()}}
}

func (b *proofBed) send(topic string, recs []kafka.TradeRecord) {
	b.t.Helper()
	p, err := kafka.NewProducer(kafka.ProducerConfig{Cluster: b.cluster, Topic: topic})
	if err != nil {
		b.t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(b.t.Context(), recs); err != nil {
		b.t.Fatal(err)
	}
}

// command runs a command as `caddy kline <name> args`, and returns what it
// wrote to stdout.
func (b *proofBed) command(name string, args ...string) (code int, out string, err error) {
	b.t.Helper()
	c, run := verifyCommand(), runVerify
	if name == "replay" {
		c, run = replayCommand(), func(fl caddycmd.Flags) (int, error) { return runReplay(fl, fl.Args()) }
	}
	if b.file != "" {
		args = append([]string{"--config", b.file, "--adapter", "caddyfile"}, args...)
	}
	if err := c.ParseFlags(args); err != nil {
		b.t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(b.t.TempDir(), "stdout"))
	if err != nil {
		b.t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = file
	code, err = run(caddycmd.Flags{FlagSet: c.Flags()})
	os.Stdout = stdout
	_ = file.Close() // everything is in it
	text, rerr := os.ReadFile(file.Name())
	if rerr != nil {
		b.t.Fatal(rerr)
	}
	return code, string(text), err
}

const proofTrades = 600

// proofRecords are trades, ten a second.
func proofRecords() []kafka.TradeRecord {
	var recs []kafka.TradeRecord
	for i := range proofTrades {
		ts := begin + int64(i)*100
		recs = append(recs, kafka.TradeRecord{Key: []byte("BTCUSD"), Timestamp: ts,
			Value: fmt.Appendf(nil, `{"symbol":"BTCUSD","price":"%d.25","size":"0.5","ts":%d,"id":%d,"side":"buy"}`, 100+i%13, ts, i+1)})
	}
	return recs
}

// reset commits offset 0 for the group of the node, as an operator does who sets it back.
func (b *proofBed) reset() {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Brokers...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	at := kadm.Offsets{}
	at.AddOffset("ticks", 0, 0, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(b.t.Context(), "caddy-kline", at); err != nil {
		b.t.Fatal(err)
	}
}

// Where everything lies behind the range, nothing differs: that proves nothing.
func TestVerifyOfNothingIsNoProof(t *testing.T) {
	b := newProofBed(t)
	b.open()
	b.send("ticks", proofRecords())
	if code, _, err := b.command("replay", "--to-prefix", "again."); code != 0 || err != nil {
		t.Fatalf("%d %v", code, err)
	}
	b.reset()
	if code, out, err := b.command("verify", "--prefix", "again."); code != exitUnable || err == nil || !strings.Contains(err.Error(), "nothing was compared") {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	if code, out, err := b.command("verify", "--prefix", "again.", "--group", ""); code != 0 || err != nil || !strings.Contains(out, "\nequal\n") {
		t.Fatalf("without the group: %d %v\n%s", code, err, out)
	}
}

func TestReplayAndVerifyAgree(t *testing.T) {
	b := newProofBed(t)
	if code, _, err := b.command("verify"); code != exitUnable || err == nil || !strings.Contains(err.Error(), "no broker answers at "+b.listen) {
		t.Fatalf("without a log: %d %v", code, err)
	}
	b.open()
	b.send("ticks", proofRecords())
	if code, out, err := b.command("verify"); code != 0 || err != nil || !strings.Contains(out, "input 0 to 0 of 600") {
		t.Fatalf("a node that has published nothing: %d %v\n%s", code, err, out)
	}
	code, lines, err := b.command("replay", "--indicators", "sma(5)")
	if code != 0 || err != nil || strings.Count(lines, "\n") != 59 || !strings.Contains(lines, `"sma(5)"`) {
		t.Fatalf("%d %v: %d lines", code, err, strings.Count(lines, "\n"))
	}
	if code, _, err = b.command("replay", "--to-prefix", "again."); code != 0 || err != nil {
		t.Fatalf("%d %v", code, err)
	}
	code, out, err := b.command("verify", "--prefix", "again.")
	if code != 0 || err != nil || !strings.Contains(out, "trades: 596 = 596 in bars") || !strings.Contains(out, "\nequal\n") || strings.Contains(out, " 0 indicator values") {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	// The node is gone: the command opens the log itself.
	b.broker.Close()
	if code, out, err = b.command("verify", "--prefix", "again.", "--indicators", "none"); code != 0 || err != nil || !strings.Contains(out, "\nequal\n") {
		t.Fatalf("without a broker: %d %v\n%s", code, err, out)
	}
	b.open()
	b.forge("again.klines")
	code, out, err = b.command("verify", "--prefix", "again.")
	if code != 1 || err == nil || !strings.Contains(err.Error(), "differences") {
		t.Fatalf("a forged record: %d %v\n%s", code, err, out)
	}
	for _, want := range []string{"BTCUSD 1s ", "repeat differs", "differences:"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// forge repeats the newest kline with another close.
func (b *proofBed) forge(topic string) {
	b.t.Helper()
	last, ok, err := kafka.LastRecord(context.Background(), b.cluster, topic, 0, func(r *kafka.Rec) bool { return strings.Contains(string(r.Value), `"itv":"1s"`) })
	if err != nil || !ok {
		b.t.Fatal(err)
	}
	b.send(topic, []kafka.TradeRecord{
		{Key: last.Key, Value: []byte(strings.Replace(string(last.Value), `"c":"`, `"c":"9`, 1)), Headers: last.Headers, Timestamp: last.Timestamp, Explicit: true},
		{Key: last.Key, Value: []byte(strings.Replace(string(last.Value), `"t":`, `"t":1`, 1)), Headers: []kafka.Header{{Key: "so", Value: []byte("599")}, {Key: "sk", Value: []byte("77")}}, Timestamp: last.Timestamp, Explicit: true},
	})
}

// The Redis view is compared by its keys, as any client reads them.
func TestVerifyComparesRedis(t *testing.T) {
	b := newProofBed(t)
	server := miniredis.RunT(t)
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "intervals 1s 1m", "intervals 1s 1m\n\t\tstore redis {\n\t\t\taddress "+server.Addr()+"\n\t\t}", 1))
	if err := os.WriteFile(b.file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b.open()
	b.send("ticks", proofRecords())
	if code, _, err := b.command("replay", "--to-prefix", "again.", "--indicators", "none"); code != 0 || err != nil {
		t.Fatalf("%d %v", code, err)
	}
	layout, err := kafka.Ensure(t.Context(), b.cluster, kafka.Topics{Input: "ticks", Prefix: "again."}, kafka.EnsureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("kl:{%s.0}:bar:6:BTCUSD2:1s", layout.Mapping)
	err = kafka.ReadRange(t.Context(), b.cluster, "again.klines", 0, 0, 59, func(r kafka.Rec) bool {
		server.HSet(key, string(r.Key[strings.LastIndexByte(string(r.Key), '|')+1:]), "0000000000000001.000000000|"+string(r.Value))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	verify := func() (int, string, error) {
		return b.command("verify", "--prefix", "again.", "--indicators", "none", "--intervals", "1s")
	}
	code, out, err := verify()
	if code != 0 || err != nil || !strings.Contains(out, "59 bars in views") {
		t.Fatalf("%d %v\n%s", code, err, out)
	}
	field := fmt.Sprint(begin + 5000)
	server.HSet(key, field, strings.Replace(server.HGet(key, field), `"l":"1`, `"l":"2`, 1))
	if code, out, err = verify(); code != 1 || err == nil || !strings.Contains(out, "l in redis: expected 1") {
		t.Fatalf("a changed field: %d %v\n%s", code, err, out)
	}
	server.HDel(key, field)
	if code, out, err = verify(); code != 1 || err == nil || !strings.Contains(out, "missing in redis") {
		t.Fatalf("a missing field: %d %v\n%s", code, err, out)
	}
	server.Close()
	if code, _, err = verify(); code != exitUnable || err == nil || !strings.Contains(err.Error(), "reaching redis") {
		t.Errorf("without redis: %d %v", code, err)
	}
	if code, out, err = b.command("verify", "--prefix", "again.", "--indicators", "none", "--intervals", "1s", "--no-redis"); code != 0 || err != nil {
		t.Errorf("left out: %d %v\n%s", code, err, out)
	}
}

func TestProofCommandsSayWhatIsWrong(t *testing.T) {
	b := newProofBed(t)
	b.open()
	for _, c := range []struct {
		name, args, want string
	}{
		{"verify", "--topic nothing", "nothing"},
		{"verify", "--prefix a/b", "--prefix"},
		{"verify", "--intervals 1Min", "write 1m"},
		{"verify", "--indicators foo(1)", "foo"},
		{"verify", "--rest localhost:8080", `--rest: "localhost:8080" is not an address such as http://localhost:8080`},
		{"verify", "--rest ftp://localhost", "--rest"},
		{"replay", "--from 10 --to 5", "--from and --to: the range is empty"},
		{"replay", "--from 2026-11-20T00:00:00Z --to 2026-11-19T00:00:00Z", "the range is empty"},
		{"replay", "--speed fast", "unrecognized speed"},
		{"replay", "--format xml", "neither jsonl nor csv"},
		{"replay", "--to-prefix a/b", "--to-prefix"},
		{"replay", "--from yesterday", "neither an offset nor a time"},
		{"replay", "--symbols <b>", "not a symbol"},
		{"replay", "--verify", "has committed nothing"},
		{"replay", "--verify --from 3", "leave --from"},
		{"replay", "nothing.csv", "nothing.csv"},
		{"replay", "nothing.csv --verify", "leave the file out"},
		{"replay", "nothing.csv --from 3", "played whole"},
	} {
		code, out, err := b.command(c.name, strings.Fields(c.args)...)
		if code != exitUnable || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %d %v, want %q\n%s", c.name, c.args, code, err, c.want, out)
		}
	}
}

// A file of trades, the lengths of the bars and the indicators are all there is
// to say: no Caddyfile, no broker.
func TestAFileIsReplayedWithoutAConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	b := &proofBed{t: t}
	trades := "symbol,price,size,ts,id,side\n"
	for i := range 4 {
		trades += fmt.Sprintf("A,%d,2,%d,%d,buy\n", 10+i, 1700000040000+i*60_000, i)
	}
	if err := os.WriteFile("trades.csv", []byte(trades), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, err := b.command("replay", "trades.csv", "--intervals", "1m", "--indicators", "sma(2)", "--format", "csv")
	const want = "A,1m,1700000100000,1700000159999,11,11,11,11,2,22,1,2,22,11,0,2,10.5\n"
	if code != 0 || err != nil || strings.Count(out, "\n") != 3 || !strings.Contains(out, want) {
		t.Errorf("%d %v, want %q in\n%s", code, err, want, out)
	}
	if code, _, err := b.command("replay"); code != exitUnable || err == nil || !strings.Contains(err.Error(), "no configuration is named") {
		t.Errorf("a topic without a configuration: %d %v", code, err)
	}
}

// An import writes the generic form and says so: a source with a format of its own
// reads it by that.
func TestImportIntoASourceWithAFormatOfItsOwn(t *testing.T) {
	b := newProofBed(t)
	text, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "\t\t\tdata_dir", "\t\t\tformat generic {\n\t\t\t\tsize amount\n\t\t\t\tts time\n\t\t\t\ttime_unit s\n\t\t\t}\n\t\t\tdata_dir", 1))
	file := filepath.Join(t.TempDir(), "trades.csv")
	trades := "symbol,price,size,ts,id,side\n"
	for i := range 4 {
		trades += fmt.Sprintf("A,%d,2,%d,%d,buy\n", 10+i, 1700000040000+i*60_000, i)
	}
	if err := errors.Join(os.WriteFile(b.file, text, 0o600), os.WriteFile(file, []byte(trades), 0o600)); err != nil {
		t.Fatal(err)
	}
	b.open()
	cmd := &cobra.Command{Use: "kline", SilenceUsage: true, SilenceErrors: true}
	command().CobraFunc(cmd)
	cmd.SetArgs([]string{"import", "trades", file, "--config", b.file, "--adapter", "caddyfile"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	code, out, err := b.command("replay", "--intervals", "1m", "--indicators", "none", "--format", "csv", "--no-journal")
	if want := "A,1m,1700000100000,1700000159999,11,11,11,11,2,22,1,"; code != 0 || err != nil || !strings.Contains(out, want) {
		t.Errorf("%d %v, want %q in\n%s", code, err, want, out)
	}
}

func TestReportsNameTotalsAndReasons(t *testing.T) {
	r := &verify.Report{Ranges: []verify.Range{{Partition: 2, From: 5, To: 9, End: 12}}, Notes: []string{"a sentence"}}
	r.Trades, r.InBars, r.Late, r.Unaccounted, r.Differences = 9, 5, 3, 1, 130
	r.ByField, r.Reasons = map[string]int64{"klines h": 130}, map[string]int64{"gone": 4}
	var out strings.Builder
	printReport(&out, r, 100)
	for _, want := range []string{"and 30 more", "partition 2: input 5 to 9 of 12", "trades: 9 = 5 in bars + 0 duplicate + 3 late + 0 rejected + 1 UNACCOUNTED", "not provable: 4, gone", "note: a sentence", "130 x klines h"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\nequal\n") {
		t.Error("unequal topics are called equal")
	}
}
