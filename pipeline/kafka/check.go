package kafka

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// check reads the configs of all topics. What would break the engine is an
// error, what weakens its promises a warning.
func (e *ensurer) check(ctx context.Context, meta kadm.Metadata) ([]string, error) {
	configs, err := e.adm.DescribeTopicConfigs(ctx, e.names()...)
	if err != nil {
		return []string{fmt.Sprintf("the topics' configs could not be checked: %v", err)}, nil
	}
	for _, name := range []string{e.topics.Input, e.topics.Name(State), e.topics.Name(Journal)} {
		// Compaction leaves holes in offsets, and the records of state and
		// journal have no key: the broker would refuse or remove them.
		if v := configValue(configs, name, "cleanup.policy"); v != "" && v != "delete" {
			return nil, fmt.Errorf("topic %q has cleanup.policy %q: it must be delete, its records have to stay in order and complete", cut(name), cut(v))
		}
	}
	for _, name := range []string{e.topics.Name(Late), e.topics.Name(DLQ)} {
		// They take records as they came, also without a key: a broker that compacts
		// refuses those, and the partition would try to write the same one for ever.
		if v := configValue(configs, name, "cleanup.policy"); strings.Contains(v, "compact") {
			return nil, fmt.Errorf("topic %q has cleanup.policy %q: it must be delete, a broker refuses records without a key where it compacts", cut(name), cut(v))
		}
	}
	warnings := append(e.retentionWarnings(configs), e.timeWarnings(configs)...)
	if len(meta.Brokers) >= 3 {
		warnings = append(warnings, e.safetyWarnings(configs, meta)...)
	}
	return warnings, nil
}

func (e *ensurer) retentionWarnings(configs kadm.ResourceConfigs) []string {
	var ws []string
	journal, state := e.topics.Name(Journal), e.topics.Name(State)
	in, inOK := millis(configs, e.topics.Input, "retention.ms")
	if j, ok := millis(configs, journal, "retention.ms"); ok && inOK && j >= 0 && (in < 0 || j < in) {
		ws = append(ws, fmt.Sprintf("topic %s keeps its records shorter (%d ms) than %s (%d ms): a replay from the start of the input will miss decisions", journal, j, e.topics.Input, in))
	}
	if s, ok := millis(configs, state, "retention.ms"); ok && s >= 0 {
		ws = append(ws, fmt.Sprintf("topic %s has retention.ms %d: a partition that is quiet for longer loses its checkpoint; set -1 and limit it by retention.bytes", state, s))
	}
	if v := configValue(configs, e.topics.Name(Klines), "cleanup.policy"); v == "compact" {
		ws = append(ws, fmt.Sprintf("topic %s has cleanup.policy compact: without delete it grows for ever, its keys are never written again", e.topics.Name(Klines)))
	}
	return ws
}

// timeWarnings names outputs that refuse timestamps which the input has, see anyTime. How
// far back those go, only the age of its records says: there any limit is too narrow.
func (e *ensurer) timeWarnings(configs kadm.ResourceConfigs) []string {
	var ws []string
	ahead, _ := millis(configs, e.topics.Input, aheadLimit)
	for _, k := range []TopicKind{Klines, Late, DLQ} {
		name := e.topics.Name(k)
		if ms, ok := millis(configs, name, aheadLimit); ok && ms < ahead {
			ws = append(ws, fmt.Sprintf("topic %s refuses timestamps more than %d ms ahead, %s takes them: one such record would stop the node; set %s of %s to %s",
				name, ms, e.topics.Input, aheadLimit, name, noLimit))
		}
		if ms, ok := millis(configs, name, behindLimit); ok && ms < math.MaxInt64 {
			ws = append(ws, fmt.Sprintf("topic %s refuses timestamps older than %d ms: a record of %s that waited for longer would stop the node; set %s of %s to %s",
				name, ms, e.topics.Input, behindLimit, name, noLimit))
		}
	}
	return ws
}

func (e *ensurer) safetyWarnings(configs kadm.ResourceConfigs, meta kadm.Metadata) []string {
	var ws []string
	for _, name := range e.names() {
		if parts := meta.Topics[name].Partitions.Sorted(); len(parts) > 0 && len(parts[0].Replicas) < 3 {
			ws = append(ws, fmt.Sprintf("topic %s has %d replicas: with 3 it survives the loss of a broker", name, len(parts[0].Replicas)))
		} else if v := configValue(configs, name, "min.insync.replicas"); v == "1" {
			ws = append(ws, fmt.Sprintf("topic %s has min.insync.replicas 1: an acknowledged record may be on one broker only; 2 is recommended", name))
		}
		if v := configValue(configs, name, "unclean.leader.election.enable"); v == "true" {
			ws = append(ws, fmt.Sprintf("topic %s allows unclean leader elections: acknowledged records may be lost", name))
		}
	}
	return ws
}

func millis(configs kadm.ResourceConfigs, name, key string) (int64, bool) {
	n, err := strconv.ParseInt(configValue(configs, name, key), 10, 64)
	return n, err == nil
}

// configValue returns "" if the config is unknown or may not be read.
func configValue(configs kadm.ResourceConfigs, name, key string) string {
	rc, err := configs.On(name, nil)
	if err != nil || rc.Err != nil {
		return ""
	}
	for _, c := range rc.Configs {
		if c.Key == key {
			return c.MaybeValue()
		}
	}
	return ""
}
