-- Take unused shares back from a lease.
--
-- Why one script: it reads the windows and writes them, as take_shares.lua does, and must not see
-- a half-done take of another holder. The newest slots are lowered first: what a holder gives back
-- is most likely what it drew last, and lowering the newest frees the room for the longest time.
-- No amount goes below zero, so a holder cannot give back more than is counted.
--
-- KEYS[1..3]    windows: requests, input tokens, output tokens (hash slot → amount)
-- KEYS[4]       slots of running requests (hash lease id → slots)
-- ARGV[1]       lease id; ARGV[2..5] unused amounts
-- Answers nothing of use.

local function lower(window, amount)
  local flat, slots = redis.call('HGETALL', window), {}
  for i = 1, #flat, 2 do slots[#slots + 1] = { tonumber(flat[i]), tonumber(flat[i + 1]) } end
  table.sort(slots, function(a, b) return a[1] > b[1] end)
  for _, slot in ipairs(slots) do
    if amount <= 0 then return end
    local part = math.min(amount, slot[2])
    redis.call('HINCRBY', window, slot[1], -part)
    amount = amount - part
  end
end

for kind = 1, 3 do lower(KEYS[kind], tonumber(ARGV[1 + kind])) end

local held = tonumber(redis.call('HGET', KEYS[4], ARGV[1]) or '0')
local left = held - tonumber(ARGV[5])
if left > 0 then
  redis.call('HSET', KEYS[4], ARGV[1], left)
else
  redis.call('HDEL', KEYS[4], ARGV[1])
end
return 1
