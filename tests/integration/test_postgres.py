# SPDX-License-Identifier: MIT
"""The store in PostgreSQL as its operator meets it: set up, and what may befall it."""

import os
import signal
import threading
import time

import pytest

from harness import refused, stores, wait_until

FACILITIES = {"demo": {"backend": "memory", "image_policy": "open"}}
PASSWORD = "it's a secret"
SILENCE_S = 5  # BERTH_PG_TIMEOUT_MS


@pytest.fixture(scope="module")
def server():
    return stores.server()


@pytest.fixture
def database(server):
    name = server.create()
    yield name
    server.drop(name)


@pytest.fixture
def berth(gateway, server, database):
    return gateway(FACILITIES, settings={
        "store": {"postgres": server.of(database), "fallback": "no"}})


def audited(server, database):
    """The targets of what has been done, oldest first."""
    return server.sql("SELECT target FROM berth.audit ORDER BY id", database=database).splitlines()


# Set up as operations.md says


def test_variables_lead_to_a_database(gateway, server, tmp_path):
    """What a user may do who was granted all on the database is enough."""
    quoted = PASSWORD.replace("'", "''")
    server.sql("CREATE DATABASE minirun", f"CREATE USER minirun WITH PASSWORD '{quoted}'",
               "GRANT ALL PRIVILEGES ON DATABASE minirun TO minirun")
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    variables = {"DB_HOST": "127.0.0.1", "DB_PORT": str(server.port), "DB_USER": "minirun",
                 "DB_NAME": "minirun"}
    berth = gateway(FACILITIES, start=False, settings={"store": {"fallback": "no"}},
                    environment={**variables, "DB_PASSWORD_FILE": str(secret)})
    checked = berth.cli("check-config")
    assert f"at 127.0.0.1:{server.port}, database minirun, no schema yet" in checked
    assert berth.start().admin.get("/demo/get-app-names").json == []
    berth.user("ana", demo="researcher")
    berth.stop()
    assert "database minirun, schema " in berth.cli("check-config")
    assert "ana" in berth.cli("user", "list")
    assert not (berth.data / "berth.db").exists()

    berth.environment["DB_PASSWORD_FILE"] = "/dev/null"
    berth.environment["DB_PASSWORD"] = PASSWORD + "x"
    said = refused(berth.run("check-config"))
    assert "password authentication failed" in said and PASSWORD not in said
    berth.environment["DB_PORT"] = "x"
    assert "DB_PORT: must be a whole number from 1 to 65535" in refused(berth.run("check-config"))
    server.drop("minirun")


def test_what_is_no_connection_string_is_not_repeated(offline):
    offline.configure(FACILITIES, {"gateway": {"data_dir": offline.data},
                                   "store": {"postgres": f"host=db {PASSWORD}"}})
    said = refused(offline.run("check-config"))
    assert "postgres must be a connection string of libpq" in said and "secret" not in said


def test_a_server_that_is_away(offline):
    settings = {"gateway": {"data_dir": offline.data},
                "store": {"postgres": "host=127.0.0.1 port=1", "fallback": "no"}}
    offline.configure(FACILITIES, settings)
    assert "Connection refused" in refused(offline.run("check-config"))
    settings["store"]["fallback"] = "yes"
    offline.configure(FACILITIES, settings)
    assert "the embedded store serves" in offline.cli("check-config")


def test_another_encoding_is_refused(offline, server):
    server.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    offline.configure(FACILITIES, {"gateway": {"data_dir": offline.data},
                                   "store": {"postgres": server.of("latin"), "fallback": "no"}})
    assert "must have the encoding UTF8; it has LATIN1" in refused(offline.run("check-config"))
    server.drop("latin")


# What befalls it


class Writers:
    """Clients that make apps as fast as they are answered, and know which were."""

    def __init__(self, berth, count=4):
        self.answered = []
        self._stop = threading.Event()
        self._clients = [berth.admin.again() for _ in range(count)]
        self._threads = [threading.Thread(target=self._write, args=(number, client))
                         for number, client in enumerate(self._clients)]
        for thread in self._threads:
            thread.start()

    def _write(self, number, client):
        for count in range(100000):
            if self._stop.is_set():
                return
            name = f"u{number}-{count}"
            try:
                done = client.post("/demo/create-app", image="demo", user=name).status == 200
            except OSError:
                done = False
            if done:
                self.answered.append(f"demo--{name}")
            else:
                time.sleep(0.02)

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def grown(writers, by):
    before = len(writers.answered)
    wait_until(lambda: len(writers.answered) >= before + by, 60, "answers")


def test_the_gateway_is_killed(berth, server, database):
    """Whatever was answered is in the store."""
    writers = Writers(berth)
    grown(writers, 30)
    berth.kill()
    writers.end()
    assert set(writers.answered) <= set(audited(server, database))
    berth.start()
    assert berth.admin.get("/demo/get-app-names").status == 200


def test_connections_are_cut(berth, server, database):
    """What shares a transaction with one that is lost fails with it; the next succeeds."""
    writers = Writers(berth)
    for _ in range(5):
        grown(writers, 10)
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   f" WHERE datname = '{database}'")
    grown(writers, 10)
    writers.end()
    assert set(writers.answered) <= set(audited(server, database))


def test_the_server_is_killed_and_comes_back(berth, server, database):
    writers = Writers(berth)
    grown(writers, 20)
    server.kill()
    ana = berth.admin
    assert ana.get("/demo/get-app-names").status == 200  # what needs no store goes on
    answer = ana.post("/demo/create-app", image="demo", user="meanwhile")
    assert answer.status == 503 and "database cannot be reached" in answer.text
    server.boot()
    begin = time.monotonic()
    grown(writers, 1)
    assert time.monotonic() - begin < 2 * SILENCE_S
    grown(writers, 20)
    writers.end()
    assert set(writers.answered) <= set(audited(server, database))


def test_the_server_falls_silent(berth, server):
    ana = berth.admin
    assert ana.post("/demo/create-app", image="demo", user="ana").status == 200
    server.freeze()
    try:
        begin = time.monotonic()
        answer = ana.post("/demo/create-app", image="demo", user="bob")
        assert answer.status == 503 and "database cannot be reached" in answer.text
        # What was being written already is given up before, and a connection that is made anew.
        assert time.monotonic() - begin < 4 * SILENCE_S
        assert ana.get("/demo/get-app-names").status == 200
    finally:
        server.thaw()
    wait_until(lambda: ana.post("/demo/create-app", image="demo", user="cleo").status == 200,
               4 * SILENCE_S, "the store")


def test_a_gateway_that_is_stopped_holds_up_no_other(gateway, server, database):
    """One that dies, or stops, in the middle of a transaction lets go of the store."""
    settings = {"store": {"postgres": server.of(database), "fallback": "no"}}
    one = gateway(FACILITIES, settings=settings)
    other = gateway(FACILITIES, settings=settings)
    other.passwords["admin"] = one.passwords.get("admin") or (one.admin and one.passwords["admin"])
    writers = Writers(one)
    grown(writers, 10)
    os.kill(one.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: other.admin.post(
            "/demo/create-app", image="demo", user=f"x{time.monotonic_ns()}").status == 200,
            60, "the other gateway")
    finally:
        os.kill(one.process.pid, signal.SIGCONT)
    writers.end()
