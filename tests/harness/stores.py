# SPDX-License-Identifier: MIT
"""Where gateways have their store: with BERTH_TEST_STORE=postgres, each in a database of its own."""

import atexit
import contextlib
import os
import sqlite3

ON_POSTGRES = os.environ.get("BERTH_TEST_STORE") == "postgres"

_server = None


def server():
    """A PostgreSQL server for all tests of this run."""
    global _server
    if not _server:
        from lab import Postgres  # who has no use for it needs no lab
        _server = Postgres().start()
        atexit.register(_server.close)
    return _server


def make():
    """A store of its own for a gateway: the name of a database, or None for the embedded one."""
    return server().create() if ON_POSTGRES else None


def settings_of(database):
    return {"store": {"postgres": server().of(database), "fallback": "no"}} if database else {}


def drop(database):
    if database:
        server().drop(database)


def execute(berth, *statements):
    """Carry out statements in a gateway's store."""
    if berth.database:
        server().sql("SET search_path = berth", *statements, database=berth.database)
        return
    with contextlib.closing(sqlite3.connect(berth.data / "berth.db", timeout=10)) as store, store:
        for statement in statements:
            store.execute(statement)


def ask(berth, query):
    """The one value that a query of a gateway's store gives, as text."""
    if berth.database:
        return server().sql("SET search_path = berth", query, database=berth.database)
    with contextlib.closing(sqlite3.connect(berth.data / "berth.db", timeout=10)) as store:
        return str(store.execute(query).fetchone()[0])
