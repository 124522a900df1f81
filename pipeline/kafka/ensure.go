package kafka

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// EnsureOptions rule what Ensure creates.
type EnsureOptions struct {
	// Create missing topics (word create_topics). Off: a missing one is an error.
	Create bool
	// Partitions of the input where we create it. Default: 12.
	Partitions int32
	// Transactions checks that the brokers have what transactions need.
	Transactions bool
	// Embedded takes the sizes of the embedded broker instead of those of a real
	// Kafka.
	Embedded bool
	// Retention is the total size in bytes per partition of all topics on the
	// embedded broker. Default: 512 MiB.
	Retention int64
}

// Layout is what Ensure found. It is valid as long as nobody creates the topics
// again.
type Layout struct {
	ClusterID    string
	InputTopicID [16]byte
	// N is the number of partitions of the input and of every topic of ours.
	N int32
	// ImplicitOffsets tells that offsets join a transaction without a request of
	// their own (transaction.version 2, KIP-890).
	ImplicitOffsets bool
	// Mapping is the mapping version: 8 hex digits over cluster id, the ids of input
	// and klines, and the number of partitions. It names what an offset means.
	Mapping string
	// Warnings are deviations that do not stop the engine, one sentence each.
	Warnings []string
}

// Ensure creates the topics that are missing, alters none, and checks what is
// there: the partition counts must be equal, and input, state, journal, late and dlq
// must have the cleanup policy delete; other deviations are warnings.
func Ensure(ctx context.Context, cluster Cluster, topics Topics, opts EnsureOptions) (Layout, error) {
	if opts.Partitions <= 0 {
		opts.Partitions = 12
	}
	layout, err := ensure(ctx, cluster, topics, opts)
	return layout, explainAccess(err)
}

func ensure(ctx context.Context, cluster Cluster, topics Topics, opts EnsureOptions) (Layout, error) {
	cluster.RetryEOF = false
	// Metadata comes from the client's cache: with the default age of 5 s a topic
	// just created would stay unknown for that long.
	cl, err := cluster.withDefaults().dialClient(kgo.MetadataMinAge(50 * time.Millisecond))
	if err != nil {
		return Layout{}, err
	}
	defer cl.Close()
	e := &ensurer{clock: cluster.withDefaults(), adm: kadm.NewClient(cl), topics: topics, opts: opts}
	if err := e.create(ctx); err != nil {
		return Layout{}, err
	}
	meta, err := e.visible(ctx)
	if err != nil {
		return Layout{}, err
	}
	layout, err := e.layout(meta)
	if err != nil {
		return Layout{}, err
	}
	if layout.Warnings, err = e.check(ctx, meta); err != nil || !opts.Transactions {
		return layout, err
	}
	return layout, e.transactions(ctx, &layout)
}

type ensurer struct {
	clock  Cluster
	adm    *kadm.Client
	topics Topics
	opts   EnsureOptions
}

func (e *ensurer) names() []string {
	names := []string{e.topics.Input}
	for _, k := range e.topics.Outputs() {
		names = append(names, e.topics.Name(k))
	}
	return names
}

func (e *ensurer) metadata(ctx context.Context) (kadm.Metadata, error) {
	meta, err := e.adm.Metadata(ctx, e.names()...)
	if err != nil {
		return meta, fmt.Errorf("asking the brokers for topics: %w", err)
	}
	return meta, nil
}

func (e *ensurer) create(ctx context.Context) error {
	meta, err := e.metadata(ctx)
	if err != nil {
		return err
	}
	replicas := int16(min(3, max(1, len(meta.Brokers))))
	n := e.opts.Partitions
	if t, ok := known(meta, e.topics.Input); ok {
		n = int32(len(t.Partitions))
	} else if err := e.createOne(ctx, meta, e.topics.Input, n, replicas, e.opts.inputSettings(replicas)); err != nil {
		return err
	}
	input, err := e.inputConfigs(ctx)
	if err != nil {
		return err
	}
	retention := cmp.Or(configValue(input, e.topics.Input, "retention.ms"), "604800000")
	for _, k := range e.topics.Outputs() {
		name := e.topics.Name(k)
		if _, ok := known(meta, name); ok {
			continue
		}
		settings := e.opts.settings(k, retention, replicas)
		e.anyTime(settings, input)
		if err := e.createOne(ctx, meta, name, n, replicas, settings); err != nil {
			return err
		}
	}
	return nil
}

func known(meta kadm.Metadata, name string) (kadm.TopicDetail, bool) {
	t, ok := meta.Topics[name]
	return t, ok && t.Err == nil && len(t.Partitions) > 0
}

func (e *ensurer) createOne(ctx context.Context, meta kadm.Metadata, name string, n int32, replicas int16, configs map[string]string) error {
	if err := meta.Topics[name].Err; err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("looking for topic %q: %w", cut(name), err)
	}
	if !e.opts.Create {
		return fmt.Errorf("topic %q does not exist and create_topics is off: create it with %d partitions", cut(name), n)
	}
	values := make(map[string]*string, len(configs))
	for k, v := range configs {
		values[k] = &v
	}
	_, err := e.adm.CreateTopic(ctx, n, replicas, values, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) { // another node was faster
		return fmt.Errorf("creating topic %q: %w", cut(name), err)
	}
	return nil
}

// inputConfigs are those of the input; without the right to read them there are none,
// and Kafka's own defaults are taken.
func (e *ensurer) inputConfigs(ctx context.Context) (kadm.ResourceConfigs, error) {
	configs, err := e.adm.DescribeTopicConfigs(ctx, e.topics.Input)
	if err != nil && !errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil, fmt.Errorf("reading the configs of topic %q: %w", cut(e.topics.Input), err)
	}
	return configs, nil
}

// visible waits until all topics are known to the broker that answers: they are
// not everywhere at the moment in which they are created.
func (e *ensurer) visible(ctx context.Context) (kadm.Metadata, error) {
	tick := e.clock.Clock.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		meta, err := e.metadata(ctx)
		if err != nil {
			return meta, err
		}
		var missing []string
		for _, name := range e.names() {
			if _, ok := known(meta, name); !ok {
				missing = append(missing, name)
			}
		}
		if len(missing) == 0 {
			return meta, nil
		}
		select {
		case <-ctx.Done():
			return meta, fmt.Errorf("waiting for topics %s: %w", strings.Join(missing, ", "), ctx.Err())
		case <-tick.C():
		}
	}
}

func (e *ensurer) layout(meta kadm.Metadata) (Layout, error) {
	input := meta.Topics[e.topics.Input]
	l := Layout{ClusterID: meta.Cluster, InputTopicID: input.ID, N: int32(len(input.Partitions))}
	for _, k := range e.topics.Outputs() {
		name := e.topics.Name(k)
		if got := int32(len(meta.Topics[name].Partitions)); got != l.N {
			return l, fmt.Errorf("topic %q has %d partitions, the input %q has %d: they must be equal, since partition P of every topic belongs to partition P of the input; "+
				"where some were added, symbols move: begin anew with another group and output_prefix", cut(name), got, cut(e.topics.Input), l.N)
		}
	}
	l.Mapping = mapping(l.ClusterID, input.ID, meta.Topics[e.topics.Name(Klines)].ID, l.N)
	return l, nil
}

// mapping names what an offset of the input and one of klines means: a view and the
// streams of clients stand at the latter. A topic that was created again has another id,
// so another mapping.
func mapping(clusterID string, input, klines [16]byte, n int32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%x|%x|%d", clusterID, input, klines, n))
	return hex.EncodeToString(sum[:4])
}
