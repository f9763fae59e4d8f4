-- Add a pack to a wallet, once per payment reference.
--
-- Why one script: the mark of the payment, the pack, the wallet and the journal's line must stand
-- or fall together, or a payment told twice would be credited twice.
--
-- The pack bought last names the wallet's price list.
--
-- KEYS[1..5]   journal, set of wallets, wallet, packs, spendable packs
-- ARGV[1..4]   account id, new pack's id, payment reference, amount in micros
-- ARGV[5..6]   when it ends in ms ("" never), the catalog's name for it ("" none)
-- ARGV[7]      the most a wallet may ever have been granted
-- Answers {status, pack id}: 1 granted now, 0 granted before, -1 the reference was used for another
-- amount, -2 the wallet would grow too large.

local seat = { journal = KEYS[1], wallet = KEYS[3], packs = KEYS[4], spendable = KEYS[5] }
local account_id, pack, reference, amount = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local mark = 'reference/' .. reference
local known = redis.call('HGET', seat.packs, mark)
if known then
  local same = number(redis.call('HGET', seat.packs, known .. '/granted')) == amount
  return { same and 0 or -1, known }
end
if number(redis.call('HGET', seat.wallet, 'granted')) + amount > tonumber(ARGV[7]) then
  return { -2, '' }
end
redis.call('HSET', seat.packs, mark, pack, pack .. '/granted', whole(amount),
  pack .. '/granted_ms', whole(now_ms), pack .. '/expires_ms', ARGV[5], pack .. '/name', ARGV[6],
  pack .. '/reference', reference)
redis.call('ZADD', seat.spendable, ARGV[5] == '' and '+inf' or ARGV[5], pack)
add(seat.wallet, 'granted', amount)
redis.call('HSET', seat.wallet, 'prices', ARGV[6])
redis.call('SADD', KEYS[2], account_id)
write(seat.journal, {
  kind = 'grant', account_id = account_id, pack_id = pack, reference = reference, granted = amount,
})
return { 1, pack }
