package kafka

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
)

const (
	day           = 24 * 60 * 60 * 1000 // ms
	liveRetention = 10 * 60 * 1000      // ms

	// embeddedTotal is what all topics of one partition may weigh on the
	// embedded broker, which keeps 180 B of RAM per stored batch and reads the
	// whole log at a start after a kill.
	embeddedTotal   = 512 << 20
	embeddedSegment = 16 << 20 // whole segments go, so they must be small
)

// share is a topic's part of embeddedTotal in MiB; the sum is 512. Three full
// snapshots must fit into that of state.
var share = map[TopicKind]int64{Klines: 128, Journal: 16, Late: 32, DLQ: 32, State: 48}

const shareInput = 256

// settings are the configs that a topic of ours is created with.
func (o EnsureOptions) settings(kind TopicKind, inputRetention string, replicas int16) map[string]string {
	s := map[string]string{"cleanup.policy": "delete"}
	if o.Embedded {
		return o.bySize(s, share[kind])
	}
	secure(s, replicas)
	switch kind {
	case Journal:
		s["retention.ms"] = inputRetention
	case State:
		// By bytes only: the newest checkpoint of a quiet partition may be old.
		s["retention.ms"] = "-1"
		s["retention.bytes"] = strconv.Itoa(1 << 30)
		s["segment.bytes"] = strconv.Itoa(64 << 20)
	case Live:
		s["retention.ms"] = strconv.Itoa(liveRetention)
		s["segment.bytes"] = strconv.Itoa(16 << 20)
	default:
		s["retention.ms"] = strconv.Itoa(30 * day)
	}
	return s
}

func (o EnsureOptions) inputSettings(replicas int16) map[string]string {
	s := map[string]string{"cleanup.policy": "delete"}
	if o.Embedded {
		return o.bySize(s, shareInput)
	}
	secure(s, replicas)
	s["retention.ms"] = strconv.Itoa(7 * day)
	return s
}

func (o EnsureOptions) bySize(s map[string]string, mib int64) map[string]string {
	total := o.Retention
	if total <= 0 {
		total = embeddedTotal
	}
	// The shares are exact at the default and proportional otherwise.
	bytes := total / 512 * mib
	s["retention.ms"] = "-1"
	s["retention.bytes"] = strconv.FormatInt(bytes, 10)
	s["segment.bytes"] = strconv.FormatInt(min(embeddedSegment, max(1<<20, bytes/4)), 10)
	return s
}

// How far the timestamps of a topic may be from the broker's clock (Kafka 3.6 and later).
const (
	aheadLimit  = "message.timestamp.after.max.ms"
	behindLimit = "message.timestamp.before.max.ms"
	noLimit     = "9223372036854775807"
)

// anyTime has an output take any timestamp, where the brokers know the words. It has that
// of the record of the input that caused it: of one that the input took and an output
// does not, the node would try to write the outputs for ever.
func (e *ensurer) anyTime(settings map[string]string, input kadm.ResourceConfigs) {
	for _, key := range [...]string{aheadLimit, behindLimit} {
		if configValue(input, e.topics.Input, key) != "" {
			settings[key] = noLimit
		}
	}
}

// secure adds what an acknowledgement needs to mean something.
func secure(s map[string]string, replicas int16) {
	s["unclean.leader.election.enable"] = "false"
	if replicas >= 3 {
		s["min.insync.replicas"] = "2"
	}
}

// EmbeddedTopics are the names and configs of all topics, input first, for the
// embedded broker, which creates them before anybody can connect.
func EmbeddedTopics(topics Topics, retention int64) []TopicSettings {
	o := EnsureOptions{Embedded: true, Retention: retention}
	all := []TopicSettings{{Name: topics.Input, Configs: o.inputSettings(1)}}
	for _, k := range topics.Outputs() {
		all = append(all, TopicSettings{Name: topics.Name(k), Configs: o.settings(k, "-1", 1)})
	}
	return all
}

// TopicSettings is a topic to create.
type TopicSettings struct {
	Name    string
	Configs map[string]string
}
