/**
 * The arithmetic of `../window.ts`, run by Redis by its own clock: one round trip, and nobody comes in between. A value that
 * isn't one of ours counts as none. Read in a reply: 1 if allowed, what remains (of a read: what is used), milliseconds.
 */
import { createHash } from 'node:crypto';
import { SLOTS } from '#adapters/limiter/window.ts';

/** KEYS: one for each limit. ARGV: 1 to take or 0 to read, then points, window in ms and burst for each. */
export const script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local taking = ARGV[1] == '1'

local function load(key)
  local raw = redis.pcall('GET', key)
  if type(raw) == 'table' and raw.err then
    if taking then redis.call('DEL', key) end
    return {}
  end
  if type(raw) ~= 'string' then return {} end
  local ok, value = pcall(cmsgpack.unpack, raw)
  if not ok or type(value) ~= 'table' or #value % 2 == 1 or #value > ${(SLOTS + 2) * 2} then return {} end
  for i = 1, #value do
    local n = value[i]
    if type(n) ~= 'number' or n ~= n or n < 0 or n > 9e15 then return {} end
  end
  return value
end

local function window(key, points, length)
  local old, kept, used = load(key), {}, 0
  for i = 1, #old, 2 do
    if old[i] > now - length and old[i] <= now + length then
      kept[#kept + 1] = old[i]
      kept[#kept + 1] = old[i + 1]
      used = used + old[i + 1]
    end
  end
  local first = kept[1] and math.max(1, kept[1] + length - now) or length
  local state = { used = used, life = length, reset = kept[1] and first or 0 }
  if used < points then
    state.allowed, state.left, state.wait = true, points - used - 1, first
  else
    state.allowed, state.left, state.wait = false, 0, length
    local left = used
    if points > 0 then
      for i = 1, #kept, 2 do
        left = left - kept[i + 1]
        if left < points then
          state.wait = math.max(1, kept[i] + length - now)
          break
        end
      end
    end
  end
  state.take = function()
    local last = #kept
    if last > 0 and now - kept[last - 1] < length / ${SLOTS} then kept[last] = kept[last] + 1
    else
      kept[last + 1] = now
      kept[last + 2] = 1
    end
    return kept
  end
  return state
end

local function bucket(key, points, length, burst)
  local old = load(key)
  local rate = points / length
  local used = #old == 2 and math.max(0, old[1] - math.max(0, now - old[2]) * rate) or 0
  local left = points + burst - used
  local back = function(n) return rate == 0 and length or math.ceil(n / rate) end
  return {
    used = math.ceil(used),
    reset = used == 0 and 0 or back(math.min(1, used)),
    allowed = left >= 1,
    left = left >= 1 and math.floor(left - 1) or 0,
    wait = left >= 1 and back(1) or back(1 - left),
    life = points == 0 and length or math.ceil(length * (1 + burst / points)),
    take = function() return { used + 1, now } end
  }
end

local states, refused, wait, left, reset = {}, false, 0, -1, 0
for i = 1, #KEYS do
  local points, length, burst = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local state = burst > 0 and bucket(KEYS[i], points, length, burst) or window(KEYS[i], points, length)
  states[i] = state
  if not state.allowed then
    refused = true
    if state.wait > wait then wait = state.wait end
  end
  if left < 0 or state.left < left then left, reset = state.left, state.wait end
end
if not taking then return { 1, states[1].used, math.ceil(states[1].reset) } end
if refused then return { 0, 0, math.ceil(wait) } end
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], cmsgpack.pack(states[i].take()), 'PX', states[i].life)
end
return { 1, left, math.ceil(reset) }
`;

export const scriptDigest = createHash('sha1').update(script).digest('hex');
