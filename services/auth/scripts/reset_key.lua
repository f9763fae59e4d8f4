-- Replace a key by a new one: at once, or with a grace in which both work.
--
-- Why one script: the new record, its index by digest, the end of the old key, the entries in the
-- change log and the audit trail and the mark of the request must stand or fall together. Without it a crash could
-- leave a customer with no working key, or with an old key that never ends.
--
-- A reset repeated with the same request id finds the mark and answers the key made then; the
-- secret is not stored anywhere and cannot be shown again.
--
-- KEYS[1]  old key (hash record, revoked, expires_ms)   KEYS[2]  new key, same shape
-- KEYS[3]  index by the new digest (string → key id)    KEYS[4]  keys of the account (sorted set)
-- KEYS[5]  change log (stream)                          KEYS[6]  mark of this reset (string)
-- KEYS[7]  audit (stream)
-- ARGV[1]  old key id   ARGV[2]  new key id   ARGV[3]  account id   ARGV[4]  new record, JSON
-- ARGV[5]  new key's expiry in ms, "" for none
-- ARGV[6]  old key's end in ms when there is a grace, "" to end it now
-- ARGV[7]  seconds the mark lives   ARGV[8]  milliseconds the log is kept
-- ARGV[9]  "1" when the caller gave a request id        ARGV[10]  digest of the new key
-- ARGV[11..16]  audit: actor, on behalf of, action, account id, key id, detail
-- Answers the id of the key that stands, or "" when the old key is not active.

local marked = ARGV[9] == '1' and redis.call('GET', KEYS[6])
if marked then return marked end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local old = redis.call('HMGET', KEYS[1], 'revoked', 'expires_ms')
local ends = old[2] and old[2] ~= '' and tonumber(old[2])
if old[1] ~= '0' or (ends and ends <= now_ms) then return '' end

redis.call('HSET', KEYS[2], 'record', ARGV[4], 'revoked', '0', 'expires_ms', ARGV[5],
  'digest', ARGV[10])
redis.call('SET', KEYS[3], ARGV[2])
redis.call('ZADD', KEYS[4], 0, ARGV[2])

local kind, reason = 'key', 'KEY_RESET'
if ARGV[6] == '' then
  redis.call('HSET', KEYS[1], 'revoked', '1')
else
  -- A grace never lengthens a life that was to end sooner. Holders learn the new end as a change
  -- of policy, not as a revocation.
  if not ends or tonumber(ARGV[6]) < ends then
    redis.call('HSET', KEYS[1], 'expires_ms', ARGV[6])
  end
  kind, reason = 'policy', ''
end
local oldest = string.format('%.0f', now_ms - ARGV[8])
redis.call('XADD', KEYS[5], 'MINID', '~', oldest, '*',
  'kind', kind, 'key_id', ARGV[1], 'account_id', ARGV[3], 'reason', reason)
redis.call('XADD', KEYS[7], '*', 'actor', ARGV[11], 'on_behalf_of', ARGV[12],
  'action', ARGV[13], 'account_id', ARGV[14], 'key_id', ARGV[15], 'detail', ARGV[16])
if ARGV[9] == '1' then redis.call('SET', KEYS[6], ARGV[2], 'EX', ARGV[7]) end
return ARGV[2]
