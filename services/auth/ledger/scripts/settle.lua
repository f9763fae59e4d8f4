-- Record what requests used, or that they used nothing: each exactly once, however often it is told.
--
-- Why one script: the release of a hold, the charge, the journal's line, the roll-ups and the mark
-- that a request is settled must change together. A process killed between two of them would lose
-- money or count it twice. A batch is one step; its items are independent of each other.
--
-- A request without a record is charged all the same: its hold was lost in a fail-over, or it
-- belongs to a plan and never had one. What the wallet cannot pay becomes the operator's `short`.
--
-- KEYS[1..3]   journal, index of open holds, set of wallets: of one partition
-- KEYS[4..]    five per item: request record, roll-up of its day, wallet, packs, spendable packs
-- ARGV[1..2]   seconds a terminal record lives, seconds a roll-up lives
-- ARGV[3..]    16 values per item: see `item` below
-- Answers per item, flat: 1 where it was not recorded before, else 0, and what it adds to the cost
-- known before.

local life = { record_s = ARGV[1], usage_s = ARGV[2] }
local WIDTH, SEAT = 16, 5
local answers = {}
for index = 0, (#KEYS - 3) / SEAT - 1 do
  local function key(place) return KEYS[3 + index * SEAT + place] end
  local function value(place) return ARGV[2 + index * WIDTH + place] end
  local seat = {
    journal = KEYS[1], open = KEYS[2], wallets = KEYS[3],
    request = key(1), usage = key(2), wallet = key(3), packs = key(4), spendable = key(5),
  }
  local item = {
    kind = value(1), account_id = value(2), request_id = value(3), key_id = value(4),
    model = value(5), upstream = value(6), upstream_model = value(7), ['end'] = value(8),
    started_ms = value(9), total_ms = value(10), attempts = value(11),
    state = tonumber(value(12)), prepaid = value(13), cost = tonumber(value(14)),
    tokens = value(15), member = value(16),
  }
  local is_new, cost = conclude(seat, item, life)
  answers[#answers + 1] = is_new
  answers[#answers + 1] = cost
end
return answers
