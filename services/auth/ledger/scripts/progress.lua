-- Keep open holds alive, note what was used so far, and make them larger where more is wanted.
--
-- Why one script: the deadline moves on the store's own clock, and an extension is a hold: what
-- remains is looked at and taken in one step.
--
-- Costs only rise: a message overtaken by a later one changes nothing. Where the wallet cannot pay
-- the whole extension the hold gets all that remains, so that a stream ends at the pack's last
-- token and not a slice before it.
--
-- KEYS[1]      journal of the partition
-- ARGV[1..2]   the partition's tag, milliseconds a hold lives
-- ARGV[3]      packed items: name, cost and tokens so far, amount wanted (0: as it is)
-- Answers {state, held} per item, flat: 0 unknown, 1 open, 2 or 3 settled, -1 open and exhausted.

local answers = {}
for _, item in ipairs(cmsgpack.unpack(ARGV[3])) do
  local account_id, request_id, cost = item.name.account_id, item.name.request_id, item.cost
  local seat = seat_of(ARGV[1], account_id, request_id)
  local record = redis.call('HMGET', seat.request, 'state', 'amount', 'cost')
  local state, amount = number(record[1]), number(record[2])
  if state == OPEN then
    redis.call('ZADD', seat.open, whole(now_ms + ARGV[2]), account_id .. ' ' .. request_id)
    if cost > number(record[3]) then
      redis.call('HSET', seat.request, 'cost', whole(cost), 'tokens', joined(item.tokens))
    end
    local wanted = math.max(cost, item.wanted)
    if wanted > amount then
      sweep(seat, account_id)
      local more = math.min(wanted - amount, remains(seat.wallet))
      if more < wanted - amount then state = -1 end
      if more > 0 then
        amount = amount + more
        add(seat.wallet, 'held', more)
        redis.call('HSET', seat.request, 'amount', whole(amount))
      end
    end
  end
  answers[#answers + 1] = state
  answers[#answers + 1] = amount
end
return answers
