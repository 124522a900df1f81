//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// node is one Caddy of the run, on the same ports and folder over all its lives.
type node struct {
	number      int
	http, admin string // URL, host:port
	source      string // blocks of its Caddyfile
	store       string
	binary      *server.Binary
	links       []*link      // to each broker; none with the embedded one
	died        atomic.Int64 // times it ended without having been killed
}

// config is the Caddyfile with further words in the kline block.
func (n *node) config(words string) string {
	return fmt.Sprintf(`{
	admin %s
	kline {
		%s
		%s
		intervals %s
		allowed_lateness %v
		view_bars %d
		node chaos-%d
		%s
	}
}
%s {
	handle /v1/stream {
		kline_stream {
			max_streams_per_ip 10000
		}
	}
	handle /v1/* {
		klines {
			rate 100000 100000
		}
	}
}
`, n.admin, n.source, n.store, strings.Join(intervals, " "), lateness, viewBars, n.number, words, n.http)
}

// check notes a node that is not there although nobody has killed it.
func (n *node) check() {
	if !n.binary.Running() {
		n.died.Add(1)
	}
}

// kill ends the node with SIGKILL; a node that ended by itself before is noted.
func (n *node) kill() {
	n.check()
	n.binary.Kill9(strings.TrimPrefix(n.http, "http://"))
}

// answers waits until the node says that it lives, for limit at most.
func (n *node) answers(limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if code, _, err := ask(http.MethodGet, n.http+"/v1/health", ""); err == nil && code == http.StatusOK {
			return true
		}
	}
	return false
}

// reload gives the node a configuration while it runs, as `caddy reload` does.
func (n *node) reload(config string) (code int, answer string, err error) {
	return ask(http.MethodPost, "http://"+n.admin+"/load", config)
}

// status is the part of /v1/status that is looked at.
type status struct {
	Ready      bool     `json:"ready"`
	Reasons    []string `json:"reasons"`
	Degraded   []string `json:"degraded"`
	Cluster    string   `json:"cluster"`
	Partitions []struct {
		Partition int32  `json:"partition"`
		State     string `json:"state"`
		Lag       int64  `json:"lag"`
		Error     string `json:"error"`
	} `json:"partitions"`
}

// status asks the node; false if it does not answer.
func (n *node) status() (status, bool) {
	var s status
	code, body, err := ask(http.MethodGet, n.http+"/v1/status", "")
	ok := err == nil && code == http.StatusOK && json.Unmarshal([]byte(body), &s) == nil
	return s, ok
}

// ask makes one request on a connection of its own: those of a killed node, or of an admin endpoint that was reloaded, are of no use.
func ask(method, url, config string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if method == http.MethodGet {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, 2*time.Second)
		defer stop()
	}
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(config))
	if err != nil {
		return 0, "", fmt.Errorf("asking %s: %w", url, err)
	}
	if config != "" {
		request.Header.Set("Content-Type", "text/caddyfile")
		request.Header.Set("Cache-Control", "must-revalidate")
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", fmt.Errorf("asking %s: %w", url, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", fmt.Errorf("reading %s: %w", url, err)
	}
	return response.StatusCode, string(body), nil
}
