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
//	KEYS  position hash, then the hashes that are written
//	ARGV  nonce, epoch, expected position, new position, "init" or "",
//	      then groups of key number, field, version, value
//
// An empty version deletes the field; a field is replaced only by a higher
// version. The reply is {code, nonce, position key, epoch, position}. Redis does
// not roll back, so everything that can be wrong is looked at before the first
// write. All numbers are text of one width: Lua would compare doubles.
const script = `
local cursor = KEYS[1]
local nonce, epoch, expect, target = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = redis.call('HMGET', cursor, 'epoch', 'next')
local heldEpoch, heldNext = held[1], held[2]
local function reply(code)
  return {code, nonce, cursor, heldEpoch or '', heldNext or ''}
end
if (#ARGV - 5) % 4 ~= 0 then return reply('BAD') end
for a = 6, #ARGV, 4 do
  local n = tonumber(ARGV[a])
  if not n or n < 2 or not KEYS[n] then return reply('BAD') end
end
if not (heldEpoch and heldNext) then
  if ARGV[5] ~= 'init' then return reply('MISSING') end
  heldEpoch, heldNext = epoch, expect
end
if epoch < heldEpoch then return reply('FENCED') end
if epoch > heldEpoch then return reply('OLDEPOCH') end
if expect < heldNext then return reply('DUP') end
if expect > heldNext then return reply('GAP') end
for a = 6, #ARGV, 4 do
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
heldNext = target
redis.call('HSET', cursor, 'epoch', heldEpoch, 'next', heldNext)
return reply('OK')
`

// Answers of the script.
const (
	answerOK       = "OK"       // applied
	answerDup      = "DUP"      // somebody was here, or our reply got lost
	answerGap      = "GAP"      // the server went back in time
	answerMissing  = "MISSING"  // nothing there
	answerFenced   = "FENCED"   // the view is of a newer epoch
	answerOldEpoch = "OLDEPOCH" // the view is of an older epoch
)

// write is one field of a call.
type write struct {
	key, field, version, value string // no version: delete
}

// answer is a checked reply.
type answer struct {
	code string
	next int64
}

// run calls the script once. The reply must name the call: a connection whose
// replies have shifted would otherwise answer for another one.
func (r *Redis) run(ctx context.Context, p int32, expect, next int64, init bool, writes []write) (answer, error) {
	nonce := rand.Text()
	keys := []string{r.key(p, keyPos)}
	args := []any{nonce, pad16(r.cfg.Epoch), pad16(expect), pad16(next), ""}
	if init {
		args[4] = "init"
	}
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
	reply, err := r.eval(ctx, keys, args)
	if err != nil {
		return answer{}, fmt.Errorf("moving partition %d of the Redis view from %d: %w", p, expect, err)
	}
	if len(reply) != 5 || reply[1] != nonce || reply[2] != keys[0] {
		return answer{}, fmt.Errorf("moving partition %d of the Redis view from %d: %w", p, expect, errProof)
	}
	a := answer{code: reply[0], next: -1}
	if reply[4] != "" {
		if a.next, err = strconv.ParseInt(reply[4], 10, 64); err != nil {
			return answer{}, fmt.Errorf("reading the position of partition %d of the Redis view: %w", p, err)
		}
	}
	return a, nil
}

// eval sends the script's name and, only if the server says it does not know
// it, its text. NOSCRIPT is the one error after which sending again is safe:
// the server has said that nothing ran.
func (r *Redis) eval(ctx context.Context, keys []string, args []any) ([]string, error) {
	sum := sha1.Sum([]byte(script)) //nolint:gosec // as above
	reply, err := r.client.EvalSha(ctx, hex.EncodeToString(sum[:]), keys, args...).StringSlice()
	var said goredis.Error
	if errors.As(err, &said) && strings.HasPrefix(said.Error(), "NOSCRIPT") {
		reply, err = r.client.Eval(ctx, script, keys, args...).StringSlice()
	}
	return reply, err
}
