package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// AppendOps appends the body of a journal record: the operations of one
// decision, in the order in which they act.
func AppendOps(dst []byte, ops []core.Op) []byte {
	dst = append(dst, '[')
	for i := range ops {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendOp(dst, &ops[i])
	}
	return append(dst, ']')
}

func appendOp(dst []byte, op *core.Op) []byte {
	dst = appendText(append(dst, `{"op":`...), op.Kind.String())
	switch op.Kind {
	case core.OpIdle:
		dst = appendText(append(dst, `,"src":`...), op.Source)
		dst = appendInt(dst, `,"ts":`, op.TS)
		dst = appendInt(dst, `,"now":`, op.Now)
	case core.OpHistorical, core.OpLive:
		dst = appendText(append(dst, `,"src":`...), op.Source)
		dst = appendInt(dst, `,"now":`, op.Now)
	case core.OpConfig:
		dst = appendText(append(dst, `,"config":`...), op.Config)
	case core.OpNone, core.OpStart:
	}
	return append(dst, '}')
}

// jsonOp has a pointer per key, so that a missing one is seen.
type jsonOp struct {
	Op     *string `json:"op"`
	Src    *string `json:"src"`
	TS     *int64  `json:"ts"`
	Now    *int64  `json:"now"`
	Config *string `json:"config"`
}

// DecodeOps reads the body of a journal record. It is strict, since a decision
// that is read in part would make two nodes differ: an unknown operation or
// key, a missing key and trailing data are errors, and so is an empty list.
func DecodeOps(b []byte) ([]core.Op, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var raw []jsonOp
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("decoding journal record: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("decoding journal record: data behind the list of operations")
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("decoding journal record: it holds no operation")
	}
	ops := make([]core.Op, len(raw))
	for i := range raw {
		op, err := raw[i].op()
		if err != nil {
			return nil, fmt.Errorf("decoding journal record: operation %d: %w", i, err)
		}
		ops[i] = op
	}
	return ops, nil
}

func (j *jsonOp) op() (core.Op, error) {
	if j.Op == nil {
		return core.Op{}, fmt.Errorf("key %q is missing", "op")
	}
	kind, ok := core.ParseOpKind(*j.Op)
	if !ok {
		return core.Op{}, fmt.Errorf("unknown operation %q (written by a newer release?)", cut(*j.Op))
	}
	op := core.Op{Kind: kind}
	var src, ts, now, config bool
	switch kind {
	case core.OpIdle:
		src, ts, now = true, true, true
	case core.OpHistorical, core.OpLive:
		src, now = true, true
	case core.OpConfig:
		config = true
	case core.OpNone, core.OpStart:
	}
	err := errors.Join(
		take("src", src, j.Src, &op.Source), take("ts", ts, j.TS, &op.TS),
		take("now", now, j.Now, &op.Now), take("config", config, j.Config, &op.Config),
	)
	return op, err
}

// take copies a key that the operation has and refuses one that it has not.
func take[T any](key string, wanted bool, from, to *T) error {
	switch {
	case wanted && from == nil:
		return fmt.Errorf("key %q is missing", key)
	case !wanted && from != nil:
		return fmt.Errorf("key %q does not belong to it", key)
	case wanted:
		*to = *from
	}
	return nil
}
