-- What the auditor compares: wallets, the sums of their packs and of their open holds, and how far
-- the journal had come, all at one instant.
--
-- Why a script: between two reads a request may settle, and a sum that is right at every instant
-- would look wrong. Keys of single accounts are built here from the partition's tag: they share
-- its slot, and how many open holds there are is only known inside.
--
-- KEYS[1..3]   journal, last folded sequence, index of open holds
-- ARGV[1]      the partition's tag; ARGV[2..] account ids
-- Answers {last sequence, last folded sequence, then per account: wallet, base of the journal
-- (each a flat list), granted, spent and expired of its packs, held by its open holds}.

local asked, held = {}, {}
for place = 2, #ARGV do asked[ARGV[place]] = true end
for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  local account_id, request_id = string.match(member, '^(%S+) (.*)$')
  if asked[account_id] then
    local key = ARGV[1] .. ':request:' .. account_id .. ':' .. request_id
    held[account_id] = (held[account_id] or 0) + number(redis.call('HGET', key, 'amount'))
  end
end

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local answer = { last and last[1] or '0-0', redis.call('GET', KEYS[2]) or '0-0' }
for place = 2, #ARGV do
  local account_id = ARGV[place]
  local sums = { granted = 0, spent = 0, expired = 0 }
  local packs = redis.call('HGETALL', ARGV[1] .. ':packs:' .. account_id)
  for at = 1, #packs, 2 do
    local name = string.match(packs[at], '^pack_%w+/(%l+)$')
    if name and sums[name] then sums[name] = sums[name] + number(packs[at + 1]) end
  end
  answer[#answer + 1] = {
    redis.call('HGETALL', ARGV[1] .. ':wallet:' .. account_id),
    redis.call('HGETALL', ARGV[1] .. ':base:' .. account_id),
    whole(sums.granted), whole(sums.spent), whole(sums.expired), whole(held[account_id] or 0),
  }
end
return answer
