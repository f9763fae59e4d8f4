-- Count an attempt to sign in, unless there were too many.
--
-- Why a script: attempts come in parallel. Whoever looked first and counted afterwards would let
-- as many through as fit between the two. So an attempt is counted before it is tried, and a good
-- one begins its bucket anew.
--
-- KEYS[i]        count of a bucket; it begins with the first attempt and ends with its window
-- ARGV[2i-1,2i]  its limit, and its window in milliseconds
-- Answers 0 when the attempt may be tried, else the milliseconds until it may; then nothing counts.

for i, bucket in ipairs(KEYS) do
  local count = tonumber(redis.call('GET', bucket) or '0')
  if count >= tonumber(ARGV[2 * i - 1]) then return math.max(1, redis.call('PTTL', bucket)) end
end
for i, bucket in ipairs(KEYS) do
  if redis.call('INCR', bucket) == 1 then redis.call('PEXPIRE', bucket, ARGV[2 * i]) end
end
return 0
