-- KEYS: index, values, counts and usage of each space.
--   index   a sorted set of all keys
--   values  a hash: the version in 32 digits, a blank, and the value
--   counts  a hash: the counters
--   usage   a hash: how many entries without counters, and the bytes of their keys and values
-- ARGV: the id; the number of checks, and each: space from 0, key, kind, argument, 1 if the commit
-- puts the key; the number of changes, and each: space, key, kind, argument, maximum; what is
-- appended: space, group, value.
-- Returns 'done', or 'conflict' and the numbers of the checks, from 0, or 'exceeded' and the numbers
-- of the changes and, behind them, of what is appended; or 'kind' and the number of what needs a
-- value and found a counter, or a counter and found a value: checks first, then changes, then what is
-- appended.

-- A key that holds something else is an error here, before anything is changed.
local has_values, has_counts = {}, {}
for at = 1, #KEYS, 4 do
  call('ZCARD', KEYS[at])
  has_values[at - 1] = call('HLEN', KEYS[at + 1]) > 0
  has_counts[at - 1] = call('HLEN', KEYS[at + 2]) > 0
  call('HLEN', KEYS[at + 3])
end

local id = ARGV[1]
local function place(space) return 4 * tonumber(space) end
local function value_of(space, key) return call('HGET', KEYS[place(space) + 2], key) end
local function count_of(space, key) return call('HGET', KEYS[place(space) + 3], key) end
local function is_value(space, key)
  local at = place(space)
  return has_values[at] and call('HSTRLEN', KEYS[at + 2], key) > 0
end
local function is_counter(space, key)
  local at = place(space)
  return has_counts[at] and call('HSTRLEN', KEYS[at + 3], key) > 0
end

local checks, i = tonumber(ARGV[2]), 3
local changes_at = 3 + 5 * checks
local conflicts, wrong = {}, nil
for number = 1, checks do
  local space, key, kind, argument = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local found = value_of(space, key)
  if found and ARGV[i + 4] == '1' and string.sub(found, 1, 32) == id then return { 'done' } end
  local holds
  if kind == 'absent' then
    holds = not found and not count_of(space, key)
  elseif kind == 'version' then
    holds = found and string.sub(found, 1, 32) == argument
  else
    holds = not found or string.sub(found, 34) < argument
    if not found and is_counter(space, key) then wrong = wrong or number - 1 end
  end
  if not holds then conflicts[#conflicts + 1] = number - 1 end
  i = i + 5
end
if #conflicts > 0 then return { 'conflict', unpack(conflicts) } end

local changes = tonumber(ARGV[changes_at])
local appends_at = changes_at + 1 + 5 * changes
for number = 1, changes do
  i = changes_at + 1 + 5 * (number - 1)
  local space, key, kind = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if kind == 'put' and is_counter(space, key) or kind == 'add' and is_value(space, key) then
    wrong = wrong or checks + number - 1
  end
end
for i = appends_at, #ARGV, 3 do
  if is_value(ARGV[i], ARGV[i + 1]) then
    wrong = wrong or checks + changes + (i - appends_at) / 3
  end
end
if wrong then return { 'kind', wrong } end

-- Counters first: they may refuse the commit. Redis counts in 64 bits, Lua does not.
local function exceeds(count, most)
  local negative, most_negative = string.sub(count, 1, 1) == '-', string.sub(most, 1, 1) == '-'
  if negative ~= most_negative then return most_negative end
  local greater
  if #count ~= #most then greater = #count > #most else greater = count > most end
  if count == most then return false end
  if negative then return not greater end
  return greater
end

local added, exceeded = {}, {}
for number = 1, changes do
  i = changes_at + 1 + 5 * (number - 1)
  if ARGV[i + 2] == 'add' then
    local counts, key = KEYS[place(ARGV[i]) + 3], ARGV[i + 1]
    local before = call('HGET', counts, key)
    local answer = redis.pcall('HINCRBY', counts, key, ARGV[i + 3])
    if type(answer) == 'table' and answer.err then
      if not string.find(answer.err, 'overflow', 1, true) then call('HINCRBY', counts, key, ARGV[i + 3]) end
      exceeded[#exceeded + 1] = number - 1
    else
      added[#added + 1] = { counts, key, before }
      if ARGV[i + 4] ~= '' and exceeds(call('HGET', counts, key), ARGV[i + 4]) then
        exceeded[#exceeded + 1] = number - 1
      end
    end
  end
end
-- A group whose next number Lua does not hold exactly is full.
local grown = {}
for i = appends_at, #ARGV, 3 do
  local group = ARGV[i] .. ' ' .. ARGV[i + 1]
  grown[group] = (grown[group] or tonumber(count_of(ARGV[i], ARGV[i + 1]) or 0)) + 1
  if grown[group] > 9007199254740991 then
    exceeded[#exceeded + 1] = changes + (i - appends_at) / 3
  end
end
if #exceeded > 0 then
  for _, add in ipairs(added) do
    if add[3] then call('HSET', add[1], add[2], add[3]) else call('HDEL', add[1], add[2]) end
  end
  return { 'exceeded', unpack(exceeded) }
end

local entries, bytes = {}, {}
local function grow(at, by_entries, by_bytes)
  entries[at] = (entries[at] or 0) + by_entries
  bytes[at] = (bytes[at] or 0) + by_bytes
end
local function put(at, key, value)
  local values = KEYS[at + 2]
  local before = call('HSTRLEN', values, key)
  if call('HSET', values, key, id .. ' ' .. value) == 1 then
    call('ZADD', KEYS[at + 1], 0, key)
    grow(at, 1, #key + #value)
  else
    grow(at, 0, #value - (before - 33))
  end
end

for number = 1, changes do
  i = changes_at + 1 + 5 * (number - 1)
  local at, key, kind = place(ARGV[i]), ARGV[i + 1], ARGV[i + 2]
  if kind == 'put' then
    put(at, key, ARGV[i + 3])
  elseif kind == 'add' then
    call('ZADD', KEYS[at + 1], 0, key)
  else
    local before = call('HSTRLEN', KEYS[at + 2], key)
    if call('HDEL', KEYS[at + 2], key) == 1 then grow(at, -1, -(#key + before - 33)) end
    call('HDEL', KEYS[at + 3], key)
    call('ZREM', KEYS[at + 1], key)
  end
end
for i = appends_at, #ARGV, 3 do
  local at, group = place(ARGV[i]), ARGV[i + 1]
  call('ZADD', KEYS[at + 1], 0, group)
  local number = call('HINCRBY', KEYS[at + 3], group, 1)
  put(at, group .. struct.pack('>I8', number), ARGV[i + 2])
end
for at, grown in pairs(entries) do
  if call('HINCRBY', KEYS[at + 4], 'entries', grown) == 0 then
    call('DEL', KEYS[at + 4])
  else
    call('HINCRBY', KEYS[at + 4], 'bytes', bytes[at])
  end
end
return { 'done' }
