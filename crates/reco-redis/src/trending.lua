-- KEYS: the board, and a mark of this call. ARGV: items kept, milliseconds kept, then score and item in turn.
-- A score is the base-2 logarithm of an event's weight moved to the epoch; adding two is a sum of what they stand for.
if not redis.call('SET', KEYS[2], 1, 'NX', 'EX', 60) then return 0 end
for place = 3, #ARGV, 2 do
  local score, item = tonumber(ARGV[place]), ARGV[place + 1]
  local before = tonumber(redis.call('ZSCORE', KEYS[1], item))
  if before then
    local high, low = math.max(before, score), math.min(before, score)
    score = high + math.log(1 + 2 ^ (low - high)) / math.log(2)
  end
  redis.call('ZADD', KEYS[1], string.format('%.17g', score), item)
end
local spare = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[1])
if spare > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, spare - 1) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
