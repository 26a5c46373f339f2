/** A Lua script and its name on the server. */
export type RedisScript = Readonly<{ text: string; sha: string }>

/** Longest-living of the keys a script may trim at once from the beginning of an index. */
const TRIM_MAX = 64

/**
 * Writes windows, totals, the watermark and the fence in one step, or nothing when the fence stands
 * elsewhere: 1 or 0. The fence is looked at before the first write, because Lua rolls nothing back.
 *
 * KEYS: fence. ARGV: the fence as it must be ('' for none), as it shall be ('' for left as it is), seconds
 * an index lives, partition, watermark ('' for left as it is), number of totals, then region and text of
 * each, number of windows, then prefix, index, start, milliseconds to live and text of each.
 */
export const PUT = script(`
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local partition = ARGV[4]
if ARGV[5] ~= '' then redis.call('HSET', 'windows:watermarks', partition, ARGV[5]) end
local at = 7
for _ = 1, tonumber(ARGV[6]) do
  redis.call('HSET', 'windows:totals:' .. partition, ARGV[at], ARGV[at + 1])
  at = at + 2
end
local touched = {}
local count = tonumber(ARGV[at])
at = at + 1
for _ = 1, count do
  local prefix, index, start = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  redis.call('SET', prefix .. start, ARGV[at + 4], 'PX', ARGV[at + 3])
  redis.call('ZADD', index, start, start)
  touched[index] = prefix
  at = at + 5
end
for index, prefix in pairs(touched) do
  redis.call('EXPIRE', index, ARGV[3])
  for _ = 1, ${TRIM_MAX} do
    local first = redis.call('ZRANGE', index, 0, 0)[1]
    if not first or redis.call('EXISTS', prefix .. first) == 1 then break end
    redis.call('ZREM', index, first)
  end
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) end
return 1
`)

/**
 * Takes a fence over from an earlier claim of the same owner, where it stands: 1, or 0 when it has moved.
 * KEYS: fence. ARGV: the fence as it was seen, as it shall be.
 */
export const TAKE = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
`)

/**
 * Removes everything of a partition, its windows found by the index: 1, or 0 when the fence is not as it
 * was seen.
 * KEYS: fence. ARGV: partition, the fence as it was seen ('' for whatever it is), then the sizes' names.
 */
export const CLEAR = script(`
local partition = ARGV[1]
if ARGV[2] ~= '' and (redis.call('GET', KEYS[1]) or '') ~= ARGV[2] then return 0 end
for _, region in ipairs(redis.call('HKEYS', 'windows:totals:' .. partition)) do
  for at = 3, #ARGV do
    local size = ARGV[at]
    local index = 'windows:index:' .. size .. ':' .. region
    local prefix = 'region:' .. region .. ':window' .. (size == '1m' and '' or '-' .. size) .. ':'
    for _, start in ipairs(redis.call('ZRANGE', index, 0, -1)) do
      redis.call('UNLINK', prefix .. start)
    end
    redis.call('UNLINK', index)
  end
end
redis.call('DEL', 'windows:totals:' .. partition, KEYS[1])
redis.call('HDEL', 'windows:watermarks', partition)
return 1
`)

// An index may name keys whose time to live is over: they are passed over.
const FIND = `
local function find(out, size, region, last, first, limit)
  local index = 'windows:index:' .. size .. ':' .. region
  local prefix = 'region:' .. region .. ':window' .. (size == '1m' and '' or '-' .. size) .. ':'
  local at, found, chunk = 0, 0, math.min(limit, 500)
  while found < limit do
    local starts = redis.call('ZREVRANGEBYSCORE', index, last, first, 'LIMIT', at, chunk)
    for _, start in ipairs(starts) do
      local text = redis.call('GET', prefix .. start)
      if text and found < limit then
        found = found + 1
        out[#out + 1] = text
      end
    end
    if #starts < chunk then break end
    at = at + chunk
  end
end
local function regions()
  local all, seen = {}, {}
  for _, partition in ipairs(redis.call('HKEYS', 'windows:watermarks')) do
    for _, region in ipairs(redis.call('HKEYS', 'windows:totals:' .. partition)) do
      if not seen[region] then all[#all + 1] = region end
      seen[region] = true
    end
  end
  return all
end
local out = {}
`

/** Texts of a region's windows, newest first. ARGV: size, region, last start, first start, limit. */
export const RANGE = script(
  `${FIND}find(out, ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])) return out`,
)

/** Text of the newest window of each region between two starts. ARGV: size, last start, first start. */
export const NEWEST = script(
  `${FIND}for _, region in ipairs(regions()) do find(out, ARGV[1], region, ARGV[2], ARGV[3], 1) end return out`,
)

/** Texts of the totals of all partitions. */
export const TOTALS = script(`
local out = {}
for _, partition in ipairs(redis.call('HKEYS', 'windows:watermarks')) do
  for _, text in ipairs(redis.call('HVALS', 'windows:totals:' .. partition)) do out[#out + 1] = text end
end
return out
`)

function script(text: string): RedisScript {
  return { text, sha: new Bun.CryptoHasher('sha1').update(text).digest('hex') }
}
