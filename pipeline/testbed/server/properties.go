//go:build unix

package server

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// voters is the common list of controllers: id@host:port:directory. The directory id is 16 bytes in URL-safe base64; fixed ones are
// fine, but not all zeros, which the format takes and the start refuses.
func (k *Kafka) voters() string {
	var list []string
	for _, node := range k.nodes {
		directory := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "kline-test-dir-%d", node.id))
		list = append(list, fmt.Sprintf("%d@%s:%s", node.id, local(node.controller), directory))
	}
	return strings.Join(list, ",")
}

func (n *kafkaNode) propertiesFile() string { return filepath.Join(n.dir, "server.properties") }

func (k *Kafka) properties(node *kafkaNode) string {
	var controllers []string
	for _, n := range k.nodes {
		controllers = append(controllers, local(n.controller))
	}
	all := map[string]string{
		"process.roles":                                               "broker,controller",
		"node.id":                                                     fmt.Sprint(node.id),
		"listeners":                                                   fmt.Sprintf("PLAINTEXT://%s,CONTROLLER://%s", local(node.port), local(node.controller)),
		"advertised.listeners":                                        "PLAINTEXT://" + local(node.port),
		"controller.listener.names":                                   "CONTROLLER",
		"controller.quorum.bootstrap.servers":                         strings.Join(controllers, ","),
		"log.dirs":                                                    filepath.Join(node.dir, "data"),
		"offsets.topic.num.partitions":                                "4",
		"transaction.state.log.num.partitions":                        "4",
		"auto.create.topics.enable":                                   "false",
		"group.initial.rebalance.delay.ms":                            "0",
		"group.min.session.timeout.ms":                                "3000",
		"group.consumer.min.session.timeout.ms":                       "3000",
		"group.consumer.session.timeout.ms":                           "6000",
		"group.consumer.min.heartbeat.interval.ms":                    "500",
		"group.consumer.heartbeat.interval.ms":                        "1000",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
		"broker.session.timeout.ms":                                   "3000",
		"broker.heartbeat.interval.ms":                                "500",
		// Retention counts record timestamps: replayed trades of last year would be gone after the first check.
		"log.retention.ms": "-1",
	}
	maps.Copy(all, replication(k.config.Nodes))
	addClients(all, node)
	maps.Copy(all, k.config.Properties)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s=%s\n", key, all[key])
	}
	return text.String()
}

// replication returns the factors of replication for n nodes. With the defaults one node starts and lists well, but groups and
// transactions hang.
func replication(n int) map[string]string {
	copies, inSync := fmt.Sprint(min(n, 3)), fmt.Sprint(min(n, 2))
	lines := map[string]string{
		"offsets.topic.replication.factor":                 copies,
		"transaction.state.log.replication.factor":         copies,
		"transaction.state.log.min.isr":                    inSync,
		"share.coordinator.state.topic.replication.factor": copies,
		"share.coordinator.state.topic.min.isr":            inSync,
	}
	if n > 1 {
		lines["default.replication.factor"] = copies
		lines["min.insync.replicas"] = inSync
		lines["replica.lag.time.max.ms"] = "5000"
		lines["unclean.leader.election.enable"] = "false"
	}
	return lines
}

// addClients adds the further listeners of a node. Names other than those of Kafka need a line that says how they are secured.
func addClients(all map[string]string, node *kafkaNode) {
	if len(node.clients) == 0 {
		return
	}
	secured := "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	for i, port := range node.listeners {
		name := fmt.Sprintf("CLIENT%d", i)
		all["listeners"] += "," + name + "://" + local(port)
		all["advertised.listeners"] += "," + name + "://" + node.clients[i]
		secured += "," + name + ":PLAINTEXT"
	}
	all["listener.security.protocol.map"] = secured
}
