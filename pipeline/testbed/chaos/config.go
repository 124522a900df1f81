//go:build unix

package chaos

import (
	"fmt"
	"os"
	"time"
)

const (
	session    = 6 * time.Second // session_timeout of the nodes
	brokers    = 3
	viewBars   = 100
	lateness   = 10 * time.Second
	partitions = 6
	keyPrefix  = "chaos"
	prefix     = "c."
)

// intervals are those of the nodes. Not days: within a run they would not end.
var intervals = []string{"1s", "5s", "15s", "1m", "5m", "1h"}

// Config says what to run.
type Config struct {
	// Binary is the caddy to break.
	Binary string
	// Duration is how long faults go on; starting, healing and comparing come on top.
	Duration time.Duration
	// Seed makes the plan and the trades.
	Seed uint64
	// Delivery is "transactional" or "idempotent". The latter is for exactly one node.
	Delivery string
	// Source is "kafka", three real brokers, or "embedded", the broker in the node. Default: kafka in transactional mode, else embedded.
	Source string
	// Nodes is the number of Caddy processes, 1 to 5.
	Nodes int
	// Symbols is how many symbols trade; there are six series of each.
	Symbols int
	// Rate is the number of trades a second over all symbols.
	Rate float64
	// Streams is the number of SSE clients, each of which goes to another node every few seconds by itself.
	Streams int
	// Keep is a folder for the logs of a run that failed. Default: a new one in the system's folder of temporary files.
	Keep string
}

func (c Config) kafka() bool { return c.Source == "kafka" }

// WithDefaults fills in what is not set and checks the rest.
func (c Config) WithDefaults() (Config, error) {
	if c.Delivery == "" {
		c.Delivery = "transactional"
	}
	if c.Source == "" {
		c.Source = map[string]string{"transactional": "kafka", "idempotent": "embedded"}[c.Delivery]
	}
	if c.Nodes == 0 {
		c.Nodes = map[string]int{"transactional": 3, "idempotent": 1}[c.Delivery]
	}
	switch {
	case c.Delivery != "transactional" && c.Delivery != "idempotent":
		return c, fmt.Errorf("checking the run: delivery %q (allowed: transactional, idempotent)", c.Delivery)
	case c.Source != "kafka" && c.Source != "embedded":
		return c, fmt.Errorf("checking the run: source %q (allowed: kafka, embedded)", c.Source)
	case c.Delivery == "idempotent" && c.Nodes != 1:
		return c, fmt.Errorf("checking the run: %d nodes with delivery idempotent, which is for exactly one", c.Nodes)
	case c.Source == "embedded" && c.Delivery == "transactional":
		return c, fmt.Errorf("checking the run: the embedded broker has no transactions that survive a kill: use -delivery idempotent")
	case c.Nodes < 1 || c.Nodes > 5 || c.Symbols < 1 || c.Symbols > 5000 || c.Rate <= 0 || c.Streams < 0 || c.Streams > 1000 || c.Duration <= 0:
		return c, fmt.Errorf("checking the run: %d nodes (1-5), %d symbols (1-5000), %v trades/s, %d streams (0-1000), %v", c.Nodes, c.Symbols, c.Rate, c.Streams, c.Duration)
	}
	if _, err := os.Stat(c.Binary); err != nil {
		return c, fmt.Errorf("finding the binary: %w: `make build` makes bin/caddy", err)
	}
	return c, nil
}

// Command is what repeats the plan of this run.
func (c Config) Command() string {
	return fmt.Sprintf("scripts/chaos.sh -seed %d -duration %v -delivery %s -source %s -nodes %d -symbols %d -rate %v -streams %d",
		c.Seed, c.Duration, c.Delivery, c.Source, c.Nodes, c.Symbols, c.Rate, c.Streams)
}
