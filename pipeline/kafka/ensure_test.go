package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

func emptyCluster(t *testing.T, brokers int) (*kfake.Cluster, Cluster) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(brokers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake, Cluster{Brokers: fake.ListenAddrs()}
}

func value(info *kfake.TopicInfo, key string) string {
	if v := info.Configs[key]; v != nil {
		return *v
	}
	return ""
}

func TestEnsureCreatesWhatIsMissing(t *testing.T) {
	fake, at := emptyCluster(t, 3)
	topics := Topics{Input: "trades", Prefix: "eng1."}
	l, err := Ensure(t.Context(), at, topics, EnsureOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if l.N != 12 || len(l.Mapping) != 8 || len(l.Warnings) != 0 {
		t.Errorf("layout %+v", l)
	}
	for name, want := range map[string]map[string]string{
		"trades":       {"cleanup.policy": "delete", "retention.ms": "604800000", "min.insync.replicas": "2"},
		"eng1.journal": {"cleanup.policy": "delete", "retention.ms": "604800000"},
		"eng1.state":   {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "1073741824"},
		"eng1.klines":  {"cleanup.policy": "delete", "retention.ms": "2592000000"},
		"eng1.late":    {"retention.ms": "2592000000"},
		"eng1.dlq":     {"retention.ms": "2592000000", "unclean.leader.election.enable": "false"},
	} {
		info := fake.TopicInfo(name)
		if info == nil {
			t.Errorf("%s was not created", name)
			continue
		}
		if got := len(fake.PartitionInfos(name)); got != 12 || info.NumReplicas != 3 {
			t.Errorf("%s: %d partitions, %d replicas", name, got, info.NumReplicas)
		}
		for k, v := range want {
			if got := value(info, k); got != v {
				t.Errorf("%s: %s is %q, want %q", name, k, got, v)
			}
		}
	}
	again, err := Ensure(t.Context(), at, topics, EnsureOptions{Create: true})
	if err != nil || again.Mapping != l.Mapping {
		t.Errorf("a second run: %+v, %v", again, err)
	}
}

func TestEnsureFollowsTheInputThatIsThere(t *testing.T) {
	fake, at := emptyCluster(t, 1)
	if err := fake.CreateTopic("ticks", 5, map[string]string{"retention.ms": "86400000"}); err != nil {
		t.Fatal(err)
	}
	l, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: true})
	if err != nil || l.N != 5 {
		t.Fatalf("layout %+v, %v", l, err)
	}
	if got := value(fake.TopicInfo("journal"), "retention.ms"); got != "86400000" {
		t.Errorf("the journal is kept for %q ms, the input for 86400000", got)
	}
	before := l.Mapping
	if err := fake.DeleteTopic("ticks"); err != nil {
		t.Fatal(err)
	}
	if err := fake.CreateTopic("ticks", 5, nil); err != nil {
		t.Fatal(err)
	}
	if l, err = Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{}); err != nil || l.Mapping == before {
		t.Errorf("the input was created again, the mapping is %s as before (%v)", l.Mapping, err)
	}
}

// Views and the streams of clients stand at offsets of klines: those of a topic that is
// gone mean nothing in the one that was created in its place.
func TestMappingNamesTheTopicOfKlinesToo(t *testing.T) {
	fake, at := emptyCluster(t, 1)
	before, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: true, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.DeleteTopic("klines"); err != nil {
		t.Fatal(err)
	}
	after, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: true})
	if err != nil || after.Mapping == before.Mapping || after.InputTopicID != before.InputTopicID {
		t.Errorf("klines was created again, the mapping is %s after %s (%v)", after.Mapping, before.Mapping, err)
	}
}

func TestEnsureRefusesWhatCannotWork(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		create     bool
		topics     map[string]map[string]string
		n          map[string]int32
	}{
		{name: "nothing there and creation off", want: "create_topics is off"},
		{name: "compacted state", want: `topic "state" has cleanup.policy "compact"`, create: true,
			topics: map[string]map[string]string{"state": {"cleanup.policy": "compact"}}},
		{name: "compacted input", want: `topic "ticks" has cleanup.policy "compact,delete"`, create: true,
			topics: map[string]map[string]string{"ticks": {"cleanup.policy": "compact,delete"}}},
		{name: "compacted dlq", want: `topic "dlq" has cleanup.policy "compact"`, create: true,
			topics: map[string]map[string]string{"dlq": {"cleanup.policy": "compact"}}},
		{name: "compacted late", want: `topic "late" has cleanup.policy "compact,delete"`, create: true,
			topics: map[string]map[string]string{"late": {"cleanup.policy": "compact,delete"}}},
		{name: "other partition count", want: "must be equal", create: true,
			topics: map[string]map[string]string{"klines": nil}, n: map[string]int32{"klines": 7}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake, at := emptyCluster(t, 1)
			for name, configs := range tt.topics {
				n := tt.n[name]
				if n == 0 {
					n = 12
				}
				if err := fake.CreateTopic(name, n, configs); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: tt.create})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEnsureWarnsAboutWhatIsWeak(t *testing.T) {
	fake, at := emptyCluster(t, 3)
	for name, configs := range map[string]map[string]string{
		"ticks":   {"retention.ms": "-1"},
		"journal": {"retention.ms": "1000"},
		"state":   {"retention.ms": "1000"},
		"klines":  {"cleanup.policy": "compact"},
	} {
		if err := fake.CreateTopic(name, 2, configs); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(l.Warnings, "\n")
	for _, want := range []string{"topic journal keeps its records shorter", "topic state has retention.ms 1000", "topic klines has cleanup.policy compact", "topic ticks has min.insync.replicas 1"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in:\n%s", want, all)
		}
	}
}

// Outputs have the timestamps of the input: what refuses one stops the node.
func TestEnsureHasOutputsTakeAnyTimestamp(t *testing.T) {
	fake, at := emptyCluster(t, 1)
	for name, configs := range map[string]map[string]string{
		"ticks": {"message.timestamp.after.max.ms": "7200000", "message.timestamp.before.max.ms": "60000"},
		"late":  {"message.timestamp.after.max.ms": "3600000", "message.timestamp.before.max.ms": "86400000"},
		"dlq":   {"message.timestamp.after.max.ms": "7200000", "message.timestamp.before.max.ms": "9223372036854775807"},
	} {
		if err := fake.CreateTopic(name, 2, configs); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Ensure(t.Context(), at, Topics{Input: "ticks"}, EnsureOptions{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"message.timestamp.after.max.ms", "message.timestamp.before.max.ms"} {
		if got := value(fake.TopicInfo("klines"), key); got != "9223372036854775807" {
			t.Errorf("klines was created with %s %q", key, got)
		}
	}
	all := strings.Join(l.Warnings, "\n")
	for _, want := range []string{"topic late refuses timestamps more than 3600000 ms ahead", "topic late refuses timestamps older than 86400000 ms"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning %q in:\n%s", want, all)
		}
	}
	if len(l.Warnings) != 2 {
		t.Errorf("too many warnings:\n%s", all)
	}
}

func TestEmbeddedSharesAddUp(t *testing.T) {
	sum := shareInput
	for _, mib := range share {
		sum += int(mib)
	}
	if sum != embeddedTotal>>20 {
		t.Errorf("the shares add up to %d MiB", sum)
	}
	for _, s := range EmbeddedTopics(Topics{Input: "ticks"}, 64<<20) {
		if s.Configs["cleanup.policy"] != "delete" || s.Configs["retention.bytes"] == "" || s.Configs["segment.bytes"] == "" {
			t.Errorf("%s: %v", s.Name, s.Configs)
		}
	}
}
