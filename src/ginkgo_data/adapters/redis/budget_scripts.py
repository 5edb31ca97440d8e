# Upstream: adapters.redis.call_budget
# Downstream: none
# Role: The Lua scripts of the call budget: a sliding window by Redis' own clock, decided in one step
"""What Redis does for one question about a call budget. Times are microseconds of Redis' TIME.

Keys: ``known`` (hash, one for all budgets: which life of the server this is and when it was first met),
``window`` (list: when calls were granted, the newest first), ``closed`` and ``doubt`` (strings that expire).

A server that was restarted, emptied, or whose clock was turned back does not know what it granted in the
last minute; nor does one that workers had to do without (``doubt``). It says so until a minute and the time
in which a worker may not have noticed its return (``grace``) are over.
"""

from __future__ import annotations

_PRESENT = """
local function present()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function text(number) return string.format('%.0f', number) end
local function forget(window, before)
  local oldest = redis.call('LINDEX', window, -1)
  while oldest and tonumber(oldest) <= before do
    redis.call('RPOP', window)
    oldest = redis.call('LINDEX', window, -1)
  end
end
"""

_MEET = (
    _PRESENT
    + """
-- KEYS known. Notes the life of this server, and returns when it began to be known.
local function since(known, now)
  local info = redis.pcall('INFO', 'server')
  local life = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '-'
  local found = redis.call('HMGET', known, 'life', 'since')
  if found[1] == life and tonumber(found[2]) <= now then return tonumber(found[2]) end
  redis.call('HSET', known, 'life', life, 'since', text(now))
  return now
end
"""
)
"""Functions; not a script by itself."""

WATCH = (
    _MEET
    + """
-- KEYS known
since(KEYS[1], present())
return {}
"""
)

TAKE = (
    _MEET
    + """
-- KEYS known window closed doubt; ARGV limit, minute, grace, closing (ms), doubtful (1: calls were granted without us)
-- Returns {0, 0} granted; {wait, 0} refused; {wait, left} not known for another `left` (wait: closed).
local now = present()
local limit, minute, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local newest = redis.call('LINDEX', KEYS[2], 0)
if newest and tonumber(newest) > now then
  redis.call('DEL', KEYS[2], KEYS[1])
end
local left = since(KEYS[1], now) + minute + grace - now
if ARGV[5] == '1' then redis.call('SET', KEYS[4], '1', 'PX', text((minute + grace) / 1000)) end
left = math.max(left, redis.call('PTTL', KEYS[4]) * 1000)
if tonumber(ARGV[4]) > math.max(redis.call('PTTL', KEYS[3]), 0) then
  redis.call('SET', KEYS[3], '1', 'PX', ARGV[4])
end
local wait = 0
if redis.call('EXISTS', KEYS[3]) == 1 then wait = math.max(redis.call('PTTL', KEYS[3]), 1) * 1000 end
if left > 0 then return {wait, left} end
forget(KEYS[2], now - minute)
local last = redis.call('LINDEX', KEYS[2], limit - 1)
if last then wait = math.max(wait, last + minute - now) end
if wait > 0 then return {wait, 0} end
redis.call('LPUSH', KEYS[2], text(now))
redis.call('PEXPIRE', KEYS[2], text(minute / 1000 + 1000))
return {0, 0}
"""
)

RECORD = (
    _PRESENT
    + """
-- KEYS window; ARGV minute. Counts a call that a worker granted itself while the window was not known.
local now, minute = present(), tonumber(ARGV[1])
forget(KEYS[1], now - minute)
redis.call('LPUSH', KEYS[1], text(now))
redis.call('PEXPIRE', KEYS[1], text(minute / 1000 + 1000))
return {}
"""
)

CLOSE = """
-- KEYS closed; ARGV milliseconds. A shorter closing never opens a longer one.
if tonumber(ARGV[1]) > math.max(redis.call('PTTL', KEYS[1]), 0) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[1]) end
return {}
"""
