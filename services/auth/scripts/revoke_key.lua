-- Revoke a key, say so in the change log and in the audit trail, in one step.
--
-- Why one script: a key marked revoked without an entry in the log would go on in every running
-- stream; an entry without the mark would let the next lease in. Accounts, keys and the log share
-- the hash tag "{directory}" for this reason: they change seldom and must change together.
--
-- Revoking a revoked key answers its record again and writes nothing.
--
-- KEYS[1]  the key's record (hash: record = JSON, revoked = "0" or "1")
-- KEYS[2]  change log (stream); ids begin with the store's milliseconds   KEYS[3]  audit (stream)
-- ARGV[1]  key id; ARGV[2] account id; ARGV[3] reason; ARGV[4] milliseconds the log is kept
-- ARGV[5..10]  audit: actor, on behalf of, action, account id, key id, detail
-- Answers 1 when the key was revoked now, 0 when it was before, -1 when there is no such key.

local revoked = redis.call('HGET', KEYS[1], 'revoked')
if not revoked then return -1 end
if revoked == '1' then return 0 end
redis.call('HSET', KEYS[1], 'revoked', '1')
local time = redis.call('TIME')
local oldest = string.format('%.0f', time[1] * 1000 - ARGV[4])
redis.call('XADD', KEYS[2], 'MINID', '~', oldest, '*',
  'kind', 'key', 'key_id', ARGV[1], 'account_id', ARGV[2], 'reason', ARGV[3])
redis.call('XADD', KEYS[3], '*', 'actor', ARGV[5], 'on_behalf_of', ARGV[6], 'action', ARGV[7],
  'account_id', ARGV[8], 'key_id', ARGV[9], 'detail', ARGV[10])
return 1
