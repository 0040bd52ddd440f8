-- What wrk sends: bodies from a file, one after the other.
--
-- wrk -t 1 -s bench/load.lua URL -- BODIES [PER_SECOND]
--
-- Before each body stands its length, as eight digits. At the end of the file they are sent once
-- more, the events with other ids. With PER_SECOND, requests are due at even distances, and are sent
-- as long as a connection is free. What was found is written as one line of JSON behind "FOUND ".

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } deploytrail_time;
  int clock_gettime(int clock, deploytrail_time *time);
]]
local now = ffi.new("deploytrail_time")
local threads = {}
local id = '("id":"%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-%x%x%x%x%-)%x%x%x%x'

local function milliseconds()
  ffi.C.clock_gettime(1, now)
  return tonumber(now.seconds) * 1000 + tonumber(now.nanoseconds) / 1e6
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  file = assert(io.open(args[1], "rb"))
  local per_second = tonumber(args[2] or 0)
  distance = per_second > 0 and 1000 / per_second or 0
  due = milliseconds()
  refused, rounds = 0, 0
  wrk.method = "POST"
end

function delay()
  if distance == 0 then
    return 0
  end
  local at = milliseconds()
  -- What could not be sent in time is not made up for in one go.
  due = math.max(due + distance, at - 1000)
  return math.max(0, math.floor(due - at + 0.5))
end

function request()
  local length = file:read(8)
  if not length then
    rounds = rounds + 1
    file:seek("set")
    length = file:read(8)
  end
  local body = file:read(tonumber(length))
  if rounds > 0 then
    body = body:gsub(id, "%1" .. string.format("%04x", rounds))
  end
  return wrk.format(nil, nil, nil, body)
end

function response(status)
  if status >= 300 then
    refused = refused + 1
  end
end

function done(summary, latency, requests)
  local refused, rounds = threads[1]:get("refused"), threads[1]:get("rounds")
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format(
    'FOUND {"answers":%d,"seconds":%.6f,"refused":%d,"broken":%d,"timeouts":%d,"rounds":%d,' ..
    '"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, refused, errors, summary.errors.timeout, rounds,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
