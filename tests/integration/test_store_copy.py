# SPDX-License-Identifier: MIT
"""Everything from SQLite into PostgreSQL, and back."""

import sqlite3

import pytest

from harness import refused
from lab.postgres import Postgres

DEMO = {"demo": {"backend": "memory", "image_policy": "approval"}}
TABLES = ("user_account", "user_grant", "api_token", "image_request", "uptime_span",
          "uptime_watermark", "audit", "kept_answer")


@pytest.fixture(scope="module")
def server():
    with Postgres() as server:
        yield server


def rows_of(path):
    with sqlite3.connect(path) as database:
        return {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr)
                for table in TABLES}


def test_both_ways(gateway, server, tmp_path):
    one = gateway(facilities=DEMO, settings={"store": {}})  # the embedded one, wherever others have theirs
    ana = one.user("ana", demo="admin")
    ana.post("/demo/approve-image", image="demo", headers={"Idempotency-Key": "one"}, wait="yes")
    ana.post("/demo/create-app", image="demo", user="ana")
    ana.post("/demo/start-app", name="demo--ana")
    token = one.cli("token", "create", "ana").strip()
    one.cli("token", "create", "ana")
    one.cli("token", "revoke", "2")  # its number is not given again
    database = server.create()
    source = one.data / "berth.db"
    copy = ("store", "copy", "--from", source, "--to", server.of(database))
    assert "a gateway runs" in refused(one.run(*copy))
    one.stop()

    said = one.cli(*copy)
    before = rows_of(source)
    for table, rows in before.items():
        assert f"{table:<18} {len(rows):>10} row{'' if len(rows) == 1 else 's'}\n" in said
    assert "the target is not empty" in refused(one.run(*copy))
    assert one.run(*copy, "--replace").returncode == 0
    back = tmp_path / "back.db"
    # A table that takes longer to read than a request may take.
    server.sql("ALTER TABLE berth.audit RENAME TO long;"
               "CREATE VIEW berth.audit AS SELECT long.* FROM berth.long, pg_sleep(6)", database=database)
    one.cli("store", "copy", "--from", server.of(database), "--to", back)
    server.sql("DROP VIEW berth.audit; ALTER TABLE berth.long RENAME TO audit", database=database)
    assert rows_of(back) == before
    with sqlite3.connect(back) as restored:
        assert restored.execute("SELECT seq FROM sqlite_sequence"
                                " WHERE name = 'api_token'").fetchone() == (2,)

    two = gateway(facilities=DEMO, settings={"store": {"postgres": server.of(database)}})
    two.passwords = one.passwords
    assert two.as_user("ana").get("/demo/get-image-requests").json[0]["state"] == "approved"
    bearer = {"Authorization": f"Bearer {token}"}
    assert two.anyone.get("/demo/get-app-names", headers=bearer).status == 200
    two.cli("token", "create", "ana")
    assert [line.split()[0] for line in two.cli("token", "list", "ana").splitlines()[1:]] == \
        ["1", "3"]
    assert "a gateway runs on the target" in refused(one.run(*copy, "--replace"))


def test_what_cannot_be_copied(gateway, server, tmp_path):
    one = gateway(facilities=DEMO)
    missing = tmp_path / "missing.db"
    target = tmp_path / "target.db"
    for source, reason in ((missing, "No such file"), ("host=/nowhere dbname=x", "reached")):
        said = refused(one.run("store", "copy", "--from", source, "--to", target))
        assert said.startswith("--from: ") and reason in said, said
        assert not missing.exists() and not target.exists()
