-- Record what requests used, or that they used nothing: each exactly once, however often it is told.
--
-- Why one script: the release of a hold, the charge, the journal's line, the roll-ups and the mark
-- that a request is settled must change together. A process killed between two of them would lose
-- money or count it twice. A batch is one step; its items are independent of each other.
--
-- A request without a record is charged all the same: its hold was lost in a fail-over, or it
-- belongs to a plan and never had one. What the wallet cannot pay becomes the operator's `short`.
--
-- KEYS[1]      journal of the partition
-- ARGV[1]      the partition's tag
-- ARGV[2..3]   seconds a terminal record lives, seconds a roll-up lives
-- ARGV[4]      packed items {settlement, its cost, the day it counts in}; a void has no `certainty`
-- Answers per item, flat: 1 where it was not recorded before, else 0, and what it adds to the cost
-- known before.

local answers = {}
for _, packed in ipairs(cmsgpack.unpack(ARGV[4])) do
  local item, cost, day = unpack(packed)
  local seat = seat_of(ARGV[1], item.account_id, item.request_id, day)
  item.cost, item.member = cost, item.account_id .. ' ' .. item.request_id
  if item.certainty then
    item.kind, item.state, item.prepaid = 'settle', item.certainty, item.prepaid and '1' or '0'
  else
    item.kind, item.state, item.prepaid, item.tokens = 'void', EXACT, '1', '0,0,0,0,0,0'
    item['end'] = 'END_UNSPECIFIED'
  end
  local is_new, added = conclude(seat, item, ARGV[2])
  answers[#answers + 1] = is_new
  answers[#answers + 1] = added
end
write_days(ARGV[3])
return answers
