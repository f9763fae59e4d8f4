-- The holds whose holder fell silent, with when each request began.
--
-- Why a script: overdue is a matter of the store's own clock, and the roll-up a hold will be
-- counted in is a matter of its record; one call answers both.
--
-- KEYS[1]      index of open holds
-- ARGV[1..2]   the partition's tag, at most so many
-- Answers a flat list of members and when their requests began in ms.

local answer = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms, 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  local account_id, request_id = string.match(member, '^(%S+) (.*)$')
  local key = ARGV[1] .. ':request:' .. account_id .. ':' .. request_id
  answer[#answer + 1] = member
  answer[#answer + 1] = redis.call('HGET', key, 'started_ms') or '0'
end
return answer
