package redis

// askLua asks about a key of the view, and answers nil for one of another type: somebody
// has written over it, and what it held is as lost as if it had been deleted. All other
// errors are raised.
const askLua = `
local function ask(...)
  local got = redis.pcall(...)
  if type(got) ~= 'table' or not got.err then return got end
  if string.sub(got.err, 1, 9) == 'WRONGTYPE' then return nil end
  return redis.call(...)
end
`

// script moves a partition from one position to the next.
//
//	KEYS  position hash, inventory hash, then the hashes that are written or
//	      only looked at
//	ARGV  nonce, epoch, expected position, new position, then groups of key
//	      number, field, version, value
//
// An empty version deletes the field; a field is replaced only by a higher
// version. The inventory holds how many fields each hash has, and its own mark:
// a hash that was evicted, deleted or written over has another count than it says. A hash that
// it does not name is a leftover of an earlier view and goes. The reply is {code,
// nonce, position key, epoch, position}. Redis does not roll back, so everything
// that can be wrong is looked at before the first write. All numbers but counts
// are text of one width: Lua would compare doubles.
const script = askLua + `
local cursor, inventory = KEYS[1], KEYS[2]
local nonce, epoch, expect, target = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local held = ask('HMGET', cursor, 'epoch', 'next') or {}
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
if ask('HEXISTS', inventory, 'mark') ~= 1 then return reply('LOST') end
local count = {}
for k = 3, #KEYS do
  local listed = redis.call('HGET', inventory, KEYS[k])
  if listed then
    count[k] = ask('HLEN', KEYS[k])
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
const beginScript = askLua + `
local cursor = KEYS[1]
local held = ask('HMGET', cursor, 'epoch', 'next')
local other = not held -- of another type
held = held or {}
local heldEpoch, heldNext = held[1] or '', held[2] or ''
local function reply(code)
  return {code, ARGV[1], cursor, heldEpoch, heldNext}
end
if heldEpoch > ARGV[2] then return reply('FENCED') end
if heldEpoch ~= ARGV[4] or heldNext ~= ARGV[5] then return reply('DUP') end
if other then redis.call('UNLINK', cursor) end
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
const loadScript = askLua + `
local inventory, bars, values = KEYS[1], {}, {}
if ask('HEXISTS', inventory, KEYS[2]) == 1 then bars = ask('HKEYS', KEYS[2]) or {} end
if ask('HEXISTS', inventory, KEYS[3]) == 1 then values = ask('HGETALL', KEYS[3]) or {} end
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
