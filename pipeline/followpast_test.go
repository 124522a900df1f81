package pipeline

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// bars counts the final 1s bars of A that the view has.
func (b *bed) bars() int {
	b.t.Helper()
	q, problem := b.e.Hub().ParseKlines(url.Values{"sym": {"A"}, "itv": {"1s"}, "limit": {"1000"}, "closed": {"1"}}, 1000)
	if problem != nil {
		b.t.Fatal(problem)
	}
	answer, err := b.e.Hub().Klines(b.t.Context(), q)
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.Count(string(answer.Body), `"final":true`)
}

func TestAViewBeginsNearTheEndAndGrowsToThePast(t *testing.T) {
	b := newBed(t)
	now := time.Now().UnixMilli()
	base := now - now%60_000 - 900_000
	var ts []string
	for i := range 500 {
		ts = append(ts, trade(i+1, base+int64(i)*1000, fmt.Sprint(100+i%9)))
	}
	b.produce(ts...)
	b.await("the bars of all seconds", func() bool { return countKlines(b.topic(kafka.Klines), `"itv":"1s"`) >= 498 && b.bars() >= 498 })
	b.stop()
	b.tail = 100
	b.start()
	// The view has a bar before the piece that it came with is done.
	b.await("the bars from before the tail, and the word that nothing is missing", func() bool {
		return b.bars() >= 498 && !slices.ContainsFunc(b.e.Status().Degraded, func(d string) bool { return strings.HasPrefix(d, "history") })
	})
}
