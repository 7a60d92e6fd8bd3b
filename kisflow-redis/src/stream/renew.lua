-- KEYS: stream. ARGV: group, consumer, ids. Renews those that are still the consumer's, and says how
-- many are another's by now.
local mine, lost = {}, 0
for i = 3, #ARGV do
  local entry = call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if entry and entry[2] == ARGV[2] then
    mine[#mine + 1] = ARGV[i]
  elseif entry then
    lost = lost + 1
  end
end
-- In parts, because Lua's stack is bounded. JUSTID leaves the number of deliveries as it is.
for first = 1, #mine, 1000 do
  local words = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0 }
  for i = first, math.min(first + 999, #mine) do words[#words + 1] = mine[i] end
  words[#words + 1] = 'JUSTID'
  call(unpack(words))
end
return lost
