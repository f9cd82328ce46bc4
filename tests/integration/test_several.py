# SPDX-License-Identifier: MIT
"""Two gateways on one PostgreSQL: what is changed at one counts at the other within a second."""

import itertools
import statistics
import time

import pytest

from harness import wait_until
from lab.postgres import Postgres

NAMES = "/demo/get-app-names"


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        yield server


@pytest.fixture
def pair(gateway, server):
    """pair(facility keys): two gateways that serve demo from one database, and that."""

    def start(**keys):
        database = server.create()
        settings = {"store": {"postgres": server.of(database)}, "uptime": {"sample_interval_s": 1}}
        here, there = (gateway(facilities={"demo": {"backend": "memory", **keys}},
                               settings=settings) for _ in range(2))
        assert here.admin  # the first start has printed its password
        there.passwords = here.passwords
        return here, there, database

    return start


def test_changes_of_people_count_at_the_other(pair):
    here, there, _ = pair()
    delays = []

    def soon(condition, what):
        begun = time.monotonic()
        wait_until(condition, what=what)
        delays.append(time.monotonic() - begun)

    # Asked for in a list first: whoever fails to log in ten times is refused for a minute.
    here.user("ana")
    soon(lambda: "ana" in there.cli("user", "list"), "the user")
    assert there.as_user("ana").get(NAMES).status == 403
    here.cli("user", "grant", "ana", "demo", "researcher")
    soon(lambda: there.as_user("ana").get(NAMES).status == 200, "the role")

    token = here.cli("token", "create", "ana").strip()
    bearer = {"Authorization": f"Bearer {token}"}
    soon(lambda: len(there.cli("token", "list", "ana").splitlines()) == 2, "the token")
    assert there.anyone.get(NAMES, headers=bearer).status == 200
    number = here.cli("token", "list", "ana").splitlines()[1].split()[0]
    here.cli("token", "revoke", number)
    soon(lambda: there.anyone.get(NAMES, headers=bearer).status == 401, "the token's end")

    with there.as_user("ana").watch("/demo/watch") as watcher:
        watcher.until("ready")
        here.cli("user", "passwd", "ana", input="another password\n")
        soon(lambda: there.as_user("ana").get(NAMES).status == 401, "the password's end")
        assert watcher.until("bye")[-1].data["reason"]
    there.passwords["ana"] = "another password"
    assert there.as_user("ana").get(NAMES).status == 200
    there.cli("user", "remove", "ana")
    soon(lambda: here.as_user("ana").get(NAMES).status == 401, "the removal")
    assert statistics.median(delays) < 1, delays  # one of them may meet a machine that is busy


def test_one_pulls_and_those_who_watch_the_other_see_it(pair, server):
    here, there, database = pair(memory_delay_ms=400)  # ten of them, longer than news takes
    with there.admin.watch("/demo/watch") as watcher:
        watcher.until("ready")
        assert here.admin.post("/demo/approve-image", image="httpd").status == 202
        states = []
        while states[-1:] != ["approved"]:
            states += [event.data["state"] for event in watcher.until("image")
                       if event.name == "image"]
    assert [state for state, _ in itertools.groupby(states)] == ["pulling", "approved"]
    assert server.sql("SELECT count(*) FROM berth.audit WHERE action = 'pull-image'",
                      database=database) == "1"


def test_a_pull_is_taken_over_from_a_gateway_that_dies(pair, server):
    here, there, database = pair(memory_delay_ms=500)  # ten of them, longer than the kill and the question take
    assert here.admin.post("/demo/approve-image", image="httpd").status == 202
    here.kill()
    answer = there.admin.get("/demo/get-image-requests")
    assert [row["state"] for row in answer.json] == ["pulling"]
    wait_until(lambda: there.admin.get("/demo/get-image-requests").json[0]["state"] == "approved",
               60, "the pull")
    assert server.sql("SELECT count(*) FROM berth.audit WHERE action = 'pull-image'",
                      database=database) == "1"


def test_a_key_is_used_once(pair):
    here, there, _ = pair(image_policy="open")
    headers = {"Idempotency-Key": "one"}
    assert here.admin.post("/demo/request-image", headers=headers, image="httpd").status == 200
    again = there.admin.post("/demo/request-image", headers=headers, image="httpd")
    assert again.status == 200
    other = there.admin.post("/demo/request-image", headers=headers, image="nginx")
    assert other.status == 422
