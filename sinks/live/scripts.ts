import type { RedisScript } from '../windows/redis-scripts.ts'

/** A partition without an owner is forgotten in the set after so long. */
const FORGET_MS = 3_600_000

// KEYS[1] is the head and ARGV[1] the epoch of who writes: a later owner's word stands.
const FENCE = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
if head[1] and tonumber(head[1]) > tonumber(ARGV[1]) then return 'fenced' end
`

/**
 * Writes the delta that follows the newest one, or nothing: 'fenced' when a later owner has been here,
 * 'snapshot' when readers could not go on from what is there, else the id of the entry.
 *
 * KEYS: head, stream, snapshot. ARGV: epoch, seq before, seq, entries kept, milliseconds they live, delta.
 */
export const APPEND = script(`${FENCE}
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] or redis.call('EXISTS', KEYS[3]) == 0 then
  return 'snapshot'
end
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*',
  'epoch', ARGV[1], 'seq', ARGV[3], 'delta', ARGV[6])
redis.call('HSET', KEYS[1], 'seq', ARGV[3])
for at = 1, 3 do redis.call('PEXPIRE', KEYS[at], ARGV[5]) end
return id
`)

/**
 * Shows a snapshot whose parts are all there. The first of an owner, or after a loss, begins the stream
 * anew: an entry of its own wakes who waits. Entries older than the snapshot before it go.
 *
 * KEYS: head, stream, snapshot, staging. ARGV: epoch, seq, '1' to begin anew, id of an entry not after
 * seq, parts, milliseconds to live.
 */
export const SHOW = script(`${FENCE}
if redis.call('EXISTS', KEYS[4]) == 0 then return 'snapshot' end
local after = ARGV[4]
if head[1] ~= ARGV[1] or ARGV[3] == '1' then
  after = redis.call('XADD', KEYS[2], '*', 'epoch', ARGV[1], 'seq', ARGV[2])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', ARGV[2])
end
local before = redis.call('HGET', KEYS[3], 'after')
if before then redis.call('XTRIM', KEYS[2], 'MINID', '~', before) end
redis.call('RENAME', KEYS[4], KEYS[3])
redis.call('HSET', KEYS[3], 'epoch', ARGV[1], 'seq', ARGV[2], 'after', after, 'parts', ARGV[5])
for at = 1, 3 do redis.call('PEXPIRE', KEYS[at], ARGV[6]) end
return after
`)

/**
 * Says that the owner is there, with its figures; answers what is wanted of it, and whether anybody
 * watches. Where nobody does the snapshot goes, because it would grow old.
 *
 * KEYS: head, stream, snapshot, figures, partitions, watchers. ARGV: epoch, partition, milliseconds to
 * live, figures or ''.
 */
export const BEAT = script(`${FENCE}
if head[1] ~= ARGV[1] then redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', '-1') end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[5], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[2])
local watched = redis.call('EXISTS', KEYS[6])
if watched == 0 then redis.call('DEL', KEYS[3]) end
if ARGV[4] ~= '' then redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[3]) end
local shown = head[1] == ARGV[1] and redis.call('EXISTS', KEYS[3]) == 1
for at = 1, 3 do redis.call('PEXPIRE', KEYS[at], ARGV[3]) end
return {shown and 'shown' or 'snapshot', watched}
`)

/**
 * Says that somebody watches, and answers how each partition stands: its number, epoch, seq and figures.
 * KEYS: partitions, watchers. ARGV: prefix, milliseconds that the word counts.
 */
export const LOOK = script(`
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 - ${FORGET_MS})
local out = {}
for _, partition in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = ARGV[1] .. ':' .. partition
  local head = redis.call('HMGET', key .. ':head', 'epoch', 'seq')
  local figures = redis.call('GET', key .. ':figures')
  out[#out + 1] = {partition, head[1] or '', head[2] or '', figures or ''}
end
return out
`)

function script(text: string): RedisScript {
  return { text, sha: new Bun.CryptoHasher('sha1').update(text).digest('hex') }
}
