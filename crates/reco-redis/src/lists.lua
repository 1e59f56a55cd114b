-- KEYS[1]: a list. ARGV: when it expires, in milliseconds since 1970, then fields and values in turn.
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1
