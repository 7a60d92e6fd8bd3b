-- KEYS: stream. ARGV: group, consumer, lease, then ids and who has each. Takes over those that are
-- still with the same consumer and whose lease has passed, and says how many.
local taken = {}
for i = 4, #ARGV, 2 do
  local entry = call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if entry and entry[2] == ARGV[i + 1] and entry[3] >= tonumber(ARGV[3]) then
    taken[#taken + 1] = ARGV[i]
  end
end
-- In parts, because Lua's stack is bounded.
for first = 1, #taken, 1000 do
  local words = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3] }
  for i = first, math.min(first + 999, #taken) do words[#words + 1] = taken[i] end
  words[#words + 1] = 'JUSTID'
  call(unpack(words))
end
return #taken
