-- Fold the oldest entries of the journal into one base per account, and drop them.
--
-- Why one script: the journal is the proof of every wallet. Entries may only leave it in the same
-- step in which their sums are kept, so that base + journal = wallet holds at every instant.
-- Keys of single accounts are built here from the partition's tag: which accounts the entries
-- belong to is only known inside, and the tag keeps them in the same slot.
--
-- KEYS[1..2]   journal, last folded sequence
-- ARGV[1]      the partition's tag
-- ARGV[2..3]   fold entries before this time in ms, at most so many
-- Answers how many were folded.

local last = whole(tonumber(ARGV[2]) - 1)
local entries = redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', ARGV[3])
if #entries == 0 then return 0 end
for _, entry in ipairs(entries) do
  local fields, found = entry[2], {}
  for at = 1, #fields, 2 do found[fields[at]] = fields[at + 1] end
  local base = ARGV[1] .. ':base:' .. found.account_id
  for _, name in ipairs({ 'granted', 'spent', 'short', 'expired' }) do
    add(base, name, number(found[name]))
  end
end
local sequence = entries[#entries][1]
local ms, seq = string.match(sequence, '^(%d+)-(%d+)$')
redis.call('XTRIM', KEYS[1], 'MINID', '=', ms .. '-' .. whole(tonumber(seq) + 1))
redis.call('SET', KEYS[2], sequence)
return #entries
