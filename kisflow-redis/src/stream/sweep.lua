-- KEYS: stream. ARGV: group, consumer, idle. Removes other consumers that have nothing pending and
-- have not been heard of for long, and answers the names of the rest. A reader that comes back is a
-- consumer again when it reads.
local names = {}
for _, fields in ipairs(call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
  if consumer.pending == 0 and consumer.idle > tonumber(ARGV[3]) and consumer.name ~= ARGV[2] then
    call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
  else
    names[#names + 1] = consumer.name
  end
end
return names
