# SPDX-License-Identifier: MIT
"""Requests per second of each caller."""

import re

MEMORY = {"backend": "memory", "image_policy": "open"}
NAMES = "/demo/get-app-names"


def limited(gateway, rate=1, burst=5, **facility):
    return gateway(facilities={"demo": {**MEMORY, **facility}},
                   settings={"limits": {"requests_per_second": rate, "burst": burst}})


def exhaust(ask, most=60):
    """The first refused answer of ask(), which a slow machine may have to call more often."""
    for _ in range(most):
        answer = ask()
        if answer.status == 429:
            return answer
    raise AssertionError(f"{most} requests, and none was refused")


def test_headers_count_down_and_a_refusal_says_when(gateway):
    ana = limited(gateway, burst=1000).user("ana", demo="viewer")
    first, second = ana.get(NAMES), ana.get(NAMES)
    assert first.headers["RateLimit-Policy"] == '"requests";q=1000;w=1000'
    left = [int(re.fullmatch(r'"requests";r=(\d+);t=1', answer.headers["RateLimit"])[1])
            for answer in (first, second)]
    assert left[0] == 999 and left[1] < 1000
    berth = limited(gateway, burst=2)
    bob = berth.user("bob", demo="viewer")
    refused = exhaust(lambda: bob.get(NAMES))
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"requests";r=0;t=1'
    assert "too many requests: try again in 1 second" in refused.text
    problem = exhaust(lambda: bob.get(NAMES, headers={"Accept": "application/json"}))
    assert problem.json["status"] == 429


def test_each_user_token_and_address_has_its_own(gateway):
    berth = limited(gateway)
    ana, bob = (berth.user(name, demo="viewer") for name in ("ana", "bob"))
    token = berth.cli("token", "create", "ana").strip()
    headers = {"Authorization": f"Bearer {token}"}
    exhaust(lambda: ana.get(NAMES))
    assert bob.get(NAMES).status == 200
    assert berth.anyone.get(NAMES, headers=headers).status == 200
    exhaust(lambda: berth.anyone.get(NAMES, headers=headers))
    assert bob.get(NAMES).status == 200
    assert berth.anyone.get(NAMES).status == 401
    refused = exhaust(lambda: berth.anyone.get(NAMES))
    assert "WWW-Authenticate" not in refused.headers
    assert bob.get(NAMES).status == 200


def test_a_refused_request_changes_nothing_and_probes_are_answered(gateway):
    berth = limited(gateway, auth="open")
    exhaust(lambda: berth.anyone.get(NAMES))
    refused = exhaust(lambda: berth.anyone.post("/demo/create-app", image="demo", user="ana"))
    assert refused.headers["Retry-After"] == "1"
    for path in ("/", "/livez", "/readyz", "/health", "/healthz"):
        assert berth.anyone.get(path).status == 200


def test_none_unless_asked_for(gateway):
    ana = gateway(facilities={"demo": MEMORY}).user("ana", demo="viewer")
    for _ in range(150):
        answer = ana.get(NAMES)
        assert answer.status == 200 and "RateLimit" not in answer.headers
