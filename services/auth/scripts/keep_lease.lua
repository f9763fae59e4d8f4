-- Keep a lease alive: move its expiry forward on the store's own clock.
--
-- Why a script: expiries of leases kept by several auth processes are compared with each other and
-- with "now" in take_shares.lua, so they must all come from one clock, the store's.
--
-- Both keys of a quiet account vanish an hour after its last lease was kept.
--
-- KEYS[1]  leases of the account (sorted set lease id → expiry in ms)
-- KEYS[2]  gauges of what leases hold (hash)
-- ARGV[1]  lease id; ARGV[2] life in ms
-- Answers 1.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now_ms + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], 3600)
redis.call('EXPIRE', KEYS[2], 3600)
return 1
