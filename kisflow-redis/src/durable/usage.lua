-- KEYS: index, bytes.
return { call('ZCARD', KEYS[1]), tonumber(call('GET', KEYS[2]) or 0) }
