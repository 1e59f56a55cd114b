-- KEYS[1]: the moments of what was let through, in microseconds, oldest first.
-- ARGV: limit, window in microseconds, cost, and the time or nothing, which stands for the server's.
local limit, window, cost, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
-- After a fail-over the clock may be behind what another server wrote: time does not go back.
local newest = tonumber(redis.call('LINDEX', KEYS[1], -1))
if newest and newest > now then now = newest end

local oldest = tonumber(redis.call('LINDEX', KEYS[1], 0))
while oldest and oldest <= now - window do
  redis.call('LPOP', KEYS[1])
  oldest = tonumber(redis.call('LINDEX', KEYS[1], 0))
end

local used = redis.call('LLEN', KEYS[1])
if used + cost > limit then
  -- Room is there once so many have left that the cost fits.
  local last = tonumber(redis.call('LINDEX', KEYS[1], used + cost - limit - 1))
  return {0, math.max(limit - used, 0), last + window - now}
end
if cost > 0 then
  local moment = string.format('%.0f', now)
  for _ = 1, cost do redis.call('RPUSH', KEYS[1], moment) end
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
end
return {1, limit - used - cost, 0}
