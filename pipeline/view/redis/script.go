package redis

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the name Redis gives to a script
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// script moves a partition from one position to the next.
//
//	KEYS  position hash, inventory hash, then the hashes that are written or
//	      only looked at
//	ARGV  nonce, epoch, expected position, new position, then groups of key
//	      number, field, version, value
//
// An empty version deletes the field; a field is replaced only by a higher
// version. The inventory holds how many fields each hash has, and its own mark:
// a hash that was evicted or deleted has another count than it says. A hash that
// it does not name is a leftover of an earlier view and goes. The reply is {code,
// nonce, position key, epoch, position}. Redis does not roll back, so everything
// that can be wrong is looked at before the first write. All numbers but counts
// are text of one width: Lua would compare doubles.
const script = `
local cursor, inventory = KEYS[1], KEYS[2]
local nonce, epoch, expect, target = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HMGET', cursor, 'epoch', 'next')
local heldEpoch, heldNext = held[1], held[2]
local function reply(code)
  return {code, nonce, cursor, heldEpoch or '', heldNext or ''}
end
if (#ARGV - 4) % 4 ~= 0 then return reply('BAD') end
for a = 5, #ARGV, 4 do
  local n = tonumber(ARGV[a])
  if not n or n < 3 or not KEYS[n] then return reply('BAD') end
end
if not (heldEpoch and heldNext) then return reply('MISSING') end
if epoch < heldEpoch then return reply('FENCED') end
if epoch > heldEpoch then return reply('OLDEPOCH') end
if expect < heldNext then return reply('DUP') end
if expect > heldNext then return reply('GAP') end
if redis.call('HEXISTS', inventory, 'mark') == 0 then return reply('LOST') end
local count = {}
for k = 3, #KEYS do
  local listed = redis.call('HGET', inventory, KEYS[k])
  if listed then
    count[k] = redis.call('HLEN', KEYS[k])
    if count[k] ~= tonumber(listed) then return reply('LOST') end
  end
end
for k = 3, #KEYS do
  if not count[k] and redis.call('EXISTS', KEYS[k]) == 1 then redis.call('UNLINK', KEYS[k]) end
end
for a = 5, #ARGV, 4 do
  local hash, field, version = KEYS[tonumber(ARGV[a])], ARGV[a + 1], ARGV[a + 2]
  if version == '' then
    redis.call('HDEL', hash, field)
  else
    local old = redis.call('HGET', hash, field)
    if not old or string.sub(old, 1, #version) < version then
      redis.call('HSET', hash, field, version .. '|' .. ARGV[a + 3])
    end
  end
end
for k = 3, #KEYS do
  local now = redis.call('HLEN', KEYS[k])
  if now == 0 then
    redis.call('HDEL', inventory, KEYS[k])
  elseif now ~= count[k] then
    redis.call('HSET', inventory, KEYS[k], now)
  end
end
heldNext = target
redis.call('HSET', cursor, 'epoch', heldEpoch, 'next', heldNext)
return reply('OK')
`

// beginScript begins a view anew at a position, if the view is still the one
// that was found unusable: of several followers one does it.
//
//	KEYS  position hash, inventory hash
//	ARGV  nonce, epoch, position, epoch found, position found
const beginScript = `
local cursor = KEYS[1]
local held = redis.call('HMGET', cursor, 'epoch', 'next')
local heldEpoch, heldNext = held[1] or '', held[2] or ''
local function reply(code)
  return {code, ARGV[1], cursor, heldEpoch, heldNext}
end
if heldEpoch > ARGV[2] then return reply('FENCED') end
if heldEpoch ~= ARGV[4] or heldNext ~= ARGV[5] then return reply('DUP') end
redis.call('UNLINK', KEYS[2])
redis.call('HSET', KEYS[2], 'mark', ARGV[3])
heldEpoch, heldNext = ARGV[2], ARGV[3]
redis.call('HSET', cursor, 'epoch', heldEpoch, 'next', heldNext)
return reply('OK')
`

// sweepScript deletes what an earlier view left, but nothing that the present
// one has written.
//
//	KEYS  position hash, inventory hash, then the hashes
//	ARGV  nonce
const sweepScript = `
for k = 3, #KEYS do
  if redis.call('HEXISTS', KEYS[2], KEYS[k]) == 0 then redis.call('UNLINK', KEYS[k]) end
end
return {'OK', ARGV[1], KEYS[1], '', ''}
`

// loadScript reads the names of the bars and the newest values of a series. What
// the inventory does not list is a leftover and counts as absent, as it does for
// the script that writes.
//
//	KEYS  inventory hash, hash of bars, hash of values
//	ARGV  nonce
const loadScript = `
local inventory, bars, values = KEYS[1], {}, {}
if redis.call('HEXISTS', inventory, KEYS[2]) == 1 then bars = redis.call('HKEYS', KEYS[2]) end
if redis.call('HEXISTS', inventory, KEYS[3]) == 1 then values = redis.call('HGETALL', KEYS[3]) end
return {ARGV[1], inventory, KEYS[2], bars, values}
`

// Answers of the scripts.
const (
	answerOK       = "OK"       // applied
	answerDup      = "DUP"      // somebody was here, or our reply got lost
	answerGap      = "GAP"      // the server went back in time
	answerMissing  = "MISSING"  // nothing there
	answerLost     = "LOST"     // a hash is gone
	answerFenced   = "FENCED"   // the view is of a newer epoch
	answerOldEpoch = "OLDEPOCH" // the view is of an older epoch
)

// write is one field of a call.
type write struct {
	key, field, version, value string // no version: delete
}

// answer is a checked reply.
type answer struct {
	code        string
	epoch, held string // as the server wrote them, "" = none
	next        int64  // held as a number, -1 = none
}

// run calls the script once for the range [expect, next) with its writes, and
// has it look at the hashes named besides.
func (r *Redis) run(ctx context.Context, p int32, expect, next int64, writes []write, looks []string) (answer, error) {
	keys := []string{r.key(p, keyPos), r.key(p, keyHas)}
	args := []any{pad16(r.cfg.Epoch), pad16(expect), pad16(next)}
	number := map[string]string{}
	for _, w := range writes {
		n, ok := number[w.key]
		if !ok {
			keys = append(keys, w.key)
			n = strconv.Itoa(len(keys))
			number[w.key] = n
		}
		args = append(args, n, w.field, w.version, w.value)
	}
	a, err := r.call(ctx, script, append(keys, looks...), args...)
	if err != nil {
		return a, fmt.Errorf("moving partition %d of the Redis view from %d: %w", p, expect, err)
	}
	return a, nil
}

// call runs one of the scripts that answer with the position, once.
func (r *Redis) call(ctx context.Context, text string, keys []string, args ...any) (answer, error) {
	reply, err := r.prove(ctx, text, keys, args, 1)
	if err != nil {
		return answer{}, err
	}
	said := texts(reply)
	if len(said) != 5 {
		return answer{}, fmt.Errorf("reading the answer of the Redis view: %d parts instead of 5", len(said))
	}
	a := answer{code: said[0], epoch: said[3], held: said[4], next: -1}
	if a.held != "" {
		if a.next, err = strconv.ParseInt(a.held, 10, 64); err != nil {
			return answer{}, fmt.Errorf("reading the position of the Redis view: %w", err)
		}
	}
	return a, nil
}

// prove runs a script once. Its reply must name the call, at the place at: a
// connection whose replies have shifted would otherwise answer for another one.
func (r *Redis) prove(ctx context.Context, text string, keys []string, args []any, at int) ([]any, error) {
	nonce := rand.Text()
	c := r.conn()
	v, err := eval(ctx, c, text, keys, append([]any{nonce}, args...)).Result()
	reply, list := v.([]any)
	if (err == nil || errors.Is(err, goredis.Nil)) && (!list || len(reply) < at+2 || reply[at] != any(nonce) || reply[at+1] != any(keys[0])) {
		err = errProof
	}
	if err != nil {
		r.distrust(ctx, c, err)
		return nil, err
	}
	return reply, nil
}

// texts are the strings of a list, nil if it is none.
func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil
		}
		out[i] = s
	}
	return out
}

// eval sends the script's name and, only if the server says it does not know
// it, its text. NOSCRIPT is the one error after which sending again is safe:
// the server has said that nothing ran.
func eval(ctx context.Context, c goredis.Cmdable, text string, keys []string, args []any) *goredis.Cmd {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // as above
	cmd := c.EvalSha(ctx, hex.EncodeToString(sum[:]), keys, args...)
	if serverSaid(cmd.Err(), "NOSCRIPT") {
		cmd = c.Eval(ctx, text, keys, args...)
	}
	return cmd
}

// serverSaid reports whether err is an error reply that begins with prefix.
func serverSaid(err error, prefix string) bool {
	var said goredis.Error
	return errors.As(err, &said) && strings.HasPrefix(said.Error(), prefix)
}
