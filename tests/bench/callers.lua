-- SPDX-License-Identifier: MIT
-- For wrk: each request comes from the next of the callers whose tokens are lines of $BENCH_TOKENS.
local requests = {}
local turn = 0

function init()
    for token in io.lines(os.getenv("BENCH_TOKENS")) do
        wrk.headers["Authorization"] = "Bearer " .. token
        requests[#requests + 1] = wrk.format()
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end
