//go:build unix

package chaos

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// site is everything that runs: brokers, Redis, the links to them, nodes.
type site struct {
	h         *server.Host
	c         Config
	kafka     *server.Kafka // nil with the embedded broker
	redis     *server.Redis
	toRedis   *link
	toBrokers [][]*link // by node, by broker
	nodes     []*node
	direct    string // brokers for those who are no part of the experiment: the producer, the oracle
}

// start brings everything up.
func (s *site) start() {
	for tool, how := range map[string]string{"kcat": "kcat", "redis-cli": "redis"} {
		if _, err := exec.LookPath(tool); err != nil {
			s.h.Skipf("%s is missing: run scripts/install-test-deps.sh %s", tool, how)
		}
	}
	s.redis = server.StartRedis(s.h, server.RedisConfig{})
	s.toRedis = newLink(s.h, "to redis", s.redis.Addr())
	if s.c.kafka() {
		s.startKafka()
	}
	for i := range s.c.Nodes {
		s.startNode(i)
	}
	for _, n := range s.nodes {
		if !n.answers(time.Minute) {
			s.h.Fatalf("node %d does not answer: %s", n.number, n.binary.Logs().Tail(30))
		}
	}
}

func (s *site) startKafka() {
	s.kafka = server.StartKafka(s.h, server.KafkaConfig{
		Nodes: brokers, Clients: s.c.Nodes,
		Advertise: func(broker, client int, addr string) string {
			for len(s.toBrokers) <= client {
				s.toBrokers = append(s.toBrokers, nil)
			}
			l := newLink(s.h, fmt.Sprintf("node %d to broker %d", client, broker), addr)
			s.toBrokers[client] = append(s.toBrokers[client], l)
			return l.addr
		},
	})
	s.direct = s.kafka.Addr()
	s.kafka.CreateTopic(prefix+"ticks", partitions, "retention.ms", "-1")
}

func (s *site) startNode(i int) {
	ports := server.FreePorts(s.h, 3)
	n := &node{
		number: i, http: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), admin: fmt.Sprintf("127.0.0.1:%d", ports[1]),
		store: fmt.Sprintf("store redis {\n\t\t\taddress %s\n\t\t\tkey_prefix %s\n\t\t}", s.toRedis.addr, keyPrefix),
	}
	if s.c.kafka() {
		n.links = s.toBrokers[i][len(s.toBrokers[i])-brokers:] // those of the last attempt at free ports
		n.source = fmt.Sprintf("source kafka {\n\t\t\tbrokers %s\n\t\t\tdelivery %s\n\t\t\tsession_timeout %v\n\t\t\ttopics %sticks\n\t\t\toutput_prefix %s\n\t\t\tgroup chaos\n\t\t}",
			strings.ReplaceAll(s.kafka.ClientAddr(i), ",", " "), s.c.Delivery, session, prefix, prefix)
	} else {
		s.direct = fmt.Sprintf("127.0.0.1:%d", ports[2])
		n.source = fmt.Sprintf("source embedded {\n\t\t\tlisten %s\n\t\t\tpartitions %d\n\t\t}", s.direct, partitions)
	}
	n.binary = server.StartBinary(s.h, server.BinaryConfig{Path: s.c.Binary, Config: n.config("")})
	s.nodes = append(s.nodes, n)
}

// topic is the name of a topic of the run.
func (s *site) topic(name string) string {
	if s.c.kafka() {
		return prefix + name
	}
	return name
}

// owners maps each partition that somebody works on to who does; lag is what waits in all of them.
func (s *site) owners() (owners map[int32][]int, lag int64) {
	owners = map[int32][]int{}
	for i, n := range s.nodes {
		st, _ := n.status()
		for _, p := range st.Partitions {
			if p.State == "running" {
				owners[p.Partition] = append(owners[p.Partition], i)
				lag += p.Lag
			}
		}
	}
	return owners, lag
}

// settled tells whether each partition has one owner and nothing waits.
func (s *site) settled() bool {
	owners, lag := s.owners()
	for _, who := range owners {
		if len(who) != 1 {
			return false
		}
	}
	return len(owners) == partitions && lag == 0
}

// until polls ok and returns how long it took, false after limit.
func until(limit time.Duration, ok func() bool) (time.Duration, bool) {
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			return time.Since(began), false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began), true
}

// inSync waits until every partition has all its replicas again: a broker that is killed before the one before it has caught up would
// leave less than min.insync.replicas.
func (s *site) inSync(limit time.Duration) error {
	var last error
	_, ok := until(limit, func() bool { last = s.inSyncNow(); return last == nil })
	if !ok {
		return fmt.Errorf("waiting for the replicas: not in sync after %v: %w", limit, last)
	}
	return nil
}

func (s *site) inSyncNow() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.InSync(ctx, strings.Split(s.direct, ","))
}

// behind is how many input records the group has not committed, over all partitions.
func (s *site) behind() (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.direct, ",")...))
	if err != nil {
		return 0, fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(ctx, s.topic("ticks"))
	if err != nil {
		return 0, fmt.Errorf("asking where the trades end: %w", err)
	}
	done, err := admin.FetchOffsets(ctx, "chaos")
	if err != nil {
		return 0, fmt.Errorf("asking what the group has committed: %w", err)
	}
	var lag int64
	ends.Each(func(o kadm.ListedOffset) {
		at, _ := done.Lookup(o.Topic, o.Partition)
		lag += o.Offset - max(at.At, 0)
	})
	return lag, nil
}

// logs writes what the processes have printed into folder.
func (s *site) logs() map[string]string {
	all := map[string]string{}
	for _, n := range s.nodes {
		all[fmt.Sprintf("node%d.log", n.number)] = n.binary.Logs().String()
	}
	if s.kafka != nil {
		for i := range brokers {
			all[fmt.Sprintf("broker%d.log", i)] = s.kafka.Logs(i).String()
		}
	}
	return all
}

// panics are lines of the nodes' logs that tell of one.
func (s *site) panics() []string {
	var found []string
	for _, n := range s.nodes {
		for line := range strings.SplitSeq(n.binary.Logs().String(), "\n") {
			if strings.Contains(line, "panic") || strings.Contains(line, "fatal error") {
				found = append(found, fmt.Sprintf("node %d: %.300s", n.number, line))
			}
		}
	}
	return slices.Compact(found)
}
