-- Store a new member, unless its address has one in the realm.
--
-- Why one script: two invitations to one address at the same time must end in one member, and a
-- member's record, its address and its place in the list must stand or fall together.
--
-- KEYS[1]  the record (JSON)   KEYS[2]  address in the realm (string → member id)
-- KEYS[3]  members of the account (sorted set)
-- ARGV[1]  member id   ARGV[2]  record
-- Answers the id of the member that stands.

local known = redis.call('GET', KEYS[2])
if known then return known end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
return ARGV[1]
