package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// ingested is an answer of POST /v1/trades.
type ingested struct{ Accepted, Duplicate, Refused int }

// sends posts lines until they are answered with 200, as a client should.
func sends(t *testing.T, address, lines string) (got ingested, tries int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		tries++
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(lines))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-User", "ann")
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(&got)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK && err == nil {
				return got, tries
			}
		}
		if time.Now().After(end) {
			t.Fatalf("the trades are not taken: %v, %v", resp, err)
		}
	}
}

func TestEmbeddedIngestedTradesSurviveKills_A06(t *testing.T) {
	t.Parallel()
	g := newGuest(t, "")
	site := fmt.Sprintf("http://127.0.0.1:%d", server.FreePorts(t, 1)[0])
	config := g.config("", site+" {\n\tkline_ingest {\n\t\tidentity {http.request.header.X-User}\n\t}\n}\n")
	if err := os.WriteFile(g.node.ConfigFile(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g.reload(config)
	stop, killer := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killer)
		for {
			select {
			case <-stop:
				return
			case <-time.After(1500 * time.Millisecond):
			}
			g.kill()
			g.node.Restart()
			g.ready()
		}
	}()
	const batches, each = 60, 20
	retried := 0
	for n := range batches {
		var lines strings.Builder
		for i := range each {
			fmt.Fprintf(&lines, `{"symbol":"ING%d","price":"%d.5","size":"0.1","ts":%d,"id":%d,"side":"buy"}`+"\n", i%3, 100+i, time.Now().UnixMilli(), n*each+i+1)
		}
		got, tries := sends(t, site+"/v1/trades", lines.String())
		if got.Accepted+got.Duplicate != each || got.Refused != 0 {
			t.Fatalf("%+v", got)
		}
		retried += tries - 1
		time.Sleep(100 * time.Millisecond)
	}
	close(stop)
	<-killer
	g.settle(time.Minute)
	ids := map[int64]bool{}
	err := oracle.Kcat(t.Context(), g.place.brokers(), "ticks", func(r oracle.Record) error {
		var tr struct{ ID int64 }
		if r.Headers["src"] == "ingest/ann" && r.Headers["traceparent"] != "" {
			if err := json.Unmarshal([]byte(*r.Payload), &tr); err != nil {
				return err
			}
			ids[tr.ID] = true
		}
		return nil
	})
	if err != nil || len(ids) != batches*each {
		t.Errorf("%d of %d acknowledged trades are on the topic: %v", len(ids), batches*each, err)
	}
	time.Sleep(5 * time.Second)
	g.check(allIntervals, false)
	t.Logf("%d trades, %d requests sent again", batches*each, retried)
}
