-- Keep what a relay says of itself in place of what it said before.
--
-- Why a script: its states, its counts and its place in the list go together, and which relays
-- have fallen silent is told by one clock, the store's.
--
-- KEYS[1]  relays (sorted set id → expiry in ms)
-- KEYS[2]  states of this relay's upstreams; KEYS[3] its running requests (hash account → count)
-- ARGV[1]  relay id; ARGV[2] life in ms; ARGV[3] states; then account, count, …
-- Answers 1.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
redis.call('DEL', KEYS[3])
for place = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[place], ARGV[place + 1])
end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return 1
