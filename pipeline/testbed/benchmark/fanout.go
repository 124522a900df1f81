package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// deliveries is how many events all subscribers together get in a second: the rate of the design's table.
const deliveries = 40_000

// fanout measures what one delivered event costs the server, ours against the plain handler in the same binary, both fed by the same
// records of a topic of klines.
func (b *bench) fanout() error {
	if b.yard == "" {
		return errNoYardstick
	}
	seconds := 5
	if b.quick {
		seconds = 3
	}
	for _, n := range []int{100, 1000} {
		var ratios, ours, connects []float64
		for round := range b.rounds {
			plainCost, plainCrowd, err := b.serveCrowd("plain", n, seconds)
			if err != nil {
				return err
			}
			ourCost, ourCrowd, err := b.serveCrowd("kline", n, seconds)
			if err != nil {
				return err
			}
			say("round %d N=%d kline %.2f us an event, %.0f bytes, %.2f events a read, p50 %.1f p99 %.1f ms; plain %.2f us, %.0f bytes, %.2f events a read, p50 %.1f p99 %.1f ms",
				round+1, n, ourCost, per(ourCrowd.Bytes, ourCrowd), float64(ourCrowd.Events)/float64(ourCrowd.Reads), ourCrowd.P50, ourCrowd.P99,
				plainCost, per(plainCrowd.Bytes, plainCrowd), float64(plainCrowd.Events)/float64(plainCrowd.Reads), plainCrowd.P50, plainCrowd.P99)
			ratios, ours = append(ratios, ourCost/plainCost), append(ours, ourCost)
			connects = append(connects, float64(n)/ourCrowd.Connected.Seconds())
		}
		// The goal of the shard with one write per socket is 0.65; with a goroutine and a flush per stream parity is what can be asked.
		b.figure(fmt.Sprintf("sse_cpu_over_plain_ratio[%d]", n), median(ratios), "<=", 1)
		b.note(fmt.Sprintf("sse_cpu_us_per_event[%d]", n), median(ours))
		b.note(fmt.Sprintf("sse_connects_per_second[%d]", n), median(connects))
	}
	return nil
}

func per(total int64, c crowd) float64 { return float64(total) / float64(c.Events) }

// serveCrowd runs one server with n subscribers of one series and returns its CPU per delivered event in us.
func (b *bench) serveCrowd(kind string, n, seconds int) (float64, crowd, error) {
	var c crowd
	b.next++
	topic := fmt.Sprint("quiet-", b.next)
	if err := b.create(topic, 1); err != nil {
		return 0, c, err
	}
	s, err := b.space(topic)
	if err != nil {
		return 0, c, err
	}
	site, path, err := b.crowdSite(kind, s)
	if err != nil {
		return 0, c, err
	}
	rate := deliveries / n
	p, err := newBarWriter(s)
	if err != nil {
		return 0, c, err
	}
	defer p.client.Close()
	if err := p.write(5, rate); err != nil { // the series exists before somebody asks for it
		return 0, c, err
	}
	last := int64(5 + seconds*rate)
	crowdOf, err := b.accompany("streams", "-addr", site.url, "-path", path, "-n", strconv.Itoa(n), "-last", strconv.FormatInt(last, 10))
	if err != nil {
		return 0, c, err
	}
	before, err := processCPU(site.cmd.Process.Pid)
	if err != nil {
		return 0, c, err
	}
	if err := p.write(seconds*rate, rate); err != nil {
		return 0, c, err
	}
	if err := crowdOf.result(&c); err != nil {
		return 0, c, err
	}
	after, err := processCPU(site.cmd.Process.Pid)
	if err != nil {
		return 0, c, err
	}
	if _, err := site.stop(); err != nil {
		return 0, c, err
	}
	return float64((after - before).Microseconds()) / float64(c.Events), c, nil
}

// crowdSite starts a server and waits until it answers. Its url is the bare host:port.
func (b *bench) crowdSite(kind string, s space) (*site, string, error) {
	ports, err := b.ports(1)
	if err != nil {
		return nil, "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", ports[0])
	config, path := fmt.Sprintf("{\n\tadmin off\n}\nhttp://%s {\n\thandle /ready {\n\t\trespond ok\n\t}\n\troute /plain {\n\t\tplain_stream %s %sklines\n\t}\n}\n", addr, s.addr, s.prefix), "/plain"
	if kind == "kline" {
		path = "/v1/stream?s=CROWD@1s"
		config = fmt.Sprintf(`{
	admin off
	kline {
		source kafka {
			brokers %s
			topics %s
			group %s
			output_prefix %s
		}
		node bench
		intervals 1s
	}
}
http://%s {
	handle /v1/stream {
		kline_stream {
			max_streams_per_ip 100000
		}
	}
	handle /v1/* {
		klines
	}
	handle /ready {
		respond ok
	}
}
`, s.addr, s.topic, s.group, s.prefix, addr)
	}
	site, err := b.serve(b.yard, b.dir, config)
	if err != nil {
		return nil, "", err
	}
	site.url = addr
	return site, path, site.until("the server", 20*time.Second, func() bool {
		if kind == "kline" {
			var st status
			return get("http://"+addr+"/v1/status", &st) == nil && st.Ready
		}
		return answers("http://" + addr + "/ready")
	})
}

// barWriter writes closed bars of one series straight into the topic of klines.
type barWriter struct {
	client *kgo.Client
	topic  string
	seq    int64
}

func newBarWriter(s space) (*barWriter, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return nil, fmt.Errorf("making a producer: %w", err)
	}
	return &barWriter{client: client, topic: s.names().Name(kafka.Klines)}, nil
}

// write sends n bars at a steady rate, whatever the servers do, and waits for their acknowledgement.
func (w *barWriter) write(n, rate int) error {
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		w.client.Produce(context.Background(), w.next(), nil)
	}
	if err := w.client.Flush(context.Background()); err != nil {
		return fmt.Errorf("writing bars: %w", err)
	}
	return nil
}

// next is the next bar; the id of its last trade is the time of sending in ns.
func (w *barWriter) next() *kgo.Record {
	w.seq++
	open := 1_795_239_360_000 + w.seq*1000
	k := core.Kline{
		Symbol: "CROWD", Interval: "1s", OpenTime: open, CloseTime: open + 999, PriceScale: 2, SizeScale: 5,
		O: 6_401_210, H: 6_402_000, L: 6_400_050, C: 6_401_001, N: 42, First: core.TradeID{Kind: core.IDInt, Num: w.seq},
		Last: core.TradeID{Kind: core.IDInt, Num: time.Now().UnixNano()}, Final: true, Seq: w.seq, Epoch: 1, So: w.seq, Watermark: open + 1500,
	}
	number := strconv.AppendInt(nil, w.seq, 10)
	return &kgo.Record{
		Topic: w.topic, Key: wire.AppendKlineKey(nil, k.Symbol, k.Interval, open), Value: wire.AppendKline(nil, &k, nil),
		Headers: []kgo.RecordHeader{{Key: wire.HeaderOffset, Value: number}, {Key: wire.HeaderOrdinal, Value: []byte("0")}},
	}
}
