-- Set the worst case of a request aside, before its upstream is called.
--
-- Why one script: looking at what remains and taking it must be one step. Two hundred requests that
-- look at the same pack at once would otherwise all find it full.
--
-- Taken is the whole bound where it fits, else the slice where there is one and it fits, else
-- nothing. The same request again gets the same answer and a fresh deadline.
--
-- KEYS[1..6]   journal, index of open holds, request record, wallet, packs, spendable packs
-- ARGV[1..3]   member of the index, account id, milliseconds the hold lives
-- ARGV[4..5]   the whole bound and the slice in micros (slice 0: the whole or nothing)
-- ARGV[6..8]   key id, model, when the request began in ms
-- Answers {state, held, remaining}: state 1 held, 0 refused, 2 or 3 settled before.

local seat = { journal = KEYS[1], wallet = KEYS[4], packs = KEYS[5], spendable = KEYS[6] }
local record = redis.call('HMGET', KEYS[3], 'state', 'amount')
local state = number(record[1])
if state > OPEN then return { state, 0, 0 } end
local deadline = whole(now_ms + ARGV[3])
if state == OPEN then
  redis.call('ZADD', KEYS[2], deadline, ARGV[1])
  return { OPEN, number(record[2]), remains(seat.wallet) }
end

sweep(seat, ARGV[2])
local remaining, amount, slice = remains(seat.wallet), tonumber(ARGV[4]), tonumber(ARGV[5])
if amount > remaining and slice > 0 then amount = math.min(amount, slice) end
if amount > remaining then return { 0, 0, remaining } end
add(seat.wallet, 'held', amount)
redis.call('HSET', KEYS[3], 'state', OPEN, 'amount', whole(amount), 'key_id', ARGV[6],
  'model', ARGV[7], 'started_ms', ARGV[8], 'cost', '0', 'tokens', '')
redis.call('ZADD', KEYS[2], deadline, ARGV[1])
return { OPEN, amount, remaining - amount }
