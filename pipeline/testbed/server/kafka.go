//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaConfig says which broker to run.
type KafkaConfig struct {
	// Nodes is the number of brokers, each broker and controller. Default: 1.
	Nodes int
	// Fast runs the collector G1 and all compilers: for measurements. Default: SerialGC and the first compiler only, which halves
	// the CPU of a start.
	Fast bool
	// Clients is the number of further listeners of each broker, so that every client of a crash test can have links of its own.
	Clients int
	// Advertise returns the address that a broker (from 0) names to whoever asks on the listener of a client (from 0); addr is where that
	// listener is. A proxy goes here. The brokers themselves talk over the first listener. Nil: the listener's own address.
	Advertise func(broker, client int, addr string) string
	// Properties are added to server.properties, and replace lines of the bed.
	Properties map[string]string
}

// Kafka is an Apache Kafka of one or more nodes on loopback. Ports and data stay over kills and restarts.
type Kafka struct {
	t      testing.TB
	config KafkaConfig
	java   string
	jars   string
	nodes  []*kafkaNode
	// classes of this Java and these jars.
	classes classes
}

type kafkaNode struct {
	*Process
	id         int
	port       int
	controller int
	clients    []string // advertised address of each further listener
	listeners  []int    // its port
	dir        string
	log        *Log
}

const clusterID = "kline-test-cluster-0001"

// StartKafka formats and starts the nodes and waits until all are ready. They are killed at the end of the test. The jars are
// looked for in the folder KLINE_KAFKA, by default .cache/kafka/lib of the repository.
func StartKafka(t testing.TB, config KafkaConfig) *Kafka {
	t.Helper()
	config.Nodes = max(config.Nodes, 1)
	k := &Kafka{t: t, config: config, java: lookup(t, "java", "", "run scripts/install-test-deps.sh java"), jars: kafkaJars(t)}
	if version, err := exec.Command(k.java, "-version").CombinedOutput(); err == nil {
		first, _, _ := strings.Cut(string(version), "\n")
		t.Logf("kafka: %s on %s", k.version(), first)
		k.classes = newClasses(version, k.jars, config.Nodes == 1)
	}
	folder := t.TempDir()
	t.Cleanup(func() {
		for _, node := range k.nodes {
			if node.Process != nil {
				k.classes.write(t, node.Process)
				node.cleanup(t)
			}
		}
	})
	for attempt := 1; ; attempt++ {
		err := k.bringUp(filepath.Join(folder, fmt.Sprint("run", attempt)))
		if err == nil {
			return k
		}
		if attempt == portAttempts || !k.portTaken() {
			t.Fatal(err)
		}
		k.killAll()
	}
}

// For is the same cluster for another test, which fails by what it asks for.
func (k *Kafka) For(t testing.TB) *Kafka {
	other := *k
	other.t = t
	return &other
}

// Addr is the host:port list of all nodes, as clients want it.
func (k *Kafka) Addr() string { return strings.Join(k.Addrs(), ",") }

// Addrs lists host:port of each node.
func (k *Kafka) Addrs() []string {
	var addrs []string
	for _, node := range k.nodes {
		addrs = append(addrs, local(node.port))
	}
	return addrs
}

// Brokers is the number of nodes.
func (k *Kafka) Brokers() int { return k.config.Nodes }

// ClientAddr is the host:port list that client i (from 0) of [KafkaConfig.Clients] has to use.
func (k *Kafka) ClientAddr(i int) string {
	var addrs []string
	for _, node := range k.nodes {
		addrs = append(addrs, node.clients[i])
	}
	return strings.Join(addrs, ",")
}

// Node returns the process of node i (from 0), for signals and logs.
func (k *Kafka) Node(i int) *Process { return k.nodes[i].Process }

// Logs returns the output of node i over all its runs.
func (k *Kafka) Logs(i int) *Log { return k.nodes[i].log }

// Kill9 kills node i and checks that its port refuses.
func (k *Kafka) Kill9(i int) {
	k.t.Helper()
	node := k.nodes[i]
	if err := errors.Join(node.Process.Kill9(), Refuses(local(node.port))); err != nil {
		k.t.Fatal(err)
	}
}

// Stop ends node i in order (SIGTERM). Not all of several nodes at once: some would wait for a quorum that is gone.
func (k *Kafka) Stop(i int, deadline time.Duration) {
	k.t.Helper()
	if err := k.nodes[i].Process.Stop(deadline); err != nil {
		k.t.Fatal(err)
	}
}

// Restart starts node i again on its ports and data. Wait with [Kafka.WaitReady]: after a kill the broker's old registration lives for
// broker.session.timeout.ms, so ready takes some seconds.
func (k *Kafka) Restart(i int) {
	k.t.Helper()
	if k.nodes[i].Running() {
		k.t.Fatalf("restarting kafka node %d: it is still running, kill or stop it first", i)
	}
	if err := k.launch(k.nodes[i]); err != nil {
		k.t.Fatal(err)
	}
}

// WaitReady waits until all nodes are in the metadata, a controller is known, and both coordinators answer.
func (k *Kafka) WaitReady() {
	k.t.Helper()
	if err := k.ready(); err != nil {
		k.t.Fatal(err)
	}
}

// WaitInSync waits until every partition has all its replicas again: a broker that is killed before the one before it has caught up
// would leave less than min.insync.replicas.
func (k *Kafka) WaitInSync() {
	k.t.Helper()
	for _, node := range k.nodes {
		if err := node.poll(100*time.Millisecond, 3*time.Minute, k.inSync); err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k *Kafka) inSync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience/3)
	defer cancel()
	return InSync(ctx, k.Addrs())
}

// InSync returns nil if every partition of a cluster has all its replicas, and an error that names one which has not.
func InSync(ctx context.Context, addrs []string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopicsWithInternal(ctx)
	if err != nil {
		return fmt.Errorf("listing topics: %w", err)
	}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if p.Err != nil || len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("listing topics: %s[%d] has %d of %d replicas: %v", topic.Topic, p.Partition, len(p.ISR), len(p.Replicas), p.Err)
			}
		}
	}
	return nil
}

// CreateTopic makes a topic with the given number of partitions, replicated to all nodes (at most 3). Configs are pairs of key and value.
func (k *Kafka) CreateTopic(name string, partitions int32, configs ...string) {
	k.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...))
	if err != nil {
		k.t.Fatalf("making a client: %v", err)
	}
	defer client.Close()
	settings := map[string]*string{}
	for pair := range slices.Chunk(configs, 2) {
		if len(pair) != 2 {
			k.t.Fatalf("creating topic %s: config %q has no value", name, pair[0])
		}
		settings[pair[0]] = &pair[1]
	}
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, int16(min(k.config.Nodes, 3)), settings, name); err != nil {
		k.t.Fatalf("creating topic %s: %v", name, err)
	}
}

// bringUp gives every node ports and an empty folder, formats it, starts it, and waits until all are ready.
func (k *Kafka) bringUp(folder string) error {
	each := 2 + k.config.Clients
	ports := FreePorts(k.t, each*k.config.Nodes)
	k.nodes = nil
	for i := range k.config.Nodes {
		mine := ports[each*i : each*(i+1)]
		k.nodes = append(k.nodes, &kafkaNode{
			id: i + 1, port: mine[0], controller: mine[1], listeners: mine[2:], clients: k.advertised(i, mine[2:]),
			dir: filepath.Join(folder, fmt.Sprint("node", i+1)), log: newLog(),
		})
	}
	for _, node := range k.nodes {
		if err := k.format(node); err != nil {
			return err
		}
	}
	for _, node := range k.nodes {
		if err := k.launch(node); err != nil {
			return err
		}
	}
	return k.ready()
}

// advertised returns what a broker names to each client.
func (k *Kafka) advertised(broker int, ports []int) []string {
	var addrs []string
	for client, port := range ports {
		addr := local(port)
		if k.config.Advertise != nil {
			addr = k.config.Advertise(broker, client, addr)
		}
		addrs = append(addrs, addr)
	}
	return addrs
}

func (k *Kafka) format(node *kafkaNode) error {
	if err := os.MkdirAll(node.dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of a broker: %w", err)
	}
	if err := os.WriteFile(node.propertiesFile(), []byte(k.properties(node)), 0o600); err != nil {
		return fmt.Errorf("writing server.properties: %w", err)
	}
	args := append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable"}, k.classes.read()...)
	args = append(args, "-cp", k.jars+"/*", "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", node.propertiesFile())
	if k.config.Nodes == 1 {
		args = append(args, "--standalone")
	} else {
		args = append(args, "--initial-controllers", k.voters())
	}
	if out, err := exec.Command(k.java, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("formatting kafka node %d: %w\n%s", node.id, err, out)
	}
	return nil
}

func (k *Kafka) launch(node *kafkaNode) error {
	// The native libraries that a broker unpacks stay behind when it is killed: in its own folder they go with the test.
	args := []string{"-Xms256m", "-Xmx512m", "-Xlog:disable", "-Djava.io.tmpdir=" + node.dir}
	if k.config.Fast {
		args = append(args, "-XX:+UseG1GC")
	} else {
		args = append(args, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	args = append(append(args, k.classes.args()...), "-cp", k.jars+"/*", "kafka.Kafka", node.propertiesFile())
	process, err := start(fmt.Sprint("kafka node ", node.id), command{path: k.java, args: args, dir: node.dir}, node.log)
	if err != nil {
		return err
	}
	node.Process = process
	return nil
}

// ready polls with a new client each time: a client that stays open answers the list of brokers from its cache, and has shown two
// of three for a minute while all were up.
func (k *Kafka) ready() error {
	for _, node := range k.nodes {
		err := node.poll(20*time.Millisecond, 3*time.Minute, k.askOnce)
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *Kafka) askOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience/3) // a broker on a busy machine takes its time for the first answers
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...), kgo.RequestRetries(0), kgo.RetryTimeout(patience/3))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("asking for metadata: %w", err)
	}
	if len(metadata.Brokers) != k.config.Nodes || metadata.Controller < 0 {
		return fmt.Errorf("asking for metadata: %d of %d brokers, controller %d", len(metadata.Brokers), k.config.Nodes, metadata.Controller)
	}
	// The first of these calls makes the internal topics; transactions hang for ever where their factor of replication is wrong.
	if err := admin.FindGroupCoordinators(ctx, "kline-ready").Error(); err != nil {
		return fmt.Errorf("asking for a group coordinator: %w", err)
	}
	if err := admin.FindTxnCoordinators(ctx, "kline-ready").Error(); err != nil {
		return fmt.Errorf("asking for a transaction coordinator: %w", err)
	}
	return nil
}

func (k *Kafka) portTaken() bool {
	return slices.ContainsFunc(k.nodes, func(node *kafkaNode) bool {
		return strings.Contains(node.log.String(), "Address already in use")
	})
}

func (k *Kafka) killAll() {
	for _, node := range k.nodes {
		if node.Process != nil {
			node.cleanup(k.t)
		}
	}
}

func (k *Kafka) version() string {
	found, err := filepath.Glob(filepath.Join(k.jars, "kafka_2.13-*.jar"))
	if err != nil || len(found) == 0 {
		return "unknown version"
	}
	return strings.TrimSuffix(filepath.Base(found[0]), ".jar")
}
