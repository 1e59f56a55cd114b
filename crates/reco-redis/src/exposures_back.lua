-- KEYS[1]: an item's hash. ARGV: a lease, how many of it are unused, milliseconds kept.
-- It ends, even if it is not known: the call that takes it may come later than this one.
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
local back = math.min(tonumber(ARGV[2]), known)
if back > 0 then redis.call('HINCRBY', KEYS[1], 'granted', -back) end
redis.call('HSET', KEYS[1], ARGV[1], 0)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return back
