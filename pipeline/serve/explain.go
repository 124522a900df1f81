package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// CodeUnknownBar is the problem of a bar that the log does not hold: it has not
// closed, no trade fell into it, or retention has removed it.
const CodeUnknownBar = "unknown-bar"

// ExplainQuery asks where one closed bar comes from.
type ExplainQuery struct {
	Symbol, Interval string
	// Open is the open time, ms.
	Open int64
	// Rev is the revision; HasRev false means the newest.
	Rev    int32
	HasRev bool
	// Indicator is the canonical name of one instance, "" for all.
	Indicator string

	itv int
}

// ParseExplain reads the query of /v1/explain.
func (h *Hub) ParseExplain(ctx context.Context, v url.Values) (ExplainQuery, *Problem) {
	r := reader{values: v}
	r.known("sym", "itv", "t", "rev", "ind")
	var q ExplainQuery
	q.Symbol, q.Interval, q.itv = r.series(h)
	var given bool
	if q.Open, given = r.time("t"); !given {
		r.fail(badParam("t", "", "t is missing: the open time of a bar, in ms or RFC 3339"))
	}
	if text := v.Get("rev"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 || text[0] == '+' {
			r.fail(badParam("rev", text, "rev is a whole number from 0"))
		}
		q.Rev, q.HasRev = int32(n), true
	}
	if r.problem != nil {
		return q, r.problem
	}
	if itv, err := core.ParseInterval(q.Interval); err == nil && itv.OpenTime(q.Open) != q.Open {
		return q, badParam("t", v.Get("t"), "no bar of "+q.Interval+" opens then; the one that holds this time opens at "+strconv.FormatInt(itv.OpenTime(q.Open), 10))
	}
	if text := v.Get("ind"); text != "" {
		x, p := h.parseIndicator(ctx, "ind", text)
		if p != nil {
			return q, p
		}
		q.Indicator = x.name
	}
	return q, nil
}

// explanation is the body of /v1/explain: what the records of the log say, and
// of the indicators what this node is configured with.
type explanation struct {
	Symbol   string `json:"sym"`
	Interval string `json:"itv"`
	Open     int64  `json:"t"`
	End      int64  `json:"T"`
	Rev      int32  `json:"rev"`
	Seq      int64  `json:"seq"`
	Why      string `json:"why,omitempty"`
	Quality  string `json:"q"`
	Trades   int64  `json:"n"`
	// First and Last are the ids of the open and the close trade.
	First json.RawMessage `json:"first"`
	Last  json.RawMessage `json:"last"`
	// Input is where the trades stand: all of them between the two offsets,
	// which also hold others.
	Input     inputRange `json:"input"`
	Watermark int64      `json:"wm"`
	Epoch     int32      `json:"ep"`
	Record    placed     `json:"record"`
	// Revisions are all that the log holds of the bar, oldest first.
	Revisions []revision                `json:"revisions"`
	Values    map[string]explainedValue `json:"ind,omitempty"`
}

type inputRange struct {
	Partition int32 `json:"p"`
	From      int64 `json:"o0"`
	To        int64 `json:"o1"`
}

// placed is a record of klines: its offset there, the position that caused it,
// and its Kafka timestamp.
type placed struct {
	Offset    int64 `json:"offset"`
	So        int64 `json:"so"`
	Sk        int64 `json:"sk"`
	Timestamp int64 `json:"ts"`
}

type revision struct {
	Rev    int32  `json:"rev"`
	Seq    int64  `json:"seq"`
	Why    string `json:"why,omitempty"`
	Trades int64  `json:"n"`
	Record placed `json:"record"`
}

// explainedValue is one instance at the bar. Restated names the record that
// changed the value without the bar.
type explainedValue struct {
	Values     []json.RawMessage `json:"v"`
	Outputs    []string          `json:"outputs,omitempty"`
	N          int64             `json:"n"`
	Seq        int64             `json:"seq"`
	Stable     bool              `json:"stable"`
	Degenerate bool              `json:"degenerate"`
	Failed     bool              `json:"failed"`
	// Version is the first 8 hex digits of the module's sha256, of the record.
	Version  string            `json:"ver"`
	Module   string            `json:"module,omitempty"`
	Profile  string            `json:"profile,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	Warmup   int64             `json:"warmup,omitempty"`
	Restated *placed           `json:"restated,omitempty"`
}

// Explain reads the records of one bar from the log. A *Problem says that there
// is none, or that the log cannot be read; another error that ctx has ended.
func (h *Hub) Explain(ctx context.Context, q ExplainQuery) (Answer, error) {
	x := explainer{h: h, q: q}
	if err := x.read(ctx); err != nil {
		return Answer{}, err
	}
	if !x.found {
		return Answer{}, x.missing()
	}
	body, err := json.Marshal(x.out)
	if err != nil {
		return Answer{}, fmt.Errorf("writing an explanation: %w", err)
	}
	return Answer{Body: body, ContentType: jsonType, Sources: []string{sourceLog}}, nil
}

// explainer collects what the log says about one bar.
type explainer struct {
	h     *Hub
	q     ExplainQuery
	out   explanation
	found bool
	past  bool // no record behind this one is about the bar
	last  point
}

func (x *explainer) missing() *Problem {
	p := &Problem{Status: 404, Code: CodeUnknownBar, Param: "t", Value: strconv.FormatInt(x.q.Open, 10)}
	p.Detail = "the log holds no closed bar of " + x.q.Symbol + "@" + x.q.Interval + " that opens then: it is still forming, no trade fell into it, or retention has removed it"
	if len(x.out.Revisions) > 0 {
		p.Param, p.Value = "rev", strconv.FormatInt(int64(x.q.Rev), 10)
		p.Detail = "the bar has no such revision in the log"
		for _, r := range x.out.Revisions {
			p.Allowed = append(p.Allowed, strconv.FormatInt(int64(r.Rev), 10))
		}
	}
	return p
}

// read walks over the part of klines where the bar and its restatements stand.
func (x *explainer) read(ctx context.Context) error {
	h := x.h
	g := h.find(x.q.Symbol, x.q.Interval)
	if g == nil {
		return nil
	}
	h.mu.RLock()
	log, p := h.explains, g.symbol.p
	end := int64(0)
	if p >= 0 {
		end = h.parts[p].end
	}
	h.mu.RUnlock()
	g.mu.RLock()
	from, ok := g.index.before(x.q.Open, 0)
	to := g.index.after(x.final(g.ms), end)
	g.mu.RUnlock()
	if !ok || log == nil || p < 0 {
		return nil
	}
	return x.walk(ctx, g.ms, logSpan{log, p, from, to})
}

// final is the open time of a bar whose first record proves that the explained one
// does not change any more: it closes when the lateness of that one is over.
func (x *explainer) final(ms int64) int64 { return x.q.Open + x.h.cfg.AllowedLateness + 2*ms }

// walk goes over the records up to the first one that is final: the index, by which
// the span ends, may have its next bar many hours later.
func (x *explainer) walk(ctx context.Context, ms int64, s logSpan) error {
	x.last = nowhere
	err := s.log.Read(withLogTime(ctx, explainTime), s.p, s.from, s.to, func(rec Record) bool {
		if at := (point{so: rec.So, sk: rec.Sk}); at.compare(x.last) > 0 { // not the repeat of a crash
			x.last = at
			x.record(&rec, x.final(ms))
		}
		return !x.past
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("reading the records of %s@%s: %w", x.q.Symbol, x.q.Interval, ctx.Err())
	case err != nil:
		return logUnavailable("the records of a bar are", err)
	}
	return nil
}

// record takes what a record says about the bar. One that cannot be read is of
// a foreign writer, and about nothing. final is that of walk.
func (x *explainer) record(rec *Record, final int64) {
	prefix := append(appendIdentity(nil, x.q.Symbol, x.q.Interval), ',')
	if canonical(rec.Value) && !bytes.HasPrefix(rec.Value, prefix) {
		return
	}
	switch rec.Kind {
	case KindKline:
		var k wire.KlineRecord
		if wire.DecodeKline(rec.Value, &k) != nil || k.Sym != x.q.Symbol || k.Itv != x.q.Interval || !k.Final {
			return
		}
		if x.past = k.Rev == 0 && k.T >= final; k.T == x.q.Open {
			x.bar(&k, rec)
		}
	case KindRestated:
		var r wire.RestatedRecord
		if wire.DecodeRestated(rec.Value, &r) == nil && r.Sym == x.q.Symbol && r.Itv == x.q.Interval {
			x.restated(&r, rec)
		}
	}
}

func placeOf(rec *Record) placed {
	return placed{Offset: rec.Offset, So: rec.So, Sk: rec.Sk, Timestamp: rec.Timestamp}
}

// bar takes one revision.
func (x *explainer) bar(k *wire.KlineRecord, rec *Record) {
	at := placeOf(rec)
	x.out.Revisions = append(x.out.Revisions, revision{Rev: k.Rev, Seq: k.Seq, Why: k.Why, Trades: k.N, Record: at})
	if x.q.HasRev && k.Rev != x.q.Rev {
		return
	}
	x.found = true
	revisions := x.out.Revisions
	x.out = explanation{
		Symbol: k.Sym, Interval: k.Itv, Open: k.T, End: k.CloseT, Rev: k.Rev, Seq: k.Seq, Why: k.Why, Quality: k.Q, Trades: k.N,
		First: appendID(nil, k.FirstID), Last: appendID(nil, k.LastID), Input: inputRange{k.P, k.O0, k.O1},
		Watermark: k.WM, Epoch: k.EP, Record: at, Revisions: revisions, Values: map[string]explainedValue{},
	}
	for i := range k.Ind {
		v := &k.Ind[i]
		if x.q.Indicator != "" && x.q.Indicator != v.Name {
			continue
		}
		e := explainedValue{
			N: v.N, Seq: v.Seq, Version: v.Ver, Stable: v.Flags&wire.FlagStable != 0,
			Degenerate: v.Flags&wire.FlagDegenerate != 0, Failed: v.Flags&(wire.FlagError|wire.FlagQuarantined) != 0,
		}
		for _, raw := range v.V {
			e.Values = append(e.Values, rawNumber(raw))
		}
		x.describe(&e, v.Name)
		x.out.Values[v.Name] = e
	}
}

// rawNumber copies a number of a record; null stands for none.
func rawNumber(raw []byte) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return bytes.Clone(raw)
}

// describe adds what this node knows of an instance, if its module is the one
// that computed the value.
func (x *explainer) describe(e *explainedValue, name string) {
	n, ok := x.h.number(name)
	if !ok || x.h.meta(n).Version != e.Version {
		return
	}
	m := x.h.meta(n)
	e.Outputs, e.Module, e.Profile, e.Warmup = m.Outputs, m.Module, m.Profile, m.Warmup
	e.Params = map[string]string{}
	for _, p := range m.Params {
		e.Params[p.Name] = p.Value
	}
}

// restated takes values that changed because an earlier bar did. They belong to
// the revision before them.
func (x *explainer) restated(r *wire.RestatedRecord, rec *Record) {
	v, ok := x.out.Values[r.Ind]
	if !ok || x.q.HasRev && len(x.out.Revisions) > 0 && x.out.Revisions[len(x.out.Revisions)-1].Rev != x.q.Rev {
		return
	}
	for i, t := range r.T {
		if t != x.q.Open {
			continue
		}
		v.Values = nil
		for _, column := range r.V {
			v.Values = append(v.Values, rawNumber(column[i]))
		}
		at := placeOf(rec)
		v.Seq, v.Restated = r.Seq, &at
		x.out.Values[r.Ind] = v
	}
}
