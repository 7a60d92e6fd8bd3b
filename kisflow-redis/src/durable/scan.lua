-- KEYS: index, values, counts. ARGV: the first and the last key as ZRANGEBYLEX wants them, the most
-- entries, 1 for the last key first, 1 for keys only.
local command, first, last = 'ZRANGEBYLEX', ARGV[1], ARGV[2]
if ARGV[4] == '1' then command, first, last = 'ZREVRANGEBYLEX', last, first end
local keys = call(command, KEYS[1], first, last, 'LIMIT', 0, ARGV[3])
local reply = {}
-- In parts, because Lua's stack is bounded.
for first = 1, #keys, 1000 do
  local last = math.min(first + 999, #keys)
  local values = call('HMGET', KEYS[2], unpack(keys, first, last))
  for i, value in ipairs(values) do
    local key = keys[first + i - 1]
    if not value then
      local count = call('HGET', KEYS[3], key)
      value = count and (string.rep('0', 32) .. ' ' .. count)
    end
    if value and ARGV[5] == '1' then value = string.sub(value, 1, 33) end
    reply[#reply + 1] = key
    reply[#reply + 1] = value
  end
end
return reply
