package pipeline

import (
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// PartitionState says what a partition's owner does.
type PartitionState string

// The states of a partition.
const (
	// StateUnassigned: this node does not own the partition.
	StateUnassigned PartitionState = "unassigned"
	// StateRestoring: the checkpoint and the journal are being read.
	StateRestoring PartitionState = "restoring"
	// StateRunning: records are being applied.
	StateRunning PartitionState = "running"
	// StateFailed: something was lost that only an operator can decide about.
	StateFailed PartitionState = "failed"
)

// PartitionStatus is one partition of the input topic as /v1/status shows it.
type PartitionStatus struct {
	Partition int32          `json:"partition"`
	State     PartitionState `json:"state"`
	// Next is the offset of the next input record to apply.
	Next int64 `json:"next"`
	// Lag is the number of input records that wait.
	Lag int64 `json:"lag"`
	// Watermark is the event time (ms) up to which its sources are read, that of
	// the slowest which is not silent; 0 before the first trade.
	Watermark int64 `json:"watermark"`
	// Sources are those that have trades here, the slowest that counts first, at
	// most 32. The slice is not changed any more.
	Sources []SourceStatus `json:"sources,omitempty"`
	// Symbols is the number of symbols seen in the partition.
	Symbols int `json:"symbols"`
	// Error says why the partition failed, in words for the operator.
	Error string `json:"error,omitempty"`
}

// FeedStatus is one feed as /v1/status shows it.
type FeedStatus struct {
	Source string `json:"source"`
	State  string `json:"state"`
	Trades int64  `json:"trades"`
	Error  string `json:"error,omitempty"`
	// Report is what a feed from a venue tells of itself.
	*feed.Report
}

// Status is what the engine tells about itself.
type Status struct {
	// Ready tells that all partitions are owned and running, the view was
	// loaded and the lag is below its limit.
	Ready bool `json:"ready"`
	// Reasons says in words why Ready is false.
	Reasons []string `json:"reasons,omitempty"`
	// Degraded names what is away while reads go on: source, store, feed,
	// partitioning, indicators.
	Degraded []string `json:"degraded"`
	// Delivery is the mode of writing: "transactional" or "idempotent".
	Delivery string `json:"delivery"`
	// Node is this node's name in the group.
	Node string `json:"node"`
	// Broker is the address of the embedded broker, empty with another source.
	Broker string `json:"broker,omitempty"`
	// Cluster is the identity of the input: a hash of cluster and topic ids.
	Cluster  string `json:"cluster,omitempty"`
	Epoch    int32  `json:"epoch"`
	Position string `json:"pos"`
	// Watermark is the lowest of the partitions that this node works on, without
	// those whose sources are all silent; 0 before the first trade. Bars close
	// watermark_delay behind the watermark of their own source.
	Watermark  int64             `json:"watermark"`
	Partitions []PartitionStatus `json:"partitions"`
	Feeds      []FeedStatus      `json:"feeds,omitempty"`
	// Histories are the databases that follow, in the order of the configuration.
	Histories []history.Status `json:"histories,omitempty"`
	Store     string           `json:"store"`
}
