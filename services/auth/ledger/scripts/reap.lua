-- Settle a hold whose holder fell silent: as estimated, at what its last progress said.
--
-- Why a script: between the look that found the hold overdue and this one its holder may have kept
-- it alive or settled it. The deadline and the state are looked at again in the same step, on the
-- store's own clock, so that any number of reapers may meet over one hold.
--
-- KEYS[1..8]   journal, index of open holds, set of wallets, request record, roll-up of its day,
--              wallet, packs, spendable packs
-- ARGV[1..2]   seconds a terminal record lives, seconds a roll-up lives
-- ARGV[3..5]   member of the index, account id, request id
-- Answers {model, cost} when it was reaped now, else nothing.

local seat = {
  journal = KEYS[1], open = KEYS[2], wallets = KEYS[3], request = KEYS[4], usage = KEYS[5],
  wallet = KEYS[6], packs = KEYS[7], spendable = KEYS[8],
}
local due = redis.call('ZSCORE', seat.open, ARGV[3])
if not due or tonumber(due) > now_ms then return {} end
local record = redis.call('HMGET', seat.request,
  'state', 'key_id', 'model', 'started_ms', 'cost', 'tokens')
if number(record[1]) ~= OPEN then
  redis.call('ZREM', seat.open, ARGV[3])
  return {}
end
local item = {
  kind = 'settle', account_id = ARGV[4], request_id = ARGV[5], key_id = record[2],
  model = record[3], ['end'] = 'END_UNSPECIFIED', started_ms = record[4],
  total_ms = now_ms - number(record[4]), state = ESTIMATED, prepaid = '1',
  cost = number(record[5]), tokens = record[6], member = ARGV[3],
}
local _, cost = conclude(seat, item, { record_s = ARGV[1], usage_s = ARGV[2] })
return { item.model or '', cost }
