-- A wallet and its packs at one instant, with what has expired by now taken out.
--
-- Why a script: the sums of the packs equal the wallet's only if both are read in one step.
--
-- KEYS[1..4]   journal, wallet, packs, spendable packs
-- ARGV[1]      account id
-- Answers {wallet, packs}, each as a flat list of fields and values.

sweep({ journal = KEYS[1], wallet = KEYS[2], packs = KEYS[3], spendable = KEYS[4] }, ARGV[1])
return { redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3]) }
