-- Let a key be found by its digest under the current pepper as well.
--
-- Why one script: the index and what the key says of its own digests must agree, or a look-up would
-- refuse a good key. The old index stays for a time, because holders that do not know the new
-- pepper yet still ask by it.
--
-- KEYS[1]  the key (hash: digest, previous_digest, …)
-- KEYS[2]  index by the old digest (string → key id)   KEYS[3]  index by the new one
-- ARGV[1]  old digest   ARGV[2]  new digest   ARGV[3]  key id   ARGV[4]  seconds the old one stays
-- Answers 1, or 0 when the key is not known by the old digest (any more).

if redis.call('HGET', KEYS[1], 'digest') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'digest', ARGV[2], 'previous_digest', ARGV[1])
redis.call('SET', KEYS[3], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
