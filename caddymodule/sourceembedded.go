package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/embedded"
)

// The bounds of the embedded broker. It keeps an index entry in memory for each
// stored batch for ever, so more than 512 MiB of log is refused.
const (
	maxRetention  = 512 << 20
	minRetention  = 64 << 20
	maxPartitions = 64
)

// EmbeddedSource consumes trades from a broker inside this process, kept on
// disk. Killing the process loses nothing; a loss of power may cost the tail
// unless sync is on. The broker has no authentication.
type EmbeddedSource struct {
	// DataDir is the folder of the broker's log. Default: kline/broker in Caddy's data folder.
	DataDir string `json:"data_dir,omitempty"`
	// Listen is the address of the broker; whoever reaches it may read and write. Default: 127.0.0.1:9092.
	Listen string `json:"listen,omitempty"`
	// Partitions is the number of partitions of the topic of trades, fixed when the log is created. Default: 1.
	Partitions int `json:"partitions,omitempty"`
	// Retention bounds the log in bytes, all topics together, 64 to 512 MiB. Default: 536870912.
	Retention int64 `json:"retention,omitempty"`
	// Sync writes each batch through to the disk. Default: false.
	Sync bool `json:"sync,omitempty"`
	// Format says how a trade is written in a record. Default: the generic JSON.
	Format *adapter.Format `json:"format,omitempty"`

	dir    string
	listen string
}

// CaddyModule returns the Caddy module information.
func (EmbeddedSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.sources.embedded", New: func() caddy.Module { return new(EmbeddedSource) }}
}

// UnmarshalCaddyfile reads
//
//	source embedded {
//		data_dir <folder>
//		listen <host:port>
//		partitions <number>
//		retention <size>
//		sync
//		format generic {
//			price <path>
//			time_unit s|ms|us|ns|rfc3339
//			side_of taker|maker|none
//		}
//	}
func (s *EmbeddedSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	return parseBlock(d, "embedded", []word{
		text("data_dir", &s.DataDir),
		text("listen", &s.Listen),
		count("partitions", &s.Partitions, 1, maxPartitions),
		{name: "retention", read: s.readRetention},
		toggle("sync", &s.Sync),
		{name: "format", read: func(d *caddyfile.Dispenser) error { return parseFormat(d, &s.Format, adapter.PresetGeneric) }},
	})
}

// Provision expands placeholders. It touches neither the folder nor the port.
func (s *EmbeddedSource) Provision(caddy.Context) error {
	repl := caddy.NewReplacer()
	dir, err := expand(repl, "data_dir", s.DataDir)
	if err != nil {
		return err
	}
	if dir == "" {
		dir = filepath.Join(caddy.AppDataDir(), "kline", "broker")
	}
	// Two spellings of one folder are one broker.
	if s.dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("checking data_dir: %w", err)
	}
	if s.listen, err = expand(repl, "listen", s.Listen); err != nil {
		return err
	}
	if s.listen == "" {
		s.listen = "127.0.0.1:9092"
	}
	return nil
}

// Validate checks address and bounds.
func (s *EmbeddedSource) Validate() error {
	_, port, err := net.SplitHostPort(s.listen)
	if err != nil || port == "" {
		return fmt.Errorf("checking listen: %q is not host:port", cut(s.listen))
	}
	if _, err := parseCount(port, 0, 65535); err != nil { // 0 is any that is free
		return fmt.Errorf("checking listen: port of %q: %w", cut(s.listen), err)
	}
	if s.Partitions < 0 || s.Partitions > maxPartitions {
		return fmt.Errorf("checking partitions: %d is not in 1 to %d", s.Partitions, maxPartitions)
	}
	if err := s.checkRetention(); err != nil {
		return err
	}
	return checkFormat(s.Format, adapter.PresetGeneric)
}

// readRetention also checks the bounds, since here file and line are known.
func (s *EmbeddedSource) readRetention(d *caddyfile.Dispenser) error {
	if err := size("retention", &s.Retention, 1).read(d); err != nil {
		return err
	}
	if err := s.checkRetention(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (s *EmbeddedSource) checkRetention() error {
	if s.Retention != 0 && (s.Retention < minRetention || s.Retention > maxRetention) {
		return errors.New("checking retention: allowed are 64MiB to 512MiB, since the broker keeps its index in memory")
	}
	return nil
}

// Identity is the folder and how it is laid out.
func (s *EmbeddedSource) Identity() any {
	return struct {
		Dir, Listen string
		Partitions  int
		Retention   int64
		Sync        bool
		Format      *adapter.Format
	}{s.dir, s.listen, s.Partitions, s.Retention, s.Sync, s.Format}
}

// Exclusive is the folder and the port.
func (s *EmbeddedSource) Exclusive() []string { return []string{s.folderName(), s.listenerName()} }

func (s *EmbeddedSource) folderName() string   { return "folder " + s.dir }
func (s *EmbeddedSource) listenerName() string { return "listener " + s.listen }

// tryOut implements trier: a reload to a port or folder that another program has
// must fail while the broker before it still runs.
func (s *EmbeddedSource) tryOut(held func(name string) bool) error {
	if !held(s.listenerName()) {
		if err := embedded.TryListen(s.listen); err != nil {
			return fmt.Errorf("checking the embedded broker: %w", err)
		}
	}
	if !held(s.folderName()) {
		if err := embedded.TryFolder(s.dir); err != nil {
			return fmt.Errorf("checking the embedded broker: %w", err)
		}
	}
	return nil
}

// BuildSource fills cfg.Embedded.
func (s *EmbeddedSource) BuildSource(cfg *pipeline.Config, _ lender) error {
	cfg.Embedded = &pipeline.EmbeddedSource{
		Dir: s.dir, Listen: s.listen, Partitions: int32(max(1, s.Partitions)), // #nosec G115 -- at most 64
		Retention: s.Retention, Sync: s.Sync,
	}
	var err error
	cfg.Mapping, err = mappingOf(s.Format)
	return err
}

func (*EmbeddedSource) lends() *loan { return new(loan) }
