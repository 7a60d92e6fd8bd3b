-- KEYS: stream. ARGV: group, consumer, idle, ids. Makes those that are still the consumer's look as
-- if they had lain idle, so that every reader may take them.
local mine = {}
for i = 4, #ARGV do
  local entry = call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if entry and entry[2] == ARGV[2] then mine[#mine + 1] = ARGV[i] end
end
for first = 1, #mine, 1000 do
  local words = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0 }
  for i = first, math.min(first + 999, #mine) do words[#words + 1] = mine[i] end
  for _, word in ipairs({ 'IDLE', ARGV[3], 'JUSTID' }) do words[#words + 1] = word end
  call(unpack(words))
end
return #mine
