package e2e

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// embedded is the quick start: a broker inside the node.
type embedded struct {
	port int
	n    int32
}

func newEmbedded(t *testing.T, partitions int32) *embedded {
	return &embedded{port: server.FreePorts(t, 1)[0], n: partitions}
}

func (e *embedded) source() string {
	return fmt.Sprintf("source embedded {\n\t\t\tlisten %s\n\t\t\tpartitions %d\n\t\t}", e.brokers(), e.n)
}
func (e *embedded) store() string         { return "" }
func (e *embedded) brokers() string       { return fmt.Sprintf("127.0.0.1:%d", e.port) }
func (e *embedded) topic(n string) string { return n }
func (e *embedded) partitions() int32     { return e.n }
func (e *embedded) own() []string         { return []string{e.brokers()} }
func (e *embedded) prepare(*testing.T)    {}

// servers is a real Apache Kafka and a real redis-server, shared by the beds of
// one test; each bed has its own topics, group and key prefix. The broker is
// mostly that of all tests.
type servers struct {
	kafka *server.Kafka
	redis *server.Redis
}

func newServers(t *testing.T) *servers {
	t.Helper()
	return &servers{kafka: commonKafka(t), redis: server.StartRedis(t, server.RedisConfig{})}
}

var beds atomic.Int32

// bed makes a place of its own on the shared servers.
func (s *servers) place(partitions int32) *realPlace {
	return &realPlace{servers: s, name: fmt.Sprintf("b%d", beds.Add(1)), n: partitions}
}

type realPlace struct {
	*servers
	name     string
	n        int32
	delivery string // default: transactional
	session  string // default: that of the product
	group    string // default: name
	made     sync.Once
}

func (r *realPlace) source() string {
	return fmt.Sprintf("source kafka {\n\t\t\tbrokers %s\n\t\t\t%s\n\t\t\t%s\n\t\t\ttopics %s\n\t\t\toutput_prefix %s\n\t\t\tgroup %s\n\t\t}",
		r.kafka.Addr(), word("delivery", r.delivery), word("session_timeout", r.session), r.topic("ticks"), r.prefix(), cmp.Or(r.group, r.name))
}

// word leaves a word without a value to its default.
func word(name, value string) string {
	if value == "" {
		name = "# " + name
	}
	return name + " " + value
}

func (r *realPlace) store() string {
	return fmt.Sprintf("store redis {\n\t\t\taddress %s\n\t\t\tkey_prefix %s\n\t\t}", r.redis.Addr(), r.name)
}
func (r *realPlace) brokers() string { return r.kafka.Addr() }
func (r *realPlace) prefix() string  { return r.name + "." }
func (r *realPlace) topic(n string) string {
	return r.prefix() + n
}
func (r *realPlace) partitions() int32 { return r.n }
func (r *realPlace) own() []string     { return nil }
func (r *realPlace) prepare(t *testing.T) {
	r.made.Do(func() { r.kafka.CreateTopic(r.topic("ticks"), r.n, "retention.ms", "-1") })
}
