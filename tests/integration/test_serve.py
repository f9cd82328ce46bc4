# SPDX-License-Identifier: MIT
"""The gateway's life: its first start, its listeners, its end, and what outlives a kill."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from harness import END_S, free_port, refused, wait_until

MEMORY = {"demo": {"backend": "memory"}}

def status(client):
    return client.again().get("/demo/get-users").status


# The first administrator


def test_first_start_prints_an_administrator_once(gateway):
    berth = gateway(MEMORY)
    assert berth.output.count("Its password is") == 1
    assert berth.admin.get("/demo/get-users").status == 200
    berth.stop()
    berth.start()
    assert berth.output.count("Its password is") == 1
    assert berth.admin.get("/demo/get-users").status == 200
    assert "password" not in berth.errors


def test_no_administrator_is_made_where_there_are_users(offline):
    offline.cli("user", "add", "ana", input="correct horse\n")
    offline.start()
    assert offline.output == ""


@pytest.fixture
def with_admin(gateway):
    def make(**environment):
        berth = gateway(MEMORY, environment=environment)
        assert berth.output == ""
        return berth

    return make


def test_app_user_wins_at_every_start(with_admin):
    berth = with_admin(APP_USER="root", APP_PASS="first secret")
    root = berth.client("root", "first secret")
    assert status(root) == 200
    berth.cli("user", "passwd", "root", input="another secret\n")
    assert status(root) == 401
    berth.stop()
    berth.start()
    assert status(berth.client("root", "first secret")) == 200
    assert status(berth.client("root", "another secret")) == 401


def test_app_user_comes_back_when_removed(with_admin):
    berth = with_admin(APP_USER="root", APP_PASS="first secret")
    berth.user("second", gateway_admin=True)
    berth.cli("user", "remove", "root")
    berth.stop()
    berth.start()
    assert status(berth.client("root", "first secret")) == 200


def test_app_pass_from_a_file(gateway):
    berth = gateway(MEMORY, start=False, environment={"APP_USER": "root"})
    secret = berth.directory / "secret"
    berth.environment["APP_PASS_FILE"] = str(secret)
    assert "APP_PASS_FILE" in refused(berth.run("serve"))
    secret.write_text(" spaces are kept \n")
    berth.start()
    assert status(berth.client("root", " spaces are kept ")) == 200


def test_dot_env(gateway):
    berth = gateway(MEMORY, start=False)
    (berth.directory / ".env").write_text(
        "# a comment\n\nexport APP_USER=root\nAPP_PASS=\"from the file\"\n")
    berth.start()
    assert status(berth.client("root", "from the file")) == 200
    berth.stop()
    berth.environment = {"APP_PASS": "from the process"}
    berth.start()
    assert status(berth.client("root", "from the process")) == 200


@pytest.mark.parametrize("text, said", [
    ("APP_USER=root\n", "APP_USER and APP_PASS must be set together"),
    ("APP_USER=ro--ot\nAPP_PASS=long enough\n", "APP_USER must not contain --"),
    ("APP_USER=root\nAPP_PASS=short\n", "must have 8 to 256"),
    ("APP_USER\n", ".env:1: the line must be NAME=VALUE"),
])
def test_dot_env_refusals(offline, text, said):
    (offline.directory / ".env").write_text(text)
    assert said in refused(offline.run("serve"))


# One gateway on a data directory, one program on a port


def test_a_second_gateway_on_the_same_data(gateway):
    berth = gateway(MEMORY)
    second = gateway(MEMORY, start=False, settings={"gateway": {"data_dir": berth.data}})
    message = refused(second.run("serve"))
    assert str(berth.data) in message and "another" in message
    assert status(berth.admin) == 200
    assert "admin" in berth.cli("user", "list")  # its control socket is still its own


def test_a_port_in_use(gateway):
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        berth = gateway(MEMORY, start=False,
                        settings={"gateway": {"listen": f"127.0.0.1:{port}"}})
        done = berth.run("serve")
        message = refused(done)
        assert f"127.0.0.1:{port}" in message and "in use" in message
        assert not (berth.data / "control.sock").exists()
    berth.passwords["admin"] = re.search(r"Its password is (\S+)", done.stdout)[1]
    berth.start()
    assert status(berth.admin) == 200


def test_an_address_that_is_not_ours(gateway):
    berth = gateway(MEMORY, start=False, settings={"gateway": {"listen": "192.0.2.1:8080"}})
    assert "192.0.2.1:8080" in refused(berth.run("serve"))


def test_a_data_directory_that_cannot_be_made(gateway):
    berth = gateway(MEMORY, start=False, settings={"gateway": {"data_dir": "/proc/nowhere"}})
    assert "/proc/nowhere" in refused(berth.run("serve"))
    assert "/proc/nowhere" in refused(berth.run("user", "list"))


# Listeners


def test_a_unix_listener(gateway, tmp_path):
    path = tmp_path / "berth.sock"
    berth = gateway(MEMORY, settings={"gateway": {"listen": f"unix:{path}"}})
    assert berth.anyone.get("/livez").text == "ok"
    assert status(berth.admin) == 200
    berth.stop()
    assert not path.exists()


def test_a_socket_that_a_killed_gateway_left(gateway, tmp_path):
    path = tmp_path / "berth.sock"
    berth = gateway(MEMORY, settings={"gateway": {"listen": f"unix:{path}"}})
    other = gateway(MEMORY, start=False, settings={"gateway": {"listen": f"unix:{path}"}})
    assert f"{path} is in use" in refused(other.run("serve"))
    assert berth.anyone.get("/livez").text == "ok"
    berth.kill()
    assert path.exists()
    berth.start()
    assert status(berth.admin) == 200


def test_a_file_in_the_listeners_place(gateway, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    berth = gateway(MEMORY, start=False, settings={"gateway": {"listen": f"unix:{path}"}})
    assert f"{path} is there and is no socket" in refused(berth.run("serve"))
    assert path.read_text() == "data"


def test_several_listeners(gateway, tmp_path):
    first, second, path = free_port(), free_port(), tmp_path / "berth.sock"
    berth = gateway(MEMORY, settings={"gateway": {
        "listen": [f"127.0.0.1:{first}", f"unix:{path}", f"[::1]:{second}"]}})
    assert berth.anyone.get("/livez").status == 200
    for family, address in ((socket.AF_UNIX, str(path)), (socket.AF_INET6, ("::1", second))):
        with socket.socket(family) as connection:
            connection.connect(address)
            connection.sendall(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_order(gateway, number):
    berth = gateway(MEMORY)
    berth.admin.get("/demo/get-users")
    begun = time.monotonic()
    berth.stop(number)  # with a connection open
    assert time.monotonic() - begun < END_S
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", berth.port))


def test_a_connection_that_says_nothing_does_not_hold_up_the_end(gateway):
    berth = gateway(MEMORY, settings={"limits": {"request_timeout_s": 600}})
    with berth.anyone.connect(), berth.anyone.connect() as half:
        half.sendall(b"GET /livez HT")
        berth.stop()


def test_what_is_under_way_is_answered_before_the_end(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_delay_ms": 4000, "memory_apps": 1}})
    answers = []
    admin = berth.admin
    name = admin.get("/demo/get-app-names").json[0]
    in_flight = lambda: berth.anyone.get("/healthz").json["requests_in_flight"] - 1
    wait_until(lambda: in_flight() == 0)
    verb = threading.Thread(target=lambda: answers.append(
        admin.again().post("/demo/delete-app", name=name)))
    verb.start()
    wait_until(lambda: in_flight() == 1, what="the request to be under way")
    berth.process.send_signal(signal.SIGTERM)
    verb.join()
    assert berth.process.wait(60) == 0
    assert [answer.text for answer in answers] == ["Success"]


def established(port):
    """How many connections to a port of 127.0.0.1 are open."""
    with open("/proc/net/tcp") as table:
        return sum(f":{port:04X} " in line.split(":", 1)[1][:20] and line.split()[3] == "01"
                   for line in list(table)[1:])


def test_a_pull_does_not_hold_up_the_end(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_delay_ms": 1500}})
    admin = berth.admin
    admin.post("/demo/approve-image", image="jupyter")
    done = []
    waiting = [threading.Thread(target=lambda: done.append(
                   berth.run("image", "approve", "demo", "jupyter"))),
               threading.Thread(target=lambda: done.append(
                   admin.again().post("/demo/approve-image", image="jupyter", wait="yes")))]
    for thread in waiting:
        thread.start()
    wait_until(lambda: established(berth.port) > 1)
    begun = time.monotonic()
    berth.stop()
    assert time.monotonic() - begun < END_S
    for thread in waiting:
        thread.join()


def test_hang_up_does_not_end_it(gateway):
    berth = gateway(MEMORY)
    log = berth.data / "logs" / "actions.jsonl"
    berth.anyone.get("/livez")
    wait_until(lambda: "livez" in log.read_text())
    os.rename(log, log.with_suffix(".old"))
    berth.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "was loaded" in berth.errors)
    berth.anyone.get("/healthz")
    wait_until(lambda: log.exists() and "healthz" in log.read_text())
    assert berth.process.poll() is None


def test_nothing_answered_is_lost_when_it_is_killed(gateway):
    """Users added and images requested by several writers until the gateway is killed."""
    berth = gateway(MEMORY)
    admin = berth.admin
    answered = []
    numbers = iter(range(10**6))

    def write():
        client = admin.again()
        try:
            while True:
                image = f"image{next(numbers)}"
                answer = client.post("/demo/request-image", image=image)
                assert answer.status == 202
                answered.append(image)
        except (OSError, EOFError):
            pass
        except Exception as failure:  # http.client has many for a connection that breaks
            if not type(failure).__module__.startswith("http"):
                raise

    for round_number in range(3):
        goal = len(answered) + 40
        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        wait_until(lambda: len(answered) >= goal)
        berth.process.kill()
        for writer in writers:
            writer.join()
        berth.kill()
        berth.start()
        admin = berth.admin
        kept = {row["image"] for row in admin.get("/demo/get-image-requests").json}
        assert set(answered) <= kept


def test_a_user_answered_for_is_kept(gateway):
    berth = gateway(MEMORY)
    ana = berth.user("ana", demo="viewer")
    assert status(ana) == 200
    berth.kill()
    assert "viewer in demo" in berth.cli("user", "list")  # on what the killed one left
    berth.start()
    assert status(berth.as_user("ana")) == 200
