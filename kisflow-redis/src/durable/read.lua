-- KEYS: values and counts of each space. ARGV: for each key the number of its space from 0, and the
-- key. The answers are as in `values`; a counter has the version 0.
local reply = {}
for i = 1, #ARGV, 2 do
  local at = 2 * tonumber(ARGV[i]) + 1
  local value = call('HGET', KEYS[at], ARGV[i + 1])
  if not value then
    local count = call('HGET', KEYS[at + 1], ARGV[i + 1])
    value = count and (string.rep('0', 32) .. ' ' .. count)
  end
  reply[#reply + 1] = value
end
return reply
