# SPDX-License-Identifier: MIT
"""What a service manager sees: sd_notify(3), the watchdog, and an end in bounded time."""

import http.client
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import END_S, wait_until

MEMORY = {"demo": {"backend": "memory", "memory_apps": 1}}
SLOW = {"demo": {"backend": "memory", "memory_apps": 1, "memory_delay_ms": 40000}}


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.name = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if self.name[0] == "@" else self.name)
        self.socket.settimeout(60)

    def next(self):
        """The next message but those of the watchdog, as a dictionary."""
        while (message := self.socket.recv(4096).decode()) == "WATCHDOG=1":
            pass
        return dict(line.split("=", 1) for line in message.split("\n"))


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    path = tmp_path / "notify" if request.param == "path" else f"@berth-{tmp_path.name}-{id(request)}"
    made = Manager(path)
    yield made
    made.socket.close()


def test_the_manager_is_told(gateway, manager):
    berth = gateway(MEMORY, environment={"NOTIFY_SOCKET": manager.name})
    assert manager.next() == {"READY": "1", "STATUS": "serving 1 facility"}

    berth.process.send_signal(signal.SIGHUP)
    told = manager.next()
    assert told.keys() == {"RELOADING", "MONOTONIC_USEC"} and told["RELOADING"] == "1"
    assert abs(int(told["MONOTONIC_USEC"]) / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 60
    assert manager.next() == {"READY": "1", "STATUS": "serving 1 facility"}

    good = berth.config.read_text()
    berth.config.write_text(good + "image_polcy = open\n")
    line = len(good.splitlines()) + 1
    berth.process.send_signal(signal.SIGHUP)
    assert "RELOADING" in manager.next()
    told = manager.next()
    assert told["READY"] == "1"
    assert told["STATUS"].startswith("the configuration stays as it was: ")
    assert told["STATUS"].endswith(
        f"berth.conf:{line}: unknown key image_polcy; did you mean image_policy?")

    berth.stop()
    assert manager.next()["STOPPING"] == "1"


def test_ready_is_told_when_it_is_listening(gateway, manager):
    """And once the engines were asked for their apps; one that is not there is no reason to wait."""
    berth = gateway({"demo": MEMORY["demo"], "gone": {"engine": "unix:///nowhere.sock"}},
                    start=False, environment={"NOTIFY_SOCKET": manager.name})
    berth.launch()
    assert manager.next() == {"READY": "1", "STATUS": "serving 2 facilities"}
    assert berth.anyone.get("/livez").status == 200
    facilities = berth.anyone.get("/readyz").json["facilities"]
    assert facilities["demo"]["status"] == "ok" and facilities["gone"]["status"] == "unavailable"


def test_the_watchdog_is_fed(gateway, manager):
    begun = time.monotonic()
    berth = gateway(MEMORY, environment={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000"})
    manager.next()
    for _ in range(5):  # some may be there already
        assert manager.socket.recv(4096) == b"WATCHDOG=1"
    assert time.monotonic() - begun > 0.4
    berth.stop()


def test_another_process_is_watched(gateway, manager):
    berth = gateway(MEMORY, environment={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "50000",
                                         "WATCHDOG_PID": "1"})
    manager.next()
    berth.stop()
    messages = []
    while not messages or b"STOPPING" not in messages[-1]:
        messages.append(manager.socket.recv(4096))
    assert messages.count(b"WATCHDOG=1") <= 1


# The end


def in_flight(berth):
    return berth.anyone.get("/healthz").json["requests_in_flight"] - 1


@pytest.fixture
def busy(gateway):
    """busy(facilities, ...): a gateway with a request under way, and that request's answers."""
    threads = []

    def make(facilities, **limits):
        berth = gateway(facilities, settings={"limits": limits})
        client, answers = berth.admin.again(), []
        name = berth.admin.get("/demo/get-app-names").json[0]

        # Of a request that was answered just now, the count goes down a moment later.
        wait_until(lambda: in_flight(berth) == 0)

        def ask():
            try:
                answers.append(client.post("/demo/delete-app", name=name))
            except (OSError, http.client.HTTPException) as failure:
                answers.append(failure)
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
        wait_until(lambda: in_flight(berth) == 1, what="the request to be under way")
        return berth, answers

    yield make
    for thread in threads:
        thread.join()


def test_others_are_refused_meanwhile(busy):
    berth, answers = busy({"demo": {**MEMORY["demo"], "memory_delay_ms": 4000}})
    berth.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in berth.errors)
    refused = wait_until(lambda: (answer := berth.admin.again().get("/livez")).status != 200
                         and answer)
    assert refused.status == 503 and "stopping" in refused.text
    assert refused.headers["Connection"] == "close"
    assert berth.process.wait(END_S) == 0
    assert [answer.text for answer in answers] == ["Success"]


def test_the_wait_is_bounded(busy):
    berth, answers = busy(SLOW, drain_timeout_s=1)
    begun = time.monotonic()
    berth.process.send_signal(signal.SIGTERM)
    assert berth.process.wait(END_S) == -signal.SIGTERM
    assert time.monotonic() - begun >= 1
    assert "1 request did not end within 1 s" in berth.errors
    berth.process = None
    berth.start()  # on what it left


def test_what_ends_meanwhile_is_not_counted(busy):
    berth, _ = busy(SLOW, drain_timeout_s=3)
    with berth.anyone.connect() as other:
        credentials = berth.admin.authorization()["Authorization"].encode()
        other.sendall(b"POST /demo/nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      b"Authorization: " + credentials + b"\r\n"
                      b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
        wait_until(lambda: in_flight(berth) == 2, what="the request that sends slowly")
        berth.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "stopping" in berth.errors)
        other.sendall(b"}")
        assert other.recv(65536).startswith(b"HTTP/1.1 ")
    assert berth.process.wait(END_S) == -signal.SIGTERM
    assert "1 request did not end within 3 s" in berth.errors
    berth.process = None


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(busy, second):
    berth, answers = busy(SLOW)
    berth.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "stopping" in berth.errors)
    wait_until(lambda: berth.admin.again().get("/livez").status == 503)
    berth.process.send_signal(second)
    assert berth.process.wait(END_S) == -second
    berth.process = None


# A full disk


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_a_full_disk(gateway, small_disk):
    """Changes are refused, reads go on, and log lines that are lost are counted."""
    berth = gateway({"demo": {**MEMORY["demo"], "image_policy": "open"}},
                    settings={"gateway": {"data_dir": small_disk / "data"}})
    berth.data = small_disk / "data"
    admin = berth.admin
    name = admin.get("/demo/get-app-names").json[0]
    with open(small_disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    for path in ("create-app?image=demo&user=ana", f"stop-app?name={name}",
                 "request-image?image=jupyter"):
        refused = admin.post(f"/demo/{path}")
        assert refused.status in (500, 503, 507) and "full" in refused.text, refused
    for _ in range(2000):  # more than the last page of the log holds
        assert admin.get("/demo/get-app-status", name=name).status == 200
    wait_until(lambda: "its lines are dropped" in berth.errors)
    (small_disk / "filler").unlink()
    assert admin.post("/demo/create-app", image="demo", user="ana").status == 200
    wait_until(lambda: any(row.get("dropped", 0) > 0 for row in berth.actions()))
