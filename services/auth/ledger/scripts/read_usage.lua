-- An account's entries of the journal, newest first.
--
-- Why a script: the journal is one per partition, so most entries of a stretch are other
-- accounts'. They are left out here instead of travelling. A call reads a bounded stretch.
--
-- KEYS[1]      journal
-- ARGV[1]      account id
-- ARGV[2..3]   before this sequence ("+" none), not before this time in ms ("-" none)
-- ARGV[4]      at most so many entries read
-- Answers {last sequence read or "" when there is no more, then the account's entries}.

local start = ARGV[2] == '+' and '+' or '(' .. ARGV[2]
local entries = redis.call('XREVRANGE', KEYS[1], start, ARGV[3], 'COUNT', ARGV[4])
local answer = { #entries == tonumber(ARGV[4]) and entries[#entries][1] or '' }
for _, entry in ipairs(entries) do
  local fields = entry[2]
  for at = 1, #fields, 2 do
    if fields[at] == 'account_id' then
      if fields[at + 1] == ARGV[1] then answer[#answer + 1] = entry end
      break
    end
  end
end
return answer
