# Upstream: adapters.redis.{budget_notes, budget_usage, call_budget}
# Downstream: none
# Role: The Lua scripts of the call budget: a sliding window by Redis' own clock, decided in one step
"""What Redis does for one question about a call budget. Times are microseconds of Redis' TIME.

Keys: ``known`` (hash, one for all budgets: which life of the server this is and when it was first met),
``window`` (list: when calls were granted, the newest first), and strings that expire: ``closed``, ``probe`` (a
closing has been, and the vendor has not answered since), ``asked`` (a probe is under way), ``learned`` (calls
a minute, by the vendor's word) and ``doubt``.

A server that was restarted, emptied, or whose clock was turned back does not know what it granted in the
last minute; nor does one that workers had to do without (``doubt``). It says so until a minute and the time
in which a worker may not have noticed its return (``grace``) are over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PROBE = 30.0
"""Seconds for which a probe counts as under way: after them the next one is granted."""

PROBE_STEP = 0.5
"""Longest wait, in seconds, that is told while a probe is under way: its answer may come at any moment."""

DAY = 86_400.0
"""Seconds for which a limit is believed, and a probe wanted."""

_MICROSECONDS = 1_000_000

PRESENT = """
local function present()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function text(number) return string.format('%.0f', number) end
local function lasting(key)
  local left = redis.call('PTTL', key)
  if left == -2 then return 0 end
  return math.max(left, 1) * 1000
end
local function forget(window, before)
  local oldest = redis.call('LINDEX', window, -1)
  while oldest and tonumber(oldest) <= before do
    redis.call('RPOP', window)
    oldest = redis.call('LINDEX', window, -1)
  end
end
"""
"""Functions; not a script by itself."""

_MEET = (
    PRESENT
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

_CLOSING = (
    f"local PROBE, STEP, DAY = {PROBE * 1000:.0f}, {PROBE_STEP * _MICROSECONDS:.0f}, {DAY * 1000:.0f}"
    + """
-- Closes for so many milliseconds; what is under way is then no probe of this closing.
local function close(closed, probe, asked, milliseconds)
  redis.call('SET', closed, '1', 'PX', string.format('%.0f', milliseconds))
  redis.call('SET', probe, '1', 'PX', string.format('%.0f', milliseconds + DAY))
  redis.call('DEL', asked)
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
    + _CLOSING
    + """
-- KEYS known window closed doubt probe asked learned
-- ARGV limit, minute, grace; then what the worker knows and we may not: doubtful (1: calls were granted without us),
-- closing (ms), unanswered (1: a closing we were not told of), learned (0: nothing), for how long (ms), news (1: it is)
-- Returns {0, 0, ..., when} granted; {wait, 0, ...} refused; {wait, left, ...} not known for another `left` (wait: of a
-- closing or a probe); then closed for, whether a probe is wanted, probe under way for, learned limit, for how long.
-- `when` (0: not granted) names the call in the window for `RETURNED`. Last: calls left in the window (-1: not known).
local now = present()
local limit, minute, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local newest = redis.call('LINDEX', KEYS[2], 0)
if newest and tonumber(newest) > now then
  redis.call('DEL', KEYS[2], KEYS[1])
end
local left = since(KEYS[1], now) + minute + grace - now
if ARGV[4] == '1' then redis.call('SET', KEYS[4], '1', 'PX', text((minute + grace) / 1000)) end
left = math.max(left, redis.call('PTTL', KEYS[4]) * 1000)
-- Two clocks never agree on the last moments of a closing: a rest of less than a second is no news.
if tonumber(ARGV[5]) > math.max(redis.call('PTTL', KEYS[3]), 0) + 1000 then
  close(KEYS[3], KEYS[5], KEYS[6], tonumber(ARGV[5]))
elseif ARGV[6] == '1' and redis.call('EXISTS', KEYS[5]) == 0 then
  redis.call('SET', KEYS[5], '1', 'PX', text(DAY))
end
if ARGV[7] ~= '0' and (ARGV[9] == '1' or redis.call('EXISTS', KEYS[7]) == 0) then
  redis.call('SET', KEYS[7], ARGV[7], 'PX', ARGV[8])
end
local learned = tonumber(redis.call('GET', KEYS[7]) or '0')
if learned > 0 then limit = math.min(limit, learned) end
local closed, probe, asked = lasting(KEYS[3]), redis.call('EXISTS', KEYS[5]), lasting(KEYS[6])
local function reply(wait, unknown, granted)
  local free = unknown > 0 and -1 or math.max(limit - redis.call('LLEN', KEYS[2]), 0)
  return {wait, unknown, closed, probe, asked, learned, lasting(KEYS[7]), granted or 0, free}
end
local wait = math.max(closed, math.min(asked, STEP))
if left > 0 then return reply(wait, left) end
forget(KEYS[2], now - minute)
local last = redis.call('LINDEX', KEYS[2], limit - 1)
if last then wait = math.max(wait, last + minute - now) end
if wait > 0 then return reply(wait, 0) end
redis.call('LPUSH', KEYS[2], text(now))
redis.call('PEXPIRE', KEYS[2], text(minute / 1000 + 1000))
if probe == 1 then
  redis.call('SET', KEYS[6], '1', 'PX', text(PROBE))
  redis.call('PEXPIRE', KEYS[5], text(DAY))
  asked = PROBE * 1000
end
return reply(0, 0, now)
"""
)


class TakeReply(NamedTuple):
    """What `TAKE` returns, in seconds; `wait` and `unknown_for` both 0.0: the call is granted and counted."""

    wait: float
    unknown_for: float
    """Above 0: Redis does not know what was granted in the last minute; `wait` is then of a closing or a probe."""
    closed_for: float
    probe_wanted: bool
    """A closing has been and the vendor has not answered since: a call that is granted is the probe."""
    probe_for: float
    """How much longer a probe counts as under way."""
    limit: int
    """Calls a minute by the vendor's word; 0: it has said none."""
    limit_for: float
    granted_at: int
    """Name of the granted call in the window, 0 of none."""
    free: int
    """Calls left in the window after this one, -1 where that is not known."""

    @classmethod
    def of(cls, numbers: Sequence[int]) -> TakeReply:
        """Return the reply that the script gave as `numbers`."""
        wait, unknown, closed, wanted, probe, limit, limit_left, granted_at, free = numbers
        return cls(
            wait / _MICROSECONDS,
            max(unknown, 0) / _MICROSECONDS,
            closed / _MICROSECONDS,
            bool(wanted),
            probe / _MICROSECONDS,
            limit,
            limit_left / _MICROSECONDS,
            granted_at,
            free,
        )


RECORD = (
    PRESENT
    + _CLOSING
    + """
-- KEYS window asked; ARGV minute, probe (1: it is one). Counts a call that a worker granted itself while the window was
-- not known. Returns {0}; {wait} and counts nothing when another worker's probe is under way.
local now, minute = present(), tonumber(ARGV[1])
if ARGV[2] == '1' then
  local asked = lasting(KEYS[2])
  if asked > 0 then return {math.min(asked, STEP)} end
  redis.call('SET', KEYS[2], '1', 'PX', text(PROBE))
end
forget(KEYS[1], now - minute)
redis.call('LPUSH', KEYS[1], text(now))
redis.call('PEXPIRE', KEYS[1], text(minute / 1000 + 1000))
return {0}
"""
)

RETURNED = (
    PRESENT
    + """
-- KEYS window; ARGV when the call was granted. Counts it from now on; where it counts no more, nothing so old is there.
for _, granted in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if tonumber(granted) <= tonumber(ARGV[1]) then
    redis.call('LREM', KEYS[1], 1, granted)
    redis.call('LPUSH', KEYS[1], text(present()))
    break
  end
end
return {}
"""
)

CLOSE = (
    _CLOSING
    + """
-- KEYS closed probe asked; ARGV milliseconds. A shorter closing never opens a longer one.
local milliseconds = tonumber(ARGV[1])
if milliseconds > math.max(redis.call('PTTL', KEYS[1]), 0) then close(KEYS[1], KEYS[2], KEYS[3], milliseconds) end
return {}
"""
)

ANSWERED = """
-- KEYS closed probe asked. A closing that came after the probe stays, and wants one of its own.
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('DEL', KEYS[2], KEYS[3]) end
return {}
"""
