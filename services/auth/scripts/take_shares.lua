-- Hand out shares of an account's limits to one lease, and take down what became of earlier ones.
--
-- Why one script: shares are taken by many holders through several auth processes at once, and
-- what is handed out may never exceed a limit. Reading what is left and taking it must be one step.
--
-- A limit per minute is used up by two things: what was spent within the last minute, and what
-- leases hold and have not spent. The second is a gauge per lease. Each time a holder speaks it
-- says what it still holds and what it gives back; the rest of the gauge was spent since, and goes
-- into the window. The window is a hash of two-second slots; a slot counts until all of it is more than 60 s old. So
-- a share may be kept for long and still counts against the limit when it is spent.
--
-- Concurrency is a gauge alone: slots of requests that run, and free ones.
--
-- A lease that was not kept alive (keep_lease.lua) is dropped here: its holder died. What it held
-- per minute counts as spent; its slots are free at once.
--
-- KEYS[1..3]    windows: requests, input tokens, output tokens (hash slot → amount)
-- KEYS[4]       leases of the account (sorted set lease id → expiry in ms)
-- KEYS[5]       gauges (hash "lease id/kind" → amount; kind 1..4)
-- ARGV[1]       lease id; ARGV[2] lease life in ms
-- ARGV[3]       "open": the lease begins, holding nothing. "draw": it must exist.
--               "end": it must exist, and is over: what it says it holds is free again.
-- ARGV[4..7]    limits (0 = unlimited); ARGV[8..11] least wanted; ARGV[12..15] hoped for
-- ARGV[16..19]  still held; ARGV[20..23] spent beyond the shares, which counts in any case
-- ARGV[24..27]  given back unspent
--
-- Answers {0, taken ×4, kept ×4, remaining ×4}; {-1} when the lease is unknown; {k, ms} when less
-- than the least is left of limit k, with the time until it may be there. A refusal takes nothing,
-- but what was spent is counted.

local SLOT_MS = 2000
local WINDOW_SLOTS = 31
local KEEP_S = 70
local QUIET_S = 3600
local CONCURRENCY = 4
-- Others hold what is missing, or run: holders give back what they do not need within seconds.
local HELD_WAIT_MS = 2000
local RUNNING_WAIT_MS = 1000

local lease, life_ms, phase = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now_slot = math.floor(now_ms / SLOT_MS)

local function argument(group, kind) return tonumber(ARGV[4 * group + kind - 1]) end
local function gauge(name, kind) return name .. '/' .. kind end
local function held_by(name, kind)
  return tonumber(redis.call('HGET', KEYS[5], gauge(name, kind)) or '0')
end

local function spend(kind, amount)
  if amount <= 0 then return end
  redis.call('HINCRBY', KEYS[kind], now_slot, string.format('%.0f', amount))
  redis.call('EXPIRE', KEYS[kind], KEEP_S)
end

local function drop(name)
  redis.call('ZREM', KEYS[4], name)
  for kind = 1, 4 do redis.call('HDEL', KEYS[5], gauge(name, kind)) end
end

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now_ms)) do
  for kind = 1, 3 do spend(kind, held_by(dead, kind)) end
  drop(dead)
end

if phase == 'open' then
  redis.call('ZADD', KEYS[4], now_ms + life_ms, lease)
elseif not redis.call('ZSCORE', KEYS[4], lease) then
  return { -1 }
end

-- What the lease says of earlier shares. It cannot hold more than it was given.
local kept = { 0, 0, 0, 0 }
for kind = 1, 4 do
  local given = held_by(lease, kind)
  kept[kind] = math.min(argument(4, kind), given)
  if kind ~= CONCURRENCY and argument(1, kind) > 0 then
    local gone = given - kept[kind]
    spend(kind, gone - math.min(argument(6, kind), gone) + argument(5, kind))
  end
  if given ~= kept[kind] then
    redis.call('HSET', KEYS[5], gauge(lease, kind), string.format('%.0f', kept[kind]))
  end
end
if phase == 'end' then
  drop(lease)
  return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
end

local gauges = redis.call('HGETALL', KEYS[5])

-- What is used of a limit now, and the slots that will stop counting.
local function look(kind)
  local used, slots = 0, {}
  local suffix = '/' .. kind
  for i = 1, #gauges, 2 do
    if string.sub(gauges[i], -2) == suffix then used = used + tonumber(gauges[i + 1]) end
  end
  if kind == CONCURRENCY then return used, slots end
  local flat = redis.call('HGETALL', KEYS[kind])
  for i = 1, #flat, 2 do
    local slot, amount = tonumber(flat[i]), tonumber(flat[i + 1])
    if slot <= now_slot - WINDOW_SLOTS then
      redis.call('HDEL', KEYS[kind], flat[i])
    else
      used = used + amount
      slots[#slots + 1] = { slot, amount }
    end
  end
  return used, slots
end

-- How long until ``missing`` has left the window.
local function wait_for(missing, slots)
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  for _, slot in ipairs(slots) do
    missing = missing - slot[2]
    if missing <= 0 then return (slot[1] + WINDOW_SLOTS) * SLOT_MS - now_ms end
  end
  return HELD_WAIT_MS
end

local taken, remaining = { 0, 0, 0, 0 }, { 0, 0, 0, 0 }
for kind = 1, 4 do
  local limit, least, hoped = argument(1, kind), argument(2, kind), argument(3, kind)
  if limit > 0 then
    local used, slots = look(kind)
    local room = limit - used
    if least > room then
      if kind == CONCURRENCY then return { kind, RUNNING_WAIT_MS } end
      return { kind, wait_for(least - room, slots) }
    end
    -- The nearer the limit, the smaller the share beyond what is needed now.
    taken[kind] = math.max(0, least, math.min(hoped, math.ceil(room / 4)))
    remaining[kind] = math.max(0, room - taken[kind])
  else
    taken[kind] = math.max(least, hoped)
  end
end

for kind = 1, 4 do
  if taken[kind] > 0 and argument(1, kind) > 0 then
    redis.call('HINCRBY', KEYS[5], gauge(lease, kind), string.format('%.0f', taken[kind]))
  end
end
redis.call('EXPIRE', KEYS[4], QUIET_S)
redis.call('EXPIRE', KEYS[5], QUIET_S)
return {
  0, taken[1], taken[2], taken[3], taken[4], kept[1], kept[2], kept[3], kept[4],
  remaining[1], remaining[2], remaining[3], remaining[4],
}
