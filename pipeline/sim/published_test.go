//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/twmb/franz-go/pkg/kgo"
)

// published are the bars that one partition of klines ends with.
type published struct {
	bars map[barKey]*klineText
	seq  map[[2]string]int64
}

// klineText is a kline record read by the standard library alone.
type klineText struct {
	Sym, Itv                   string
	Open                       int64
	O, H, L, C, V, QV, BV, BQV number
	N, First, Last             int64
	Rev                        int32
	Seq                        int64
	Final                      bool
}

// number is a decimal, in quotes or not.
type number struct{ big.Rat }

// UnmarshalJSON reads it exactly.
func (n *number) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		s = string(b)
	}
	if _, ok := n.SetString(s); !ok {
		return fmt.Errorf("%q is no number", s)
	}
	return nil
}

// readPublished follows revisions and sequence numbers to the last word on every
// bar.
func readPublished(recs []*kgo.Record) (*published, error) {
	p := &published{bars: map[barKey]*klineText{}, seq: map[[2]string]int64{}}
	for _, r := range recs {
		k := new(klineText)
		if err := json.Unmarshal(r.Value, k); err != nil {
			return nil, fmt.Errorf("reading %s: %w", r.Value, err)
		}
		key := barKey{k.Sym, k.Itv, k.Open}
		before := p.bars[key]
		switch {
		case !k.Final:
			return nil, fmt.Errorf("%s is not final", r.Value)
		case before == nil && k.Rev > 1, before != nil && k.Rev != before.Rev+1:
			return nil, fmt.Errorf("revision %d of %v comes out of order", k.Rev, key)
		}
		series := [2]string{k.Sym, k.Itv}
		if k.Seq != p.seq[series]+1 {
			return nil, fmt.Errorf("number %d of series %v follows number %d", k.Seq, series, p.seq[series])
		}
		p.seq[series], p.bars[key] = k.Seq, k
	}
	return p, nil
}

// UnmarshalJSON reads keys by their case: t is not T.
func (k *klineText) UnmarshalJSON(b []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return err
	}
	for key, into := range map[string]any{
		"sym": &k.Sym, "itv": &k.Itv, "t": &k.Open, "o": &k.O, "h": &k.H, "l": &k.L, "c": &k.C, "v": &k.V, "qv": &k.QV,
		"bv": &k.BV, "bqv": &k.BQV, "n": &k.N, "f": &k.First, "L": &k.Last, "rev": &k.Rev, "seq": &k.Seq, "final": &k.Final,
	} {
		if err := json.Unmarshal(keys[key], into); err != nil {
			return fmt.Errorf("key %s: %w", key, err)
		}
	}
	return nil
}

// compare finds the first bar that is not what its trades make it.
func (c *recount) compare(p *published) error {
	for key, b := range c.bars {
		k := p.bars[key]
		if k == nil {
			return fmt.Errorf("bar %v with %d trades was never published", key, b.N)
		}
		for _, x := range []struct {
			name string
			got  *number
			want *big.Rat
		}{
			{"o", &k.O, b.O}, {"h", &k.H, b.H}, {"l", &k.L, b.L}, {"c", &k.C, b.C},
			{"v", &k.V, b.V}, {"qv", &k.QV, b.QV}, {"bv", &k.BV, b.BV}, {"bqv", &k.BQV, b.BQV},
		} {
			if x.got.Cmp(x.want) != 0 {
				return fmt.Errorf("bar %v: %s is %s, its trades make %s", key, x.name, x.got.RatString(), x.want.RatString())
			}
		}
		if k.N != b.N || k.First != b.First || k.Last != b.Last {
			return fmt.Errorf("bar %v: %d trades from id %d to %d, want %d from %d to %d", key, k.N, k.First, k.Last, b.N, b.First, b.Last)
		}
	}
	for key, k := range p.bars {
		if c.bars[key] == nil {
			return fmt.Errorf("bar %v with %d trades was published, nobody traded", key, k.N)
		}
	}
	return nil
}
