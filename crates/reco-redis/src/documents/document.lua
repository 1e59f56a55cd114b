-- KEYS[1]: a document. ARGV: the token it must have ('' for none, '*' for any), the one it gets, milliseconds it is kept, the
-- time, the number of groups and their names, then fields and values in turn. Fields of these groups that are not among
-- them go; those of other groups stay. 0 if it has another token.
local found = redis.call('HGET', KEYS[1], 'token') or ''
-- It was written before, but the answer got lost.
if found == ARGV[2] then return 1 end
if ARGV[1] ~= '*' and found ~= ARGV[1] then return 0 end

local first = 6 + ARGV[5]
local groups, written = {}, {}
for place = 6, first - 1 do groups[ARGV[place]] = true end
for place = first, #ARGV, 2 do written[ARGV[place]] = true end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if not written[field] and groups[string.match(field, '^[^.]*')] then redis.call('HDEL', KEYS[1], field) end
end
redis.call('HSET', KEYS[1], 'token', ARGV[2], 'updated_at', ARGV[4], unpack(ARGV, first))
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
