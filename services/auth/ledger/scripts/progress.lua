-- Keep open holds alive, note what was used so far, and make them larger where more is wanted.
--
-- Why one script: the deadline moves on the store's own clock, and an extension is a hold: what
-- remains is looked at and taken in one step.
--
-- Costs only rise: a message overtaken by a later one changes nothing. Where the wallet cannot pay
-- the whole extension the hold gets all that remains, so that a stream ends at the pack's last
-- token and not a slice before it.
--
-- KEYS[1..2]   journal, index of open holds
-- KEYS[3..]    four per item: request record, wallet, packs, spendable packs
-- ARGV[1]      milliseconds a hold lives
-- ARGV[2..]    five per item: member, account id, cost so far, tokens so far ("1,2,…"), amount
--              wanted (0: as it is)
-- Answers {state, held} per item, flat: 0 unknown, 1 open, 2 or 3 settled, -1 open and exhausted.

local answers = {}
local WIDTH, SEAT = 5, 4
for index = 0, (#KEYS - 2) / SEAT - 1 do
  local function key(place) return KEYS[2 + index * SEAT + place] end
  local function value(place) return ARGV[1 + index * WIDTH + place] end
  local record = redis.call('HMGET', key(1), 'state', 'amount', 'cost')
  local state, amount, cost = number(record[1]), number(record[2]), tonumber(value(3))
  if state == OPEN then
    redis.call('ZADD', KEYS[2], whole(now_ms + ARGV[1]), value(1))
    if cost > number(record[3]) then
      redis.call('HSET', key(1), 'cost', whole(cost), 'tokens', value(4))
    end
    local wanted = math.max(cost, tonumber(value(5)))
    if wanted > amount then
      local seat = { journal = KEYS[1], wallet = key(2), packs = key(3), spendable = key(4) }
      sweep(seat, value(2))
      local more = math.min(wanted - amount, remains(seat.wallet))
      if more < wanted - amount then state = -1 end
      if more > 0 then
        amount = amount + more
        add(seat.wallet, 'held', more)
        redis.call('HSET', key(1), 'amount', whole(amount))
      end
    end
  end
  answers[#answers + 1] = state
  answers[#answers + 1] = amount
end
return answers
