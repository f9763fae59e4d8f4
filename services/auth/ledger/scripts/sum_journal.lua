-- Add up a stretch of the journal, per account.
--
-- Why a script: a partition's journal may hold a hundred thousand entries; their sums are a few
-- numbers. A call reads a bounded stretch, so that it never holds the store for long.
--
-- KEYS[1]      journal
-- ARGV[1..3]   after this sequence, up to this one, at most so many entries
-- Answers {last sequence read, entries read, then per account: id, granted, spent, short, expired}.

local accounts, order = {}, {}
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], ARGV[2], 'COUNT', ARGV[3])
for _, entry in ipairs(entries) do
  local fields, found = entry[2], {}
  for at = 1, #fields, 2 do found[fields[at]] = fields[at + 1] end
  local sums = accounts[found.account_id]
  if not sums then
    sums = { 0, 0, 0, 0 }
    accounts[found.account_id] = sums
    order[#order + 1] = found.account_id
  end
  for place, name in ipairs({ 'granted', 'spent', 'short', 'expired' }) do
    sums[place] = sums[place] + number(found[name])
  end
end
local answer = { #entries > 0 and entries[#entries][1] or ARGV[1], #entries }
for _, account_id in ipairs(order) do
  answer[#answer + 1] = account_id
  for _, sum in ipairs(accounts[account_id]) do answer[#answer + 1] = whole(sum) end
end
return answer
