-- KEYS[1]: an item's hash. ARGV: a lease, how many are wanted, how many there may be, milliseconds kept.
-- A lease that is known has the answer that it had, and one that has ended has nothing.
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return tonumber(known) end
local granted = tonumber(redis.call('HGET', KEYS[1], 'granted') or 0)
local n = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - granted)
if n <= 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'granted', n)
redis.call('HSET', KEYS[1], ARGV[1], n)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return n
