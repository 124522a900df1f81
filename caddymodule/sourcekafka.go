package caddymodule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// saslMechanisms are the ways to authenticate to a broker.
var saslMechanisms = []string{"plain", "scram_sha_256", "scram_sha_512"}

// topicName is what Kafka allows.
var topicName = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,200}\z`)

// deliveries are the ways to write results and positions.
var deliveries = []string{"transactional", "idempotent"}

// minSession and maxSession are what brokers allow by default, and what still
// makes sense.
const (
	minSession     = 6 * time.Second
	maxSession     = 5 * time.Minute
	defaultSession = 45 * time.Second
)

// KafkaSource consumes trades from a topic on Kafka brokers.
//
// ### Placeholders
//
// Placeholders are expanded once, when the config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type KafkaSource struct {
	// Brokers are the addresses (host:port) to ask first; one entry may expand to several, separated by commas. Default: none, required.
	Brokers []string `json:"brokers,omitempty"`
	// Topics holds the name of the topic of trades; this release consumes one. Default: ticks.
	Topics []string `json:"topics,omitempty"`
	// Group is the consumer group. Default: caddy-kline.
	Group string `json:"group,omitempty"`
	// Delivery is how results and positions are written: "transactional", in Kafka transactions, any number of nodes per group; "idempotent", one after the other, exactly one node per group. Default: transactional.
	Delivery string `json:"delivery,omitempty"`
	// SessionTimeout is after how long without a sign of life the partitions of this node go to others, 6s to 5m. Default: 45s, longer than a restart.
	SessionTimeout *caddy.Duration `json:"session_timeout,omitempty"`
	// Partitioner says how producers place symbols: "any" or "murmur2" (a symbol elsewhere is refused). Default: any.
	Partitioner string `json:"partitioner,omitempty"`
	// OutputPrefix stands in front of the names of the topics that are written. Default: empty.
	OutputPrefix string `json:"output_prefix,omitempty"`
	// CreateTopics creates topics that are missing; existing ones are never altered. Default: true.
	CreateTopics *bool `json:"create_topics,omitempty"`
	// SASL authenticates to the brokers. Default: none.
	SASL *SASL `json:"sasl,omitempty"`
	// TLS encrypts connections to the brokers. Default: none, plain text.
	TLS *TLSClient `json:"tls,omitempty"`
	// Format says how a trade is written in a record. Default: the generic JSON.
	Format *adapter.Format `json:"format,omitempty"`

	brokers []string
	topic   string
	group   string
	prefix  string
	loan    loan
}

// SASL is a user of the brokers.
type SASL struct {
	// Mechanism is "plain", "scram_sha_256" or "scram_sha_512". Default: none, required.
	Mechanism string `json:"mechanism,omitempty"`
	// User is the user's name; placeholders are expanded. Default: none, required.
	User string `json:"user,omitempty"`
	// Password is `{env.NAME}` or `{file./path}`, never a literal. Default: none, required.
	Password string `json:"password,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (KafkaSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.sources.kafka", New: func() caddy.Module { return new(KafkaSource) }}
}

// UnmarshalCaddyfile reads
//
//	source kafka {
//		brokers <address>...
//		topics <name>...
//		group <name>
//		delivery transactional|idempotent
//		session_timeout <duration>
//		partitioner any|murmur2
//		output_prefix <text>
//		create_topics on|off
//		sasl plain|scram_sha_256|scram_sha_512 <user> <password>
//		tls {
//			ca <file>
//			cert <file>
//			key <file>
//		}
//		format generic {
//			price <path>
//			time_unit s|ms|us|ns|rfc3339
//			side_of taker|maker|none
//		}
//	}
func (s *KafkaSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	err := parseBlock(d, "kafka", []word{
		words("brokers", &s.Brokers),
		words("topics", &s.Topics),
		text("group", &s.Group),
		choice("delivery", &s.Delivery, deliveries...),
		{name: "session_timeout", read: s.readSession},
		choice("partitioner", &s.Partitioner, "any", "murmur2"),
		text("output_prefix", &s.OutputPrefix),
		onOff("create_topics", &s.CreateTopics),
		{name: "sasl", read: s.readSASL},
		{name: "tls", read: func(d *caddyfile.Dispenser) error { return parseTLS(d, &s.TLS) }},
		{name: "format", read: func(d *caddyfile.Dispenser) error { return parseFormat(d, &s.Format, adapter.PresetGeneric) }},
	})
	if err == nil && len(s.Brokers) == 0 {
		err = d.Errf("source kafka has no brokers: add `brokers <host:port>...`")
	}
	return err
}

// readSession checks the bounds where the line is known: Validate cannot name it.
func (s *KafkaSource) readSession(d *caddyfile.Dispenser) error {
	if err := positive("session_timeout", &s.SessionTimeout).read(d); err != nil {
		return err
	}
	if err := s.checkSession(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (s *KafkaSource) checkSession() error {
	if s.session() < minSession || s.session() > maxSession {
		return fmt.Errorf("checking session_timeout: %s is not between %s and %s", s.session(), minSession, maxSession)
	}
	return nil
}

func (s *KafkaSource) readSASL(d *caddyfile.Dispenser) error {
	s.SASL = new(SASL)
	if !d.AllArgs(&s.SASL.Mechanism, &s.SASL.User, &s.SASL.Password) {
		return usage(d, "sasl "+strings.Join(saslMechanisms, "|")+" <user> <password>")
	}
	if !slices.Contains(saslMechanisms, s.SASL.Mechanism) {
		return d.Errf("parsing sasl: unknown mechanism %q (allowed: %s)", cut(s.SASL.Mechanism), strings.Join(saslMechanisms, ", "))
	}
	if err := checkSecret("sasl password", s.SASL.Password); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Provision expands placeholders and reads secrets and files.
func (s *KafkaSource) Provision(caddy.Context) error {
	repl := caddy.NewReplacer()
	if err := s.provisionNames(repl); err != nil {
		return err
	}
	if err := s.provisionBrokers(repl); err != nil {
		return err
	}
	return s.provisionAccess(repl)
}

func (s *KafkaSource) provisionNames(repl *caddy.Replacer) error {
	topics, err := expandList(repl, "topics", s.Topics)
	if err != nil {
		return err
	}
	if len(topics) > 1 {
		return fmt.Errorf("checking topics: %d are given, this release consumes one", len(topics))
	}
	s.topic = "ticks"
	if len(topics) == 1 {
		s.topic = topics[0]
	}
	if s.group, err = expand(repl, "group", s.Group); err != nil {
		return err
	}
	if s.group == "" {
		s.group = "caddy-kline"
	}
	if s.prefix, err = expand(repl, "output_prefix", s.OutputPrefix); err != nil {
		return err
	}
	for _, n := range []struct{ word, name string }{{"topics", s.topic}, {"group", s.group}, {"output_prefix", s.prefix}} {
		if n.name != "" && !topicName.MatchString(n.name) {
			return fmt.Errorf("checking %s: %q has other characters than letters, digits, dot, underscore and hyphen, or more than 200", n.word, cut(n.name))
		}
	}
	return s.checkTopic()
}

// checkTopic refuses to consume what the node writes: it would read its own
// dead letters, and write one for each of them, without end.
func (s *KafkaSource) checkTopic() error {
	own := kafka.Topics{Prefix: s.prefix, Nodes: true}
	for _, kind := range own.Outputs() {
		if own.Name(kind) == s.topic {
			return fmt.Errorf("checking topics: %q is written by the node itself: name the topic of trades, or set an output_prefix", s.topic)
		}
	}
	return nil
}

func (s *KafkaSource) provisionBrokers(repl *caddy.Replacer) error {
	brokers, err := expandList(repl, "brokers", s.Brokers)
	if err != nil {
		return err
	}
	if len(brokers) == 0 {
		return errors.New("checking brokers: none given, add `brokers <host:port>` to source kafka")
	}
	for _, b := range brokers {
		addr, err := hostPort(b, "9092")
		if err != nil {
			return fmt.Errorf("checking brokers: %w", err)
		}
		s.brokers = append(s.brokers, addr)
	}
	slices.Sort(s.brokers) // another order is the same cluster
	s.brokers = slices.Compact(s.brokers)
	return nil
}

func (s *KafkaSource) provisionAccess(repl *caddy.Replacer) (err error) {
	if s.loan.files, err = s.TLS.load(repl); err != nil {
		return err
	}
	if s.SASL == nil {
		return nil
	}
	user, err := expand(repl, "sasl user", s.SASL.User)
	if err != nil {
		return err
	}
	s.loan.user = newSecret(user)
	s.loan.password, err = resolveSecret(repl, "sasl password", s.SASL.Password)
	return err
}

// Validate checks the values that are chosen from lists.
func (s *KafkaSource) Validate() error {
	if err := s.checkSession(); err != nil {
		return err
	}
	switch {
	case s.Delivery != "" && !slices.Contains(deliveries, s.Delivery):
		return fmt.Errorf("checking delivery: unknown value %q (allowed: %s)", cut(s.Delivery), strings.Join(deliveries, ", "))
	case s.Partitioner != "" && s.Partitioner != "any" && s.Partitioner != "murmur2":
		return fmt.Errorf("checking partitioner: unknown value %q (allowed: any, murmur2)", cut(s.Partitioner))
	case s.SASL != nil && !slices.Contains(saslMechanisms, s.SASL.Mechanism):
		return fmt.Errorf("checking sasl: unknown mechanism %q (allowed: %s)", cut(s.SASL.Mechanism), strings.Join(saslMechanisms, ", "))
	}
	return checkFormat(s.Format, adapter.PresetGeneric)
}

// Identity names cluster, topics and group, how they are reached, and what the
// client is built with: a reload that changed one of these alone would change
// nothing, and say so nowhere.
func (s *KafkaSource) Identity() any {
	mechanism := ""
	if s.SASL != nil {
		mechanism = s.SASL.Mechanism
	}
	return struct {
		Brokers                                           []string
		Topic, Group, Delivery, Prefix, Partitioner, Auth string
		TLS, CreateTopics                                 bool
		Session                                           time.Duration
		Format                                            *adapter.Format
	}{s.brokers, s.topic, s.group, s.delivery(), s.prefix, s.Partitioner, mechanism, s.TLS != nil, s.creates(), s.session(), s.Format}
}

// creates is true unless topics that are missing are the operator's.
func (s *KafkaSource) creates() bool { return s.CreateTopics == nil || *s.CreateTopics }

func (s *KafkaSource) delivery() string {
	if s.Delivery == "" {
		return deliveries[0]
	}
	return s.Delivery
}

func (s *KafkaSource) session() time.Duration { return orDuration(s.SessionTimeout, defaultSession) }

// Exclusive is the membership in the group.
func (s *KafkaSource) Exclusive() []string {
	return []string{"group " + s.group + " on " + strings.Join(s.brokers, ",")}
}

// BuildSource fills cfg.Kafka.
func (s *KafkaSource) BuildSource(cfg *pipeline.Config, l lender) error {
	k := &pipeline.KafkaSource{
		Brokers: s.brokers, Topic: s.topic, Group: s.group, OutputPrefix: s.prefix,
		CreateTopics:      s.creates(),
		StrictPartitioner: s.Partitioner == "murmur2",
		Idempotent:        s.delivery() == "idempotent",
		SessionTimeout:    s.session(),
	}
	if s.SASL != nil {
		k.SASL = &pipeline.SASL{Mechanism: s.SASL.Mechanism, Credentials: lentCredentials(l, "source")}
	}
	if s.TLS != nil {
		k.TLS = lentTLS(l, "source")
	}
	cfg.Kafka = k
	var err error
	cfg.Mapping, err = mappingOf(s.Format)
	return err
}

func (s *KafkaSource) lends() *loan { return &s.loan }

// lentCredentials asks the newest attachment at each new connection.
func lentCredentials(l lender, kind string) func() (user, password string) {
	return func() (user, password string) {
		n := l.loan(kind)
		return n.user.reveal(), n.password.reveal()
	}
}
