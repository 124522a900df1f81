// Package shared keeps in Redis what the nodes that run the same feeds share:
// who reads which symbol, how fast a venue may be asked, and what was produced a
// moment ago.
//
// The central type is Redis, a feed.Shared. It lives as long as the feeds of an
// engine and belongs to one input topic: its keys carry the topic's identity, so
// that two installations on one server never take each other's trades for seen.
//
// Nothing here decides what is right. A lock saves requests, a remembered id
// saves a record; that no trade counts twice is the engine's work, by trade ids.
// No command is sent twice: after an error nobody knows, and the next call asks.
package shared

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/feed"
)

// Redis implements feed.Shared.
type Redis struct {
	client  goredis.UniversalClient
	prefix  string
	hold    *goredis.Script
	release *goredis.Script
	take    *goredis.Script
}

// New makes it; prefix and scope name the keys. It takes the client over.
func New(client goredis.UniversalClient, prefix, scope string) *Redis {
	if prefix == "" {
		prefix = "kl"
	}
	return &Redis{
		client: client, prefix: prefix + ":" + scope + ":feed:",
		hold: goredis.NewScript(holdScript), release: goredis.NewScript(releaseScript), take: goredis.NewScript(takeScript),
	}
}

// holdScript: KEYS lock, fence, wait; ARGV token, ttl in ms. The number of a lock
// goes up when it changes hands, and is stored with the token: asked twice it is
// the same. It is kept for ever: where it is missing, the server has lost its
// data, and with them a lock that somebody may still believe in. Nobody gets it
// before the time of a lock is over.
const holdScript = `
local v = redis.call('GET', KEYS[1])
if v then
  local token, fence = string.match(v, '^(%x+)|(%d+)$')
  if token ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(fence)
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('SET', KEYS[2], '0')
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[2])
  return 0
end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1] .. '|' .. fence, 'NX', 'PX', ARGV[2])
return fence`

// releaseScript: KEYS lock; ARGV token.
const releaseScript = `
local v = redis.call('GET', KEYS[1])
if v and string.match(v, '^(%x+)|') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

// takeScript: KEYS bucket, pause; ARGV microseconds per request, burst. It is the
// generic cell rate algorithm on the server's clock, which all nodes share. A
// bucket that is fuller than it can be was filled before that clock went back.
const takeScript = `
local paused = redis.call('PTTL', KEYS[2])
if paused > 0 then return paused * 1000 end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full = tonumber(redis.call('GET', KEYS[1]) or '0')
if full < now or full - now > ARGV[1] * ARGV[2] then full = now end
full = full + ARGV[1]
local wait = full - now - ARGV[1] * ARGV[2]
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return 0`

// key names something: its length stands before it, and in a cluster all keys
// of one name have one slot.
func (r *Redis) key(kind, name string) string {
	return r.prefix + "{" + strconv.Itoa(len(name)) + ":" + name + "}:" + kind
}

// errReply is an answer of another shape than the script has.
var errReply = errors.New("asking Redis for a lock: the answer is not one of the script")

// Hold implements feed.Shared.
func (r *Redis) Hold(ctx context.Context, token string, names []string, ttl time.Duration) ([]int64, error) {
	out := make([]int64, len(names))
	cmds, err := r.each(ctx, r.hold, names, func(name string) ([]string, []any) {
		return []string{r.key("lock", name), r.key("fence", name), r.key("wait", name)}, []any{token, ttl.Milliseconds()}
	})
	if err != nil {
		return nil, err
	}
	for i, c := range cmds {
		n, err := c.Int64()
		if err != nil || n < 0 {
			return nil, errReply
		}
		out[i] = n
	}
	return out, nil
}

// Release implements feed.Shared.
func (r *Redis) Release(ctx context.Context, token string, names []string) error {
	_, err := r.each(ctx, r.release, names, func(name string) ([]string, []any) {
		return []string{r.key("lock", name)}, []any{token}
	})
	return err
}

// each runs a script once per name in one pipeline. A server that has forgotten
// the script has run nothing of those commands: they, and only they, are sent
// with its text.
func (r *Redis) each(ctx context.Context, script *goredis.Script, names []string, of func(string) ([]string, []any)) ([]*goredis.Cmd, error) {
	cmds := make([]*goredis.Cmd, len(names))
	send := func(unknown bool) error {
		p := r.client.Pipeline()
		n := 0
		for i, name := range names {
			keys, args := of(name)
			switch {
			case !unknown:
				cmds[i] = script.EvalSha(ctx, p, keys, args...)
			case goredis.HasErrorPrefix(cmds[i].Err(), "NOSCRIPT"):
				cmds[i] = script.Eval(ctx, p, keys, args...)
			default:
				continue
			}
			n++
		}
		if n == 0 {
			return nil
		}
		_, err := p.Exec(ctx)
		return err //nolint:wrapcheck // wrapped below
	}
	err := send(false)
	if goredis.HasErrorPrefix(err, "NOSCRIPT") {
		err = send(true)
	}
	if err != nil {
		return nil, fmt.Errorf("asking Redis for locks: %w", err)
	}
	for _, c := range cmds {
		if c.Err() != nil {
			return nil, fmt.Errorf("asking Redis for locks: %w", c.Err())
		}
	}
	return cmds, nil
}

// Take implements feed.Shared. A lost answer costs one request of the limit.
func (r *Redis) Take(ctx context.Context, venue string, perSecond float64, burst int) (time.Duration, error) {
	each := max(int64(1e6/perSecond), 1)
	cmds, err := r.each(ctx, r.take, []string{venue}, func(name string) ([]string, []any) {
		return []string{r.key("rate", name), r.key("pause", name)}, []any{each, burst}
	})
	if err != nil {
		return 0, err
	}
	n, err := cmds[0].Int64()
	if err != nil || n < 0 {
		return 0, errReply
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Pause implements feed.Shared.
func (r *Redis) Pause(ctx context.Context, venue string, d time.Duration) error {
	// The longer of two pauses: NX begins one, GT makes it longer.
	key := r.key("pause", venue)
	p := r.client.Pipeline()
	p.SetNX(ctx, key, "1", d)
	p.ExpireGT(ctx, key, d)
	if _, err := p.Exec(ctx); err != nil {
		return fmt.Errorf("telling Redis of a pause: %w", err)
	}
	return nil
}

// Seen implements feed.Shared, in one pipeline.
func (r *Redis) Seen(ctx context.Context, mark, ask []string, ttl time.Duration) ([]bool, error) {
	p := r.client.Pipeline()
	for _, id := range mark {
		p.SetNX(ctx, r.key("seen", id), "1", ttl)
	}
	cmds := make([]*goredis.IntCmd, len(ask))
	for i, id := range ask {
		cmds[i] = p.Exists(ctx, r.key("seen", id))
	}
	if _, err := p.Exec(ctx); err != nil {
		return nil, fmt.Errorf("asking Redis for what was produced: %w", err)
	}
	out := make([]bool, len(ask))
	for i, c := range cmds {
		out[i] = c.Val() > 0
	}
	return out, nil
}

// Close gives the connections back.
func (r *Redis) Close() error {
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("closing the Redis client: %w", err)
	}
	return nil
}

var _ feed.Shared = (*Redis)(nil)
