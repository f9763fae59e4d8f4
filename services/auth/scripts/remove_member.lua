-- Forget a member: its record, its address, its place in the list, in one step.
--
-- Why a script: the address may have been given to a new member meanwhile; then it is left alone.
-- Sessions and links name the member and are good for nothing without its record.
--
-- KEYS[1]  the record   KEYS[2]  address in the realm   KEYS[3]  members of the account
-- ARGV[1]  member id
-- Answers 1.

redis.call('DEL', KEYS[1])
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
