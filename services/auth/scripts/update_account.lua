-- Replace an account's record, say so in the change log and in the audit trail, in one step.
--
-- Why one script: holders learn of a change only from the log. A record without its entry would
-- take effect at the next check instead of within a second, and a suspended account's running
-- streams would go on; a change without its audit entry would have no author.
--
-- The new record was made from the one read before. Where that has changed since, nothing is
-- written: two operators who change different fields at once must not undo each other.
--
-- KEYS[1]  the account's record (JSON)   KEYS[2]  change log (stream)   KEYS[3]  audit (stream)
-- ARGV[1]  new record   ARGV[2]  kind: "policy" (access changed) or "account" (it is refused now)
-- ARGV[3]  account id   ARGV[4]  reason, "" for a change of policy
-- ARGV[5]  milliseconds the log is kept   ARGV[6]  the revision the new record was made from
-- ARGV[7..12]  audit: actor, on behalf of, action, account id, key id, detail
-- Answers 1, or 0 when there is no such account or it has another revision.

local record = redis.call('GET', KEYS[1])
if not record or cjson.decode(record).revision ~= tonumber(ARGV[6]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local oldest = string.format('%.0f', time[1] * 1000 - ARGV[5])
redis.call('XADD', KEYS[2], 'MINID', '~', oldest, '*',
  'kind', ARGV[2], 'key_id', '', 'account_id', ARGV[3], 'reason', ARGV[4])
redis.call('XADD', KEYS[3], '*', 'actor', ARGV[7], 'on_behalf_of', ARGV[8], 'action', ARGV[9],
  'account_id', ARGV[10], 'key_id', ARGV[11], 'detail', ARGV[12])
return 1
