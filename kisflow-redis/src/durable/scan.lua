-- KEYS: index, values. ARGV: the key before the first, the most entries.
local keys = call('ZRANGEBYLEX', KEYS[1], '(' .. ARGV[1], '+', 'LIMIT', 0, ARGV[2])
local reply = {}
-- In parts, because Lua's stack is bounded.
for first = 1, #keys, 1000 do
  local last = math.min(first + 999, #keys)
  local values = call('HMGET', KEYS[2], unpack(keys, first, last))
  for i, value in ipairs(values) do
    reply[#reply + 1] = keys[first + i - 1]
    reply[#reply + 1] = value
  end
end
return reply
