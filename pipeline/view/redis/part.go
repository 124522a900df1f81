package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/view"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// part is what the sink knows of a partition: which fields its series have, so
// that it can delete the oldest. One call at a time uses it.
type part struct {
	series map[string]*series // by key of the bars
	kline  wire.KlineRecord
	next   int64 // where the view stood at the last answer
	read   int64 // up to where records have been handed over
	audit  audit
	told   told
	// left are hashes of an earlier view that wait for their sweep: nothing else
	// knows them once the next one has begun, and that may have happened without
	// an answer.
	left []string
}

// series are the fields of one hash of bars.
type series struct {
	sym, itv string
	inds     string // key of the values
	// loaded is false after the view moved without us: the fields are read
	// before the next write then.
	loaded bool
	ts     []int64
	last   map[string]value
}

// value is the newest closed value of an instance.
type value struct {
	t     int64
	n     int64
	flags uint8
	seq   int64
	ver   string
}

// forget makes every series read its fields again: the view is not what we
// left.
func (x *part) forget() {
	for _, s := range x.series {
		s.loaded = false
	}
}

// of returns the series, its fields known.
func (r *Redis) of(ctx context.Context, x *part, p int32, sym, itv string) (string, *series, error) {
	k := r.key(p, keyBar, sym, itv)
	s := x.series[k]
	if s == nil {
		s = &series{sym: sym, itv: itv, inds: r.key(p, keyInd, sym, itv), last: map[string]value{}}
		x.series[k] = s
		x.told.met(sym)
	}
	if s.loaded {
		return k, s, nil
	}
	reply, err := r.prove(ctx, loadScript, []string{r.key(p, keyHas), k, s.inds}, nil, 0)
	if err == nil && (len(reply) != 5 || reply[2] != any(k)) {
		err = errProof
	}
	if err != nil {
		return k, s, fmt.Errorf("reading which bars of %s@%s are in the Redis view: %w", sym, itv, err)
	}
	s.load(texts(reply[3]), texts(reply[4]))
	return k, s, nil
}

// load takes over the names of the bars and the newest values (instance, text,
// instance, text..): a restated value replaces one only if it is the newest.
func (s *series) load(bars, values []string) {
	s.ts = s.ts[:0]
	for _, f := range bars {
		if t, err := strconv.ParseInt(f, 10, 64); err == nil {
			s.ts = append(s.ts, t)
		}
	}
	slices.Sort(s.ts)
	clear(s.last)
	for i := 0; i+1 < len(values); i += 2 {
		var v struct {
			T   int64  `json:"t"`
			N   int64  `json:"n"`
			FL  uint8  `json:"fl"`
			Seq int64  `json:"seq"`
			Ver string `json:"ver"`
		}
		if text := values[i+1]; len(text) > versionLen && json.Unmarshal([]byte(text[versionLen+1:]), &v) == nil {
			s.last[values[i]] = value{t: v.T, n: v.N, flags: v.FL, seq: v.Seq, ver: v.Ver}
		}
	}
	s.loaded = true
}

// writes turns one record into fields. Records that are no klines of ours are
// skipped: the view's position moves over them.
func (r *Redis) writes(ctx context.Context, x *part, p int32, rec *view.Record, dst []write) ([]write, error) {
	ver := version(rec.So, rec.Sk)
	switch rec.Kind {
	case "":
		k := &x.kline
		if wire.DecodeKline(rec.Value, k) != nil || !k.Final {
			return dst, nil //nolint:nilerr // as said above: skipped
		}
		key, s, err := r.of(ctx, x, p, k.Sym, k.Itv)
		if err != nil {
			return dst, err
		}
		dst = append(dst, write{key, strconv.FormatInt(k.T, 10), ver, string(rec.Value)})
		dst = s.values(dst, k, ver)
		return s.trim(dst, key, k.T, r.cfg.ViewBars), nil
	case wire.KindRestated:
		var y wire.RestatedRecord
		if wire.DecodeRestated(rec.Value, &y) != nil || len(y.T) == 0 {
			return dst, nil //nolint:nilerr // as said above: skipped
		}
		_, s, err := r.of(ctx, x, p, y.Sym, y.Itv)
		if err != nil {
			return dst, err
		}
		return s.restated(dst, &y, ver), nil
	}
	return dst, nil
}

// values appends the newest closed value per instance.
func (s *series) values(dst []write, k *wire.KlineRecord, ver string) []write {
	for i := range k.Ind {
		v := &k.Ind[i]
		if old, ok := s.last[v.Name]; ok && k.T < old.t {
			continue
		}
		now := value{t: k.T, n: v.N, flags: v.Flags, seq: v.Seq, ver: v.Ver}
		s.last[v.Name] = now
		dst = append(dst, write{s.inds, v.Name, ver, string(now.json(v.V))})
	}
	return dst
}

// restated replaces the newest closed value if the record restates it.
func (s *series) restated(dst []write, y *wire.RestatedRecord, ver string) []write {
	i := len(y.T) - 1
	now, ok := s.last[y.Ind]
	if !ok || now.t != y.T[i] {
		return dst
	}
	now.seq, now.ver = y.Seq, y.Ver
	s.last[y.Ind] = now
	v := make([][]byte, len(y.V))
	for o := range v {
		v[o] = y.V[o][i]
	}
	return append(dst, write{s.inds, y.Ind, ver, string(now.json(v))})
}

// json is what outside readers find: {"t","v":[..],"n","fl","seq","ver"}.
func (v *value) json(outputs [][]byte) []byte {
	b := strconv.AppendInt([]byte(`{"t":`), v.t, 10)
	b = append(b, `,"v":[`...)
	for i, o := range outputs {
		if i > 0 {
			b = append(b, ',')
		}
		if o == nil {
			o = []byte("null")
		}
		b = append(b, o...)
	}
	b = strconv.AppendInt(append(b, `],"n":`...), v.n, 10)
	b = strconv.AppendInt(append(b, `,"fl":`...), int64(v.flags), 10)
	b = strconv.AppendInt(append(b, `,"seq":`...), v.seq, 10)
	b = strconv.AppendQuote(append(b, `,"ver":`...), v.ver)
	return append(b, '}')
}

// trim notes the field t and deletes what is too old by then.
func (s *series) trim(dst []write, key string, t int64, most int) []write {
	if i, found := slices.BinarySearch(s.ts, t); !found {
		s.ts = slices.Insert(s.ts, i, t)
	}
	over := max(len(s.ts)-most, 0)
	for _, old := range s.ts[:over] {
		dst = append(dst, write{key: key, field: strconv.FormatInt(old, 10)})
	}
	s.ts = slices.Delete(s.ts, 0, over)
	return dst
}
