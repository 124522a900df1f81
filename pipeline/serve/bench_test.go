package serve

import (
	"bytes"
	"fmt"
	"testing"
)

// go test -bench . -benchtime 1s ./pipeline/serve

func BenchmarkApply(b *testing.B) {
	cfg := testConfig(1)
	var inds string
	for i := range 4 {
		name := fmt.Sprintf("ema(%d)", 10+i)
		cfg.Instances = append(cfg.Instances, InstanceMeta{Name: name, Outputs: []string{"value"}})
		if i > 0 {
			inds += ","
		}
		inds += fmt.Sprintf(`"%s":{"v":[64010.0021],"n":1042,"fl":1,"seq":988,"ver":"9f3c1a77"}`, name)
	}
	const batch, warm, total = 100, 25000, 75000
	recs := make([]Record, total)
	for i := range recs {
		so := int64(i)
		m := testBar(fmt.Sprintf("SYM%d", so%20), so, so)
		m.values = 0
		v := m.json()
		v = append(append(v[:len(v)-1], `,"ind":{`+inds...), `}}`...)
		recs[i] = Record{Offset: so, So: so, Value: v}
	}
	b.ReportAllocs()
	var h *Hub
	at := total
	for b.Loop() {
		if at == total { // a view that is full, as it is after the first hours
			b.StopTimer()
			h, at = NewHub(cfg), warm
			h.Apply(0, recs[:warm])
			b.StartTimer()
		}
		h.Apply(0, recs[at:at+batch])
		at += batch
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/record")
}

// BenchmarkResume is a client that missed 200 bars with their values.
func BenchmarkResume(b *testing.B) {
	h := testHub(1)
	for i := range int64(300) {
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
	}
	const missed = 200 * 3
	id := fmt.Sprintf("v1.k3.%s", appendPoint(nil, point{so: 99}))
	for b.Loop() {
		s := stream(b, h, "s=A@1m:kline,ema(3),macd(2,3,2)", id)
		if got, err := drainNow(s); err != nil || bytes.Count(got, []byte("\nevent: ")) < missed {
			b.Fatalf("%d bytes: %v", len(got), err)
		}
		s.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*missed), "ns/event")
}

func BenchmarkPublishPerSubscriber(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := testHub(1)
			subs := make([]*Subscriber, n)
			for i := range subs {
				subs[i] = stream(b, h, "s=A@1m", "")
				read(b, subs[i])
			}
			m := testBar("A", 1, 0)
			m.values, m.final = 0, false
			forming := [][]byte{m.json()}
			b.ReportAllocs()
			for b.Loop() {
				h.Forming(0, forming)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/subscriber")
		})
	}
}

func BenchmarkKlines500(b *testing.B) {
	h := testHub(1)
	for i := range int64(600) {
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
	}
	b.ReportAllocs()
	for b.Loop() {
		get(b, h, "/v1/klines?sym=A&itv=1m&limit=500")
	}
}
