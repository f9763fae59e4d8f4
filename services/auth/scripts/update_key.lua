-- Replace what an operator may change of a key, log it and audit it, in one step.
--
-- Why one script: as in update_account.lua. A key that is revoked meanwhile stays as it is, and a
-- record that changed since it was read is not written over.
--
-- KEYS[1]  the key (hash: record, revoked, expires_ms, …)
-- KEYS[2]  change log (stream)   KEYS[3]  audit (stream)
-- ARGV[1]  the record that was read   ARGV[2]  new record   ARGV[3]  new expiry in ms, "" for none
-- ARGV[4]  key id   ARGV[5]  account id   ARGV[6]  milliseconds the log is kept
-- ARGV[7..12]  audit: actor, on behalf of, action, account id, key id, detail
-- Answers 1, or 0 when the key is revoked or its record is another one.

local key = redis.call('HMGET', KEYS[1], 'record', 'revoked')
if key[1] ~= ARGV[1] or key[2] ~= '0' then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'expires_ms', ARGV[3])
local time = redis.call('TIME')
local oldest = string.format('%.0f', time[1] * 1000 - ARGV[6])
redis.call('XADD', KEYS[2], 'MINID', '~', oldest, '*',
  'kind', 'policy', 'key_id', ARGV[4], 'account_id', ARGV[5], 'reason', '')
redis.call('XADD', KEYS[3], '*', 'actor', ARGV[7], 'on_behalf_of', ARGV[8], 'action', ARGV[9],
  'account_id', ARGV[10], 'key_id', ARGV[11], 'detail', ARGV[12])
return 1
