package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/view"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// maxWrites is about how many fields one call carries: a script stops every
// other client of the server while it runs (500 fields: 0.45 ms).
const maxWrites = 200

// formingTTL ends forming bars whose worker is gone.
const formingTTL = time.Hour

// Apply implements view.Sink.
func (r *Redis) Apply(ctx context.Context, p int32, from, to int64, recs []view.Record) (int64, error) {
	x := r.part(p)
	have, err := r.apply(ctx, x, p, from, to, recs)
	r.note(err)
	if err != nil || have != to {
		x.forget()
	}
	return have, err
}

func (r *Redis) apply(ctx context.Context, x *part, p int32, from, to int64, recs []view.Record) (int64, error) {
	at, i := from, 0
	for {
		var batch []write
		var err error
		for i < len(recs) && len(batch) < maxWrites {
			if batch, err = r.writes(ctx, x, p, &recs[i], batch); err != nil {
				return at, err
			}
			i++
		}
		next := to
		if i < len(recs) {
			next = recs[i].Offset
		}
		have, err := r.move(ctx, x, p, at, next, batch)
		if err != nil || have != next || next == to {
			return have, err
		}
		at = next
	}
}

// move applies one range and says where the view is afterwards. A call without
// an answer may have run or not; an empty range at the old position tells.
func (r *Redis) move(ctx context.Context, x *part, p int32, from, to int64, writes []write) (int64, error) {
	a, err := r.run(ctx, p, from, to, false, writes)
	if err != nil && ctx.Err() == nil {
		cause := err
		if a, err = r.run(ctx, p, from, from, false, nil); err != nil {
			return from, errors.Join(cause, err)
		}
		if a.code == answerOK {
			return from, nil // it did not run: the follower sends it again
		}
	}
	if err != nil {
		return from, err
	}
	switch a.code {
	case answerOK, answerDup, answerGap:
		if a.code == answerOK {
			r.announce(ctx, x, p)
		}
		return a.next, nil
	case answerMissing, answerOldEpoch:
		return r.rebuild(ctx, x, p, a.code)
	case answerFenced:
		return from, fmt.Errorf("applying klines to partition %d of the Redis view: %w", p, ErrFenced)
	}
	return from, fmt.Errorf("applying klines to partition %d of the Redis view: unexpected answer %q", p, a.code)
}

// rebuild begins an empty view of the partition at the start of the log and
// returns that offset; the follower reads the log again from there.
func (r *Redis) rebuild(ctx context.Context, x *part, p int32, code string) (int64, error) {
	start := int64(0)
	if r.cfg.LogStart != nil {
		var err error
		if start, err = r.cfg.LogStart(ctx, p); err != nil {
			return 0, fmt.Errorf("asking for the start of klines[%d] to build the Redis view: %w", p, err)
		}
	}
	keys, err := r.known(ctx, x, p, code == answerOldEpoch)
	if err != nil {
		return start, err
	}
	if len(keys) > 0 {
		if err := r.client.Del(ctx, keys...).Err(); err != nil {
			return start, fmt.Errorf("emptying partition %d of the Redis view: %w", p, err)
		}
	}
	clear(x.series)
	clear(x.symbols)
	a, err := r.run(ctx, p, start, start, true, nil)
	if err != nil {
		return start, err
	}
	if a.code != answerOK && a.code != answerDup && a.code != answerGap {
		return start, fmt.Errorf("beginning partition %d of the Redis view: unexpected answer %q", p, a.code)
	}
	r.announceMap(ctx)
	return a.next, nil
}

// known lists the keys to delete: those of the series met so far and, for a view
// of an older epoch, those of every symbol announced in it. Its fields must go:
// positions may have begun anew, and the higher version would win.
func (r *Redis) known(ctx context.Context, x *part, p int32, older bool) ([]string, error) {
	var keys []string
	for k, s := range x.series {
		keys = append(keys, k, s.inds, r.key(p, keyCur, s.sym))
	}
	if !older {
		return keys, nil
	}
	keys = append(keys, r.key(p, keyPos))
	symbols, err := r.client.HGetAll(ctx, r.symbolsKey()).Result()
	if err != nil {
		return nil, fmt.Errorf("asking for the symbols of an older epoch in the Redis view: %w", err)
	}
	for sym, in := range symbols {
		if in != strconv.Itoa(int(p)) {
			continue
		}
		keys = append(keys, r.key(p, keyCur, sym))
		for _, itv := range r.cfg.Intervals {
			keys = append(keys, r.key(p, keyBar, sym, itv), r.key(p, keyInd, sym, itv))
		}
	}
	return keys, nil
}

func (r *Redis) symbolsKey() string {
	return r.cfg.KeyPrefix + ":{" + r.cfg.MappingVersion + "}:sym"
}

// announceMap tells outside readers how to find keys. It is no part of the
// view's correctness; the next rebuild says it again.
func (r *Redis) announceMap(ctx context.Context) {
	_ = r.client.HSet(ctx, r.cfg.KeyPrefix+":map", "mv", r.cfg.MappingVersion, "n", r.cfg.Partitions,
		"epoch", r.cfg.Epoch, "schema", 1).Err()
}

// announce tells outside readers in which partition a symbol is, once each.
func (r *Redis) announce(ctx context.Context, x *part, p int32) {
	var fields []any
	for _, s := range x.series {
		if !x.symbols[s.sym] {
			x.symbols[s.sym] = true
			fields = append(fields, s.sym, p)
		}
	}
	if len(fields) == 0 {
		return
	}
	if r.client.HSet(ctx, r.symbolsKey(), fields...).Err() != nil {
		clear(x.symbols) // said again with the next call
	}
}

// Forming writes forming bars (the JSON of the topic), best effort: outside the
// script, without a position, gone after an hour.
func (r *Redis) Forming(ctx context.Context, p int32, values [][]byte) error {
	pipe := r.client.Pipeline()
	var k wire.KlineRecord
	for _, v := range values {
		if wire.DecodeKline(v, &k) != nil || k.Final {
			continue
		}
		key := r.key(p, keyCur, k.Sym)
		pipe.HSet(ctx, key, k.Itv, version(k.O1, 0)+"|"+string(v))
		pipe.PExpire(ctx, key, formingTTL)
	}
	if pipe.Len() == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("writing forming bars to the Redis view: %w", err)
	}
	return nil
}

// Bars reads the bars of a series as they are in the view: open time to JSON.
func (r *Redis) Bars(ctx context.Context, p int32, sym, itv string) (map[int64]string, error) {
	fields, err := r.client.HGetAll(ctx, r.key(p, keyBar, sym, itv)).Result()
	if err != nil {
		return nil, fmt.Errorf("reading bars of %s@%s from the Redis view: %w", sym, itv, err)
	}
	out := make(map[int64]string, len(fields))
	for f, v := range fields {
		t, err := strconv.ParseInt(f, 10, 64)
		if err == nil && len(v) > versionLen {
			out[t] = v[versionLen+1:]
		}
	}
	return out, nil
}

// Values reads the newest closed values of a series: instance to JSON.
func (r *Redis) Values(ctx context.Context, p int32, sym, itv string) (map[string]string, error) {
	fields, err := r.client.HGetAll(ctx, r.key(p, keyInd, sym, itv)).Result()
	if err != nil {
		return nil, fmt.Errorf("reading values of %s@%s from the Redis view: %w", sym, itv, err)
	}
	for f, v := range fields {
		if len(v) > versionLen {
			fields[f] = v[versionLen+1:]
		}
	}
	return fields, nil
}

// versionLen is the length of a version: 16 digits, a point, 9 digits.
const versionLen = 16 + 1 + 9
