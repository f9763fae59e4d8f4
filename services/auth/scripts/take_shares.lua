-- Hand out shares of an account's limits to one lease.
--
-- Why one script: shares are taken by many holders through several auth processes at once, and
-- what is handed out may never exceed a limit. Reading what is left and taking it must be one step.
--
-- Limits per minute are sliding windows: a hash of two-second slots, each with what was handed
-- out in it. A slot counts until all of it is more than 60 s old, so in any minute at most the
-- limit leaves the store. Slots of running requests are counted by lease; a lease that was not
-- kept alive (keep_lease.lua) is dropped here together with its slots: its holder died.
--
-- KEYS[1..3]    windows: requests, input tokens, output tokens (hash slot → amount)
-- KEYS[4]       leases of the account (sorted set lease id → expiry in ms)
-- KEYS[5]       slots of running requests (hash lease id → slots)
-- ARGV[1]       lease id
-- ARGV[2]       lease life in ms; ARGV[3] "1" opens the lease and takes what there is,
--               "0" needs the lease to exist and refuses when a wanted limit has nothing left
-- ARGV[4..7]    limits (0 = unlimited); ARGV[8..11] wanted
--
-- Answers {status, a, b, c, d}: status 0 and the four amounts taken; status -1 when the lease is
-- unknown; status k > 0 when nothing is left of the k-th limit, and then a is the milliseconds
-- until something is. A refusal takes nothing.

local SLOT_MS = 2000
local WINDOW_SLOTS = 31
local KEEP_S = 70

local lease, life_ms, opening = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now_slot = math.floor(now_ms / SLOT_MS)

for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now_ms)) do
  redis.call('ZREM', KEYS[4], dead)
  redis.call('HDEL', KEYS[5], dead)
end
if not opening and not redis.call('ZSCORE', KEYS[4], lease) then return { -1, 0, 0, 0, 0 } end

-- What a window has handed out, and when its oldest slot stops counting.
local function look(window)
  local sum, oldest = 0, nil
  local flat = redis.call('HGETALL', window)
  for i = 1, #flat, 2 do
    local slot = tonumber(flat[i])
    if slot <= now_slot - WINDOW_SLOTS then
      redis.call('HDEL', window, flat[i])
    else
      sum = sum + tonumber(flat[i + 1])
      if not oldest or slot < oldest then oldest = slot end
    end
  end
  return sum, oldest
end

local function slots_in_use()
  local sum = 0
  for _, amount in ipairs(redis.call('HVALS', KEYS[5])) do sum = sum + tonumber(amount) end
  return sum
end

local taken = { 0, 0, 0, 0 }
for kind = 1, 4 do
  local limit, wanted = tonumber(ARGV[3 + kind]), tonumber(ARGV[7 + kind])
  if wanted > 0 and limit == 0 then
    taken[kind] = wanted
  elseif wanted > 0 then
    local used, oldest
    if kind == 4 then used = slots_in_use() else used, oldest = look(KEYS[kind]) end
    taken[kind] = math.max(0, math.min(wanted, limit - used))
    if taken[kind] == 0 and not opening then
      local wait_ms = 1000
      if oldest then wait_ms = (oldest + WINDOW_SLOTS) * SLOT_MS - now_ms end
      return { kind, wait_ms, 0, 0, 0 }
    end
  end
end

for kind = 1, 4 do
  if taken[kind] > 0 and tonumber(ARGV[3 + kind]) > 0 then
    if kind == 4 then
      redis.call('HINCRBY', KEYS[5], lease, taken[kind])
    else
      redis.call('HINCRBY', KEYS[kind], now_slot, taken[kind])
      redis.call('EXPIRE', KEYS[kind], KEEP_S)
    end
  end
end
if opening then redis.call('ZADD', KEYS[4], now_ms + life_ms, lease) end
redis.call('EXPIRE', KEYS[4], 3600)
redis.call('EXPIRE', KEYS[5], 3600)
return { 0, taken[1], taken[2], taken[3], taken[4] }
