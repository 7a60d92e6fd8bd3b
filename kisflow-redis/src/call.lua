-- Calls a command. A command that the user may not run, or not on this key, is named: what Redis
-- says of it within a script does not name it.
local function call(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  local said = answer.err
  if string.find(said, 'executing the script can', 1, true) or string.find(said, 'permission', 1, true) then
    local command, subcommand = ...
    if command == 'XGROUP' or command == 'XINFO' then command = command .. ' ' .. subcommand end
    said = 'NOPERM ' .. command .. ': ' .. said
  end
  -- Before Redis 7 an error is a text.
  error(redis.REDIS_VERSION_NUM and { err = said } or said)
end

