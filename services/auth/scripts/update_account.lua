-- Replace an account's record and say so in the change log, in one step.
--
-- Why one script: holders learn of a change only from the log. A record without its entry would
-- take effect at the next check instead of within a second, and a suspended account's running
-- streams would go on.
--
-- KEYS[1]  the account's record (JSON)   KEYS[2]  change log (stream)
-- ARGV[1]  new record   ARGV[2]  kind: "policy" (access changed) or "account" (it is refused now)
-- ARGV[3]  account id   ARGV[4]  reason, "" for a change of policy
-- ARGV[5]  milliseconds the log is kept
-- Answers 1, or 0 when there is no such account.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local oldest = string.format('%.0f', time[1] * 1000 - ARGV[5])
redis.call('XADD', KEYS[2], 'MINID', '~', oldest, '*',
  'kind', ARGV[2], 'key_id', '', 'account_id', ARGV[3], 'reason', ARGV[4])
return 1
