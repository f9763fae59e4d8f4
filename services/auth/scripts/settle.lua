-- Record what requests used, each exactly once.
--
-- Why one script: the journal line, the daily roll-ups and the mark that a request is settled
-- must change together. A process killed between two of them would lose usage or count it twice.
-- Redis runs a script alone and writes its effects as one unit to its append-only file.
--
-- All keys carry the hash tag of one ledger partition, so the script also runs on a cluster.
--
-- KEYS[1]       journal of the partition (stream; kept for a bounded time)
-- KEYS[2i]      mark of the i-th settlement (hash; expires after the longest possible replay)
-- KEYS[2i+1]    roll-up of its account and day (hash of counters)
-- ARGV[1..3]    seconds a mark lives, milliseconds the journal is kept, seconds a roll-up lives
-- ARGV[4..]     17 values per settlement: request, account, key, model, upstream, upstream model,
--               end, started ms, total ms, certainty, six amounts (AMOUNTS), attempts
--
-- A mark remembers the certainty (1 estimated, 2 exact) and the amounts counted so far. The
-- certainty only rises: an exact record replaces an estimated one by adding the difference, and
-- anything else is a replay and changes nothing. So replays may come in any order.
--
-- Answers how many settlements were new. One that made an estimate exact is not new.

local FIELDS = 17
local AMOUNTS = {
  'input_tokens', 'cache_read_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens',
  'output_tokens', 'reasoning_tokens',
}

local mark_life_s, journal_ms, usage_life_s = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = string.format('%.0f', now_ms - journal_ms)

local function count(usage, prefixes, name, amount)
  if amount == 0 then return end
  for _, prefix in ipairs(prefixes) do
    redis.call('HINCRBY', usage, prefix .. name, string.format('%.0f', amount))
  end
end

local function record(index)
  local first = 3 + (index - 1) * FIELDS
  local function value(offset) return ARGV[first + offset] end
  local request_id, account_id, key_id, model = value(1), value(2), value(3), value(4)
  local certainty = tonumber(value(10))
  local mark, usage = KEYS[2 * index], KEYS[2 * index + 1]

  local known = tonumber(redis.call('HGET', mark, 'certainty') or '0')
  if known >= certainty then return 0 end

  -- The counter's name stands after the last slash: a model's name may hold slashes itself.
  local prefixes = { '', 'key/' .. key_id .. '/', 'model/' .. model .. '/' }
  if known == 0 then count(usage, prefixes, 'requests', 1) end
  local entry = {
    'kind', 'settle', 'request_id', request_id, 'account_id', account_id, 'key_id', key_id,
    'model', model, 'upstream', value(5), 'upstream_model', value(6), 'end', value(7),
    'started_ms', value(8), 'total_ms', value(9), 'certainty', value(10),
    'attempts', value(17),
  }
  for i, name in ipairs(AMOUNTS) do
    local amount = tonumber(value(10 + i))
    local before = tonumber(redis.call('HGET', mark, name) or '0')
    count(usage, prefixes, name, amount - before)
    entry[#entry + 1] = name
    entry[#entry + 1] = string.format('%.0f', amount - before)
    redis.call('HSET', mark, name, value(10 + i))
  end
  redis.call('HSET', mark, 'certainty', certainty)
  redis.call('EXPIRE', mark, mark_life_s)
  redis.call('EXPIRE', usage, usage_life_s)
  redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', unpack(entry))
  return known == 0 and 1 or 0
end

local recorded = 0
for index = 1, (#KEYS - 1) / 2 do recorded = recorded + record(index) end
return recorded
