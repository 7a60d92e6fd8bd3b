-- KEYS: stream. ARGV: group, consumer, idle. Gives back all that is the consumer's, and removes the
-- consumer where that was nothing: removing it with pending entries would lose them.
local from = '-'
repeat
  local page = call('XPENDING', KEYS[1], ARGV[1], from, '+', 500, ARGV[2])
  if #page > 0 then
    local words = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0 }
    for _, entry in ipairs(page) do words[#words + 1] = entry[1] end
    for _, word in ipairs({ 'IDLE', ARGV[3], 'JUSTID' }) do words[#words + 1] = word end
    call(unpack(words))
    from = '(' .. page[#page][1]
  end
until #page < 500
if #call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
  call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
return redis.status_reply('OK')
