-- Set the worst case of requests aside, before their upstreams are called.
--
-- Why one script: looking at what remains and taking it must be one step. Two hundred requests that
-- look at the same pack at once would otherwise all find it full. A batch is one step; each of its
-- items finds what those before it left.
--
-- Taken is the whole bound where it fits, else the slice where there is one and it fits, else
-- nothing. The same request again gets the same answer and a fresh deadline.
--
-- KEYS[1]      journal of the partition
-- ARGV[1..2]   the partition's tag, milliseconds a hold lives
-- ARGV[3]      packed items: name, whole and least (micros; least 0: the whole or nothing), started_ms
-- Answers {state, held, remaining} per item, flat: state 1 held, 0 refused, 2 or 3 settled before.

local answers, swept = {}, {}
local deadline = whole(now_ms + ARGV[2])
local function answer(state, held, remaining)
  answers[#answers + 1], answers[#answers + 2], answers[#answers + 3] = state, held, remaining
end

for _, item in ipairs(cmsgpack.unpack(ARGV[3])) do
  local name = item.name
  local seat = seat_of(ARGV[1], name.account_id, name.request_id)
  local member = name.account_id .. ' ' .. name.request_id
  local record = redis.call('HMGET', seat.request, 'state', 'amount')
  local state = number(record[1])
  if state > OPEN then
    answer(state, 0, 0)
  elseif state == OPEN then
    redis.call('ZADD', seat.open, deadline, member)
    answer(OPEN, number(record[2]), remains(seat.wallet))
  else
    if not swept[seat.wallet] then sweep(seat, name.account_id) end
    swept[seat.wallet] = true
    local remaining, amount = remains(seat.wallet), item.whole
    if amount > remaining and item.least > 0 then amount = math.min(amount, item.least) end
    if amount > remaining then
      answer(0, 0, remaining)
    else
      add(seat.wallet, 'held', amount)
      redis.call('HSET', seat.request, 'state', OPEN, 'amount', whole(amount),
        'key_id', name.key_id, 'model', name.model, 'started_ms', whole(item.started_ms),
        'cost', '0', 'tokens', '')
      redis.call('ZADD', seat.open, deadline, member)
      answer(OPEN, amount, remaining - amount)
    end
  end
end
return answers
