package kafka

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
)

// Checkpoint is the whole state of a partition at one input offset.
type Checkpoint struct {
	// From and To are the next input offset before and after the unit. To is
	// where a restored partition goes on.
	From, To int64
	// JN is the journal offset of the first record that has not acted, else the
	// journal's end as far as it is known.
	JN int64
	// Cfg is the hash of all that changes results.
	Cfg string
	// Input is the id of the topic whose offsets From and To are; set by LoadCheckpoint,
	// empty where it is unknown.
	Input string
	// Partitions is how many the input had then; set by LoadCheckpoint, 0 where it is
	// unknown.
	Partitions int64
	// Group is that of the newest writer of the state; set by LoadCheckpoint, empty where
	// it is unknown.
	Group string
	// Body are the sections, opaque here.
	Body []byte
	// Meta goes beside the committed offset. Not stored in the checkpoint.
	Meta CommitMeta
	// Offset of the (first) record in the state topic; set by LoadCheckpoint.
	Offset int64
	// Published says up to where outputs are known to be on the topics; set by
	// LoadCheckpoint. A restored partition replays up to there in silence.
	Published Published

	size int // of the frame, bytes; set by LoadCheckpoint
}

// Behind tells whether more is published than the snapshot contains.
func (cp *Checkpoint) Behind() bool {
	return cp.Published.To > cp.To || cp.Published.JN > cp.JN
}

// Published is a place in the input and in the journal.
type Published struct {
	// To is the input offset behind the last record whose outputs are there.
	To int64
	// JN is the journal offset behind the last decision whose outputs are there.
	JN int64
}

const (
	checkpointType = "state/bin;1"
	kindFull       = "full"
	kindPart       = "part "
	kindMark       = "mark"
)

// writeCheckpoint writes cp as a chain of one full snapshot and returns its
// size in bytes. The parts behind the first name its offset, so they are sent
// when it is known.
func (c *Client) writeCheckpoint(p int32, cp *Checkpoint) (int, error) {
	frame := c.codec.seal(cp.Body)
	c.makeRoom(p, len(frame))
	parts := split(frame)
	recs := make([]*kgo.Record, len(parts))
	for i, part := range parts {
		recs[i] = c.checkpointRecord(p, cp, i, len(parts), part)
	}
	if err := c.send.produce(recs[:1]); err != nil {
		return 0, err
	}
	first := Header{Key: "full", Value: strconv.AppendInt(nil, recs[0].Offset, 10)}
	for _, r := range recs[1:] {
		r.Headers = append(r.Headers, first)
	}
	if err := c.send.produce(recs[1:]); err != nil {
		return 0, err
	}
	c.fence.wrote(recs)
	return len(frame), failpoint.Err(failpoint.AfterCheckpoint)
}

func (c *Client) checkpointRecord(p int32, cp *Checkpoint, i, n int, part []byte) *kgo.Record {
	kind := kindFull
	if n > 1 {
		kind = fmt.Sprintf("%s%d/%d", kindPart, i+1, n)
	}
	return &kgo.Record{
		Topic: c.cfg.Topics.Name(State), Partition: p, Value: part, Timestamp: c.now(),
		Headers: []Header{
			{Key: "ct", Value: []byte(checkpointType)},
			{Key: "wr", Value: []byte(c.nonce)},
			{Key: "kind", Value: []byte(kind)},
			{Key: "from", Value: strconv.AppendInt(nil, cp.From, 10)},
			{Key: "to", Value: strconv.AppendInt(nil, cp.To, 10)},
			{Key: "jn", Value: strconv.AppendInt(nil, cp.JN, 10)},
			{Key: "cfg", Value: []byte(cp.Cfg)},
			{Key: "in", Value: []byte(c.inputID())},
			{Key: "partitions", Value: strconv.AppendInt(nil, int64(c.cfg.Layout.N), 10)},
			{Key: "group", Value: []byte(c.cfg.Group)},
		},
	}
}

// markRecord says that everything before input offset to, and every decision
// before journal offset jn, is published: the transaction that it stands in says
// so. It carries no state: that is the newest snapshot and a replay up to here.
func (c *Client) markRecord(p int32, to, jn int64) *kgo.Record {
	return &kgo.Record{
		Topic: c.cfg.Topics.Name(State), Partition: p, Timestamp: c.now(),
		Headers: []Header{
			{Key: "ct", Value: []byte(checkpointType)},
			{Key: "wr", Value: []byte(c.nonce)},
			{Key: "kind", Value: []byte(kindMark)},
			{Key: "to", Value: strconv.AppendInt(nil, to, 10)},
			{Key: "jn", Value: strconv.AppendInt(nil, jn, 10)},
			{Key: "group", Value: []byte(c.cfg.Group)},
		},
	}
}

// inputID names the log whose offsets a checkpoint counts; empty where the brokers give
// topics no ids.
func (c *Client) inputID() string { return idText(c.cfg.Layout.InputTopicID) }

func idText(id [16]byte) string {
	if id == ([16]byte{}) {
		return ""
	}
	return hex.EncodeToString(id[:])
}

func (c *Client) now() time.Time { return c.cfg.Cluster.Clock.Now() }

// link is one record of the state topic, its headers read.
type link struct {
	offset   int64
	wr, cfg  string
	in       string // id of the input; empty if the writer did not know it
	n        int64  // partitions of the input; 0 if the writer did not say
	group    string // of the writer; empty if it did not say
	part, of int    // 1/1 for a snapshot in one record; 0/0 for a mark
	full     int64
	from, to int64
	jn       int64
	value    []byte
}

// parseLink returns false for a record that is no full snapshot or part of one:
// foreign, damaged, or of a kind that a later version writes.
func parseLink(r *kgo.Record) (link, bool) {
	l := link{offset: r.Offset, part: 1, of: 1, full: r.Offset, value: r.Value}
	if ct, _ := headerOf(r.Headers, "ct"); string(ct) != checkpointType {
		return l, false
	}
	wr, _ := headerOf(r.Headers, "wr")
	cfg, _ := headerOf(r.Headers, "cfg")
	in, _ := headerOf(r.Headers, "in")
	group, _ := headerOf(r.Headers, "group")
	l.wr, l.cfg, l.in, l.group = string(wr), string(cfg), string(in), string(group)
	if !number(r, "partitions", &l.n) {
		l.n = 0
	}
	kind, _ := headerOf(r.Headers, "kind")
	if string(kind) == kindMark {
		l.part, l.of = 0, 0
		return l, number(r, "to", &l.to) && number(r, "jn", &l.jn)
	}
	ok := l.parseKind(string(kind))
	if l.part > 1 {
		ok = ok && number(r, "full", &l.full)
	}
	return l, ok && number(r, "from", &l.from) && number(r, "to", &l.to) && number(r, "jn", &l.jn)
}

func (l *link) parseKind(kind string) bool {
	if kind == kindFull {
		return true
	}
	i, n, ok := strings.Cut(strings.TrimPrefix(kind, kindPart), "/")
	if !ok || !strings.HasPrefix(kind, kindPart) {
		return false
	}
	var err1, err2 error
	l.part, err1 = strconv.Atoi(i)
	l.of, err2 = strconv.Atoi(n)
	return err1 == nil && err2 == nil && l.part >= 1 && l.part <= l.of && l.of <= MaxState/maxPartBytes+1
}

func number(r *kgo.Record, key string, into *int64) bool {
	v, ok := headerOf(r.Headers, key)
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	*into = n
	return err == nil
}
