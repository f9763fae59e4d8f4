-- Replace a member's record if it is still what the writer saw.
--
-- Why a script: setting a password and ending every session both rewrite the record. Whichever
-- came second without looking would undo the other, and sessions that were ended would live again.
--
-- KEYS[1]  the record (JSON)   ARGV[1]  what it was   ARGV[2]  what it becomes
-- Answers 1, or 0 when it was something else or nothing.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
