# SPDX-License-Identifier: MIT
"""PostgreSQL goes away and comes back, under a gateway that goes on."""

import sqlite3

import pytest

from harness import refused, wait_until
from lab.postgres import Postgres

NAMES = "/demo/get-app-names"
DEMO = {"demo": {"backend": "memory", "image_policy": "open"}}


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        yield server


@pytest.fixture
def berth(gateway, server):
    """berth(...): a gateway on a database of its own, which is its .stored."""

    def start(fallback="yes", database=None, **more):
        database = database or server.create()
        settings = {"store": {"postgres": server.of(database), "fallback": fallback},
                    "uptime": {"sample_interval_s": 1}}
        made = gateway(facilities=DEMO, settings=settings, **more)
        made.stored = database
        return made

    yield start
    server.thaw()


def falls(berth):
    wait_until(lambda: "store" in berth.anyone.get("/health").json, 60, "the fall")
    assert berth.anyone.get("/health").json["store"]["status"] == "fallback"
    assert berth.anyone.get("/readyz").json["store"]["reason"].startswith("PostgreSQL cannot be")


def returns(berth):
    wait_until(lambda: "store" not in berth.anyone.get("/health").json, 60, "the return")


def count(server, berth, where):
    return int(server.sql(f"SELECT count(*) FROM berth.audit WHERE {where}",
                          database=berth.stored))


@pytest.mark.parametrize("away", ["killed", "frozen"])
def test_apps_go_on_under_the_copy(berth, server, away):
    one = berth()
    ana = one.user("ana", demo="researcher")
    token = one.cli("token", "create", "ana").strip()
    assert ana.post("/demo/create-app", image="demo", user="ana").status == 200
    assert "store" not in one.anyone.get("/health").json
    with sqlite3.connect(one.data / "berth-copy.db") as kept:
        wait_until(lambda: kept.execute("SELECT 1 FROM api_token").fetchone(), what="all in the copy")
    server.kill() if away == "killed" else server.freeze()
    falls(one)

    assert ana.get(NAMES).json == ["demo--ana"]
    assert one.anyone.get(NAMES, headers={"Authorization": f"Bearer {token}"}).status == 200
    for verb in ("start-app", "stop-app", "start-app"):
        assert ana.post(f"/demo/{verb}", name="demo--ana").status == 200, verb
    answer = one.run("user", "add", "bob", input="battery staple\n")
    assert answer.returncode == 1 and "PostgreSQL cannot be reached" in answer.stderr
    assert "PostgreSQL cannot be reached: apps go on under the copy" in one.errors
    with sqlite3.connect(one.data / "berth-copy.db") as kept:
        wait_until(lambda: kept.execute("SELECT 1 FROM spool WHERE statement LIKE '%uptime_span%'"
                                        " AND arguments LIKE '%running%'").fetchone(),
                   what="uptime in the spool")
    # kill -9 in between: what was answered is kept, and people are known.
    one.kill()
    one.start()
    falls(one)
    assert one.as_user("ana").post("/demo/create-app", image="demo",
                                   user="ana").status == 200  # memory's apps go with the gateway
    server.boot() if away == "killed" else server.thaw()
    returns(one)
    assert count(server, one, "action = 'start-app' AND target = 'demo--ana'") == 2
    assert count(server, one, "action = 'stop-app'") == 1
    assert count(server, one, "action = 'create-app'") == 2
    one.user("bob")
    wait_until(lambda: server.sql("SELECT state FROM berth.uptime_span WHERE to_ms IS NULL",
                                  database=one.stored) == "created", what="that of the app there is")
    seen = server.sql("SELECT state FROM berth.uptime_span ORDER BY from_ms, id",
                      database=one.stored)
    assert seen.split()[0] == seen.split()[-1] == "created" and "running" in seen, seen


def test_without_a_copy_the_embedded_store_serves(berth, server):
    database = server.create()
    server.kill()
    try:
        one = berth(database=database)
        falls(one)
        ana = one.user("ana", demo="researcher")
        assert ana.get(NAMES).status == 200
    finally:
        server.boot()
    returns(one)
    wait_until(lambda: one.as_user("ana").get(NAMES).status == 401, what="the server's people")


def test_fallback_no_is_an_error_later_and_fatal_at_the_start(berth, server):
    one = berth("no")
    root = one.admin
    server.kill()
    try:
        answer = root.post("/demo/create-app", image="demo", user="admin")
        assert answer.status == 503 and "cannot be reached" in answer.text
        assert root.get(NAMES).status == 200
        one.kill()
        assert "cannot be reached" in refused(one.run("serve"))
    finally:
        server.boot()
