-- KEYS: index, values and bytes of each space.
-- ARGV: for each change the number of its space from 0, '+', key, value, or the number, '-', key.

-- A key that holds something else is an error here, before anything is changed.
for at = 1, #KEYS, 3 do
  call('ZCARD', KEYS[at])
  call('HLEN', KEYS[at + 1])
  local bytes = call('GET', KEYS[at + 2])
  if bytes and not string.match(bytes, '^%d+$') then
    return redis.error_reply('ERR ' .. KEYS[at + 2] .. ' holds no number')
  end
end

local grown = {}
local i = 1
while i <= #ARGV do
  local at = 3 * tonumber(ARGV[i]) + 1
  local index, values, key = KEYS[at], KEYS[at + 1], ARGV[i + 2]
  local before = call('HSTRLEN', values, key)
  local grows = 0
  if ARGV[i + 1] == '+' then
    local value = ARGV[i + 3]
    grows = #value - before
    if call('HSET', values, key, value) == 1 then
      call('ZADD', index, 0, key)
      grows = grows + #key
    end
    i = i + 4
  else
    if call('HDEL', values, key) == 1 then
      call('ZREM', index, key)
      grows = -before - #key
    end
    i = i + 3
  end
  grown[at] = (grown[at] or 0) + grows
end
for at, bytes in pairs(grown) do
  if call('INCRBY', KEYS[at + 2], bytes) == 0 then
    call('DEL', KEYS[at + 2])
  end
end
return redis.status_reply('OK')
