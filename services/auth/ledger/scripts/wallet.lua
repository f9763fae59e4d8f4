-- What every script of the ledger begins with: the wallet, its packs, the journal, the roll-ups.
--
-- This text stands in front of each of them, so that there is one way to spend, to give back and to
-- write down. Redis runs a script alone and writes its effects as one unit to its append-only file
-- and to its replicas: whatever a script changes stands or falls together, on a fail-over and on a
-- file cut off at any byte.
--
-- A *wallet* is a hash of whole micro-dollars: granted, spent, held, expired, short. What remains
-- is granted - spent - held - expired and never below zero. `short` is what was used beyond what
-- the wallet could pay: the operator's loss, outside the equation. `prices` names the price list.
--
-- *Packs* are a hash of fields "<pack>/granted", "<pack>/spent", "<pack>/expired", … in which the
-- sums of the three equal the wallet's. `spendable` (sorted set) holds the packs with something
-- left, by the time they end, so that the one that ends first is spent first. A hold is against
-- the wallet as a whole: which pack pays is decided when the request settles. What a pack has left
-- at its end expires, except what open holds still need; the rest expires when they close.
--
-- A *request record* is a hash that climbs the lattice none < open (1) < estimated (2) < exact (3)
-- and never goes down, so any call may come twice and in any order. An exact record is only its
-- state: nothing can change it any more. An estimated one keeps what it counted and which packs
-- paid, so that the exact one can undo it. A terminal record is dropped after a day; no replay
-- comes later.
--
-- Requests come packed (MessagePack) in one argument, and their keys are built here from the
-- partition's tag, which keeps them in the slot of the key that the script was sent to.
--
-- All time is the store's. Numbers are doubles in Lua and exact below 2^53: nine billion dollars.

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

local OPEN, ESTIMATED, EXACT = 1, 2, 3
local TOKENS = {
  'input_tokens', 'cache_read_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens',
  'output_tokens', 'reasoning_tokens',
}
-- Every entry of the journal has these fields in this order: the store then keeps the names once
-- for many entries and of an empty field only its two bytes.
local ENTRY = {
  'kind', 'account_id', 'request_id', 'key_id', 'model', 'upstream', 'upstream_model', 'end',
  'started_ms', 'total_ms', 'attempts', 'state', 'prepaid', 'cost', 'granted', 'spent', 'short',
  'expired', 'pack_id', 'reference', 'input_tokens', 'cache_read_tokens', 'cache_write_5m_tokens',
  'cache_write_1h_tokens', 'output_tokens', 'reasoning_tokens',
}

local function number(value) return value and tonumber(value) or 0 end
local function whole(value) return string.format('%.0f', value) end

-- The keys of one request; `day` is that of the roll-up it is counted in, once it ends.
local function seat_of(tag, account_id, request_id, day)
  return {
    journal = tag .. ':journal', open = tag .. ':open', wallets = tag .. ':wallets',
    request = tag .. ':request:' .. account_id .. ':' .. request_id,
    usage = day and tag .. ':usage:' .. account_id .. ':' .. day,
    wallet = tag .. ':wallet:' .. account_id, packs = tag .. ':packs:' .. account_id,
    spendable = tag .. ':spendable:' .. account_id,
  }
end

local function add(key, field, amount)
  if amount ~= 0 then redis.call('HINCRBY', key, field, whole(amount)) end
end

local function write(journal, entry)
  local flat = {}
  for place, name in ipairs(ENTRY) do
    local value = entry[name]
    if value == nil or value == 0 then value = '' end
    if type(value) == 'number' then value = whole(value) end
    flat[2 * place - 1], flat[2 * place] = name, value
  end
  redis.call('XADD', journal, '*', unpack(flat))
end

-- What remains of a wallet.
local function remains(wallet)
  local sums = redis.call('HMGET', wallet, 'granted', 'spent', 'held', 'expired')
  return number(sums[1]) - number(sums[2]) - number(sums[3]) - number(sums[4])
end

local function left_of(packs, pack)
  local sums = redis.call('HMGET', packs, pack .. '/granted', pack .. '/spent', pack .. '/expired')
  return number(sums[1]) - number(sums[2]) - number(sums[3])
end

-- Pay from the packs, the one that ends first at first. Gives what was paid, and by which packs as
-- "pack=micros,…".
local function pay(seat, amount)
  local paid, parts = 0, {}
  if amount <= 0 then return 0, '' end
  for _, pack in ipairs(redis.call('ZRANGE', seat.spendable, 0, -1)) do
    if paid >= amount then break end
    local left = left_of(seat.packs, pack)
    local part = math.min(left, amount - paid)
    if part > 0 then
      add(seat.packs, pack .. '/spent', part)
      parts[#parts + 1] = pack .. '=' .. whole(part)
      paid = paid + part
    end
    if left - part <= 0 then redis.call('ZREM', seat.spendable, pack) end
  end
  return paid, table.concat(parts, ',')
end

-- Take a payment back into the packs it came from.
local function give_back(seat, parts)
  for pack, part in string.gmatch(parts or '', '([^=,]+)=(%d+)') do
    add(seat.packs, pack .. '/spent', -tonumber(part))
    local ends = redis.call('HGET', seat.packs, pack .. '/expires_ms')
    if not ends or ends == '' then ends = '+inf' end
    redis.call('ZADD', seat.spendable, ends, pack)
  end
end

-- Let what is left of packs past their end expire, but for what open holds need.
local function sweep(seat, account_id)
  for _, pack in ipairs(redis.call('ZRANGEBYSCORE', seat.spendable, '-inf', now_ms)) do
    local left = left_of(seat.packs, pack)
    local part = math.min(left, remains(seat.wallet))
    if part > 0 then
      add(seat.packs, pack .. '/expired', part)
      add(seat.wallet, 'expired', part)
      write(seat.journal, {
        kind = 'expire', account_id = account_id, pack_id = pack, expired = part,
      })
    end
    if left - part <= 0 then redis.call('ZREM', seat.spendable, pack) end
  end
end

-- Tokens as a record keeps them, and as a list.
local function joined(tokens)
  return type(tokens) == 'table' and table.concat(tokens, ',') or tokens
end

local function split(tokens)
  if type(tokens) == 'table' then return tokens end
  local counts = {}
  for count in string.gmatch(tokens or '', '%d+') do counts[#counts + 1] = tonumber(count) end
  return counts
end

-- What a script adds to the days of its accounts: amounts by counter, by the key of a day. The
-- requests of a batch mostly share their days, so they are added up before they are written.
local days = {}

-- Add to an account's day: in all, by key and by model. A counter's name stands after the last
-- slash, because a model's name may hold slashes itself.
local function roll_up(usage, item, sums)
  local day = days[usage] or {}
  days[usage] = day
  local by_key, by_model = 'key/' .. item.key_id .. '/', 'model/' .. item.model .. '/'
  for name, amount in pairs(sums) do
    if amount ~= 0 then
      day[name] = (day[name] or 0) + amount
      day[by_key .. name] = (day[by_key .. name] or 0) + amount
      day[by_model .. name] = (day[by_model .. name] or 0) + amount
    end
  end
end

-- Write the days: the last step of every script that concludes.
local function write_days(usage_s)
  for usage, counters in pairs(days) do
    for name, amount in pairs(counters) do add(usage, name, amount) end
    redis.call('EXPIRE', usage, usage_s)
  end
end

-- Bring one request to a terminal state: release its hold, undo its estimate, charge its cost,
-- write the journal, note the roll-ups (`write_days` writes them). Answers 1 when it was not recorded before, else 0, and what it adds to
-- the cost known before.
--
-- seat: see `seat_of`.
-- item: kind, member (of the index of open holds), the names of the entry, state, prepaid ("1"),
-- cost, tokens ("1,2,…" in the order of TOKENS, or a list of them), and what the entry says besides.
-- record_s: how long a terminal record lives.
local function conclude(seat, item, record_s)
  local record = redis.call('HMGET', seat.request,
    'state', 'amount', 'cost', 'spent', 'short', 'parts', 'tokens')
  local known = number(record[1])
  if known >= item.state then return 0, 0 end

  if known == OPEN and item.state == ESTIMATED and number(record[3]) > item.cost then
    -- Of two guesses the higher one: a holder that died told more in its progress than it left.
    item.cost, item.tokens = number(record[3]), record[7]
  end
  local is_estimate = known == ESTIMATED
  local before = is_estimate and split(record[7]) or {}
  local cost_before = is_estimate and number(record[3]) or 0
  local spent_before, short_before = number(record[4]), number(record[5])
  if known == OPEN then
    add(seat.wallet, 'held', -number(record[2]))
    redis.call('ZREM', seat.open, item.member)
  end
  local spent, short, parts = 0, 0, ''
  if item.prepaid == '1' or known == OPEN then
    give_back(seat, record[6])
    add(seat.wallet, 'spent', -spent_before)
    spent, parts = pay(seat, math.min(item.cost, remains(seat.wallet)))
    short = item.cost - spent
    add(seat.wallet, 'spent', spent)
    add(seat.wallet, 'short', short - short_before)
    if short > 0 then redis.call('SADD', seat.wallets, item.account_id) end
    sweep(seat, item.account_id)
  end

  if known > 0 then redis.call('DEL', seat.request) end
  redis.call('HSET', seat.request, 'state', item.state)
  if item.state == ESTIMATED then
    redis.call('HSET', seat.request, 'cost', whole(item.cost), 'spent', whole(spent),
      'short', whole(short), 'parts', parts, 'tokens', joined(item.tokens))
  end
  redis.call('EXPIRE', seat.request, record_s)

  local sums = {
    cost = item.cost - cost_before, spent = spent - spent_before, short = short - short_before,
  }
  for place, count in ipairs(split(item.tokens)) do
    sums[TOKENS[place]] = count - number(before[place])
  end
  for name, amount in pairs(sums) do item[name] = amount end
  if item.kind == 'void' then
    -- Nothing reached an upstream: nobody's request, unless an estimate said otherwise.
    if known == 0 then return 1, 0 end
    if is_estimate then sums.requests = -1 end
  elseif not is_estimate then
    sums.requests = 1
  end
  roll_up(seat.usage, item, sums)
  write(seat.journal, item)
  return is_estimate and 0 or 1, sums.cost
end
