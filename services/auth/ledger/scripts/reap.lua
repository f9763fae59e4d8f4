-- Settle a hold whose holder fell silent: as estimated, at what its last progress said.
--
-- Why a script: between the look that found the hold overdue and this one its holder may have kept
-- it alive or settled it. The deadline and the state are looked at again in the same step, on the
-- store's own clock, so that any number of reapers may meet over one hold.
--
-- KEYS[1]      journal of the partition
-- ARGV[1]      the partition's tag
-- ARGV[2..3]   seconds a terminal record lives, seconds a roll-up lives
-- ARGV[4..5]   account id, request id
-- ARGV[6]      the day the request counts in
-- Answers {model, cost} when it was reaped now, else nothing.

local account_id, request_id = ARGV[4], ARGV[5]
local seat = seat_of(ARGV[1], account_id, request_id, ARGV[6])
local member = account_id .. ' ' .. request_id
local due = redis.call('ZSCORE', seat.open, member)
if not due or tonumber(due) > now_ms then return {} end
local record = redis.call('HMGET', seat.request,
  'state', 'key_id', 'model', 'started_ms', 'cost', 'tokens')
if number(record[1]) ~= OPEN then
  redis.call('ZREM', seat.open, member)
  return {}
end
local item = {
  kind = 'settle', account_id = account_id, request_id = request_id, key_id = record[2],
  model = record[3], ['end'] = 'END_UNSPECIFIED', started_ms = record[4],
  total_ms = now_ms - number(record[4]), state = ESTIMATED, prepaid = '1',
  cost = number(record[5]), tokens = record[6], member = member,
}
local _, cost = conclude(seat, item, ARGV[2])
write_days(ARGV[3])
return { item.model or '', cost }
