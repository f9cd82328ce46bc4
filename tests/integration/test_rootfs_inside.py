# SPDX-License-Identifier: MIT
"""What goes on within apps of root file systems: terminals, statistics, what is told of them."""

import json
import os
import shutil
import subprocess
import threading

import pytest

from harness import wait_until
from harness.terminal import Terminal
from lab import Rootfs

APP = "busybox--ana"
RUNTIMES = {"demo": "crun", "other": "runc"}
# By which processes are known on this machine, where other runs of these tests may have theirs.
SECONDS = [f"{number}{os.getpid():07}" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def berth(module_gateway):
    with Rootfs() as rootfs:
        berth = module_gateway(
            {facility: {"backend": "rootfs", "rootfs": rootfs.path, "rootfs_roots": rootfs.root,
                        "runtime": shutil.which(runtime), "auth": "open", "max_inflight": 64}
             for facility, runtime in RUNTIMES.items()},
            settings={"gateway": {"worker_threads": 64}})
        ana = berth.anyone
        for facility in RUNTIMES:
            assert ana.post(f"/{facility}/create-app", image="busybox", user="ana").status == 200
            assert ana.post(f"/{facility}/start-app", name=APP).status == 200
        yield berth
        if berth.process.poll() is not None:
            berth.start()
        for facility in RUNTIMES:
            assert ana.post(f"/{facility}/kill-app", name=APP).status == 200  # bash ignores TERM
            assert ana.post(f"/{facility}/delete-app", name=APP).status == 200


def open_terminal(berth, facility="demo", **options):
    return Terminal(berth.anyone, f"/{facility}/ws/{APP}", **options)


def processes():
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("facility", RUNTIMES)
def test_a_terminal(berth, facility):
    with open_terminal(berth, facility, cols=111, rows=22) as terminal:
        terminal.type(f"stty size; sleep {SECONDS[0]}; echo after=$?\n")
        terminal.until(b"22 111\r\n")
        wait_until(lambda: f"sleep {SECONDS[0]}" in processes(), what="the sleep")
        terminal.type("\x03")
        terminal.until(b"\n")
        terminal.send(type="resize", cols=132, rows=43)

        def has_that_size():  # runc hears of it another way than of what is typed
            terminal.type("stty size; echo n''ext\n")
            return b"43 132\r\n" in terminal.until(b"next\r\n")
        wait_until(has_that_size, what="the size")
        terminal.type("sh -c 'echo up; exec sleep 1000'; echo co''de=$?\n")
        terminal.until(b"\nup\r\n")
        terminal.send(type="signal", name="TERM")
        terminal.until(b"code=143")
        terminal.type("exit 9\n")
        assert terminal.rest() == (1000, "exit 9")


@pytest.mark.parametrize("facility", RUNTIMES)
def test_without_a_terminal(berth, facility):
    with open_terminal(berth, facility, tty="no", cmd="cat; echo two >&2; exit 4") as terminal:
        terminal.type(b"\x00one\n")
        terminal.until(b"\x00one\n")
        terminal.send(type="signal", name="INT")
        terminal.rest()
        assert terminal.exit in (4, 130)
    with open_terminal(berth, facility, tty="no", cmd="echo one; echo two >&2; exit 4") as terminal:
        terminal.rest()
        assert (terminal.output, terminal.errors, terminal.exit) == (b"one\n", b"two\n", 4)


def test_nothing_is_left_in_the_app(berth):
    [folder] = [path.parent for path in berth.data.glob("demo/*/record.json")]
    left = folder / ".exec.0123456789abcdef"

    def kill():
        left.mkdir()
        berth.kill()
        berth.start()
    for end in (Terminal.close, Terminal.drop, lambda terminal: kill()):
        terminal = open_terminal(berth)
        terminal.type("(setsid sleep {} &); env -i sleep {} & sleep {} &\n".format(*SECONDS))
        terminal.type("echo do''ne\n")
        terminal.until(b"done\r\n")
        wait_until(lambda: all(f"sleep {n}" in processes() for n in SECONDS), what="them to run")
        end(terminal)
        wait_until(lambda: not any(f"sleep {n}" in processes() for n in SECONDS), what="the end of all")
    wait_until(lambda: not list(folder.glob(".*")), what="the end of what a start has left")
    assert berth.anyone.get("/demo/get-app-status", name=APP).json["State"] == "running"


def test_many_at_once(berth):
    opened = [None] * 8

    def open_one(i):
        opened[i] = open_terminal(berth)
        opened[i].type(f"echo n''umber {i}\n")
        opened[i].until(f"\nnumber {i}\r\n".encode(), 60)
    threads = [threading.Thread(target=open_one, args=(i,)) for i in range(len(opened))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(opened)
    for terminal in opened:
        terminal.close()


def test_statistics(berth):
    with open_terminal(berth, cmd="while :; do :; done"):
        def is_busy():
            row = berth.anyone.get("/demo/get-app-stats", name=APP).json
            return float(row["CPUPerc"].rstrip("%")) > 5 and row
        row = wait_until(is_busy, 60, "a share of the processors")
        assert row["Name"] == APP
        assert int(row["PIDs"]) >= 2
        assert row["MemUsage"].split("iB")[0] not in ("", "0B")


def test_a_long_log_keeps_its_last_lines(berth):
    ana = berth.anyone
    count = 450000  # records of some 60 bytes: past the bound of 16 MiB, once
    command = f"/bin/sh -c 'seq {count}; exec sleep 1000'"
    body = json.dumps({"name": "talker", "command": command}).encode()
    made = ana.request("POST", "/demo/containers", body=body,
                       headers={"Content-Type": "application/json"})
    assert made.status == 200, made.text
    assert ana.post("/demo/start-app", name="talker").status == 200

    def tail(lines):
        return ana.get("/demo/get-app-logs", name="talker", tail=lines).text.split()
    wait_until(lambda: tail(1) == [str(count)], 180, "the last line")
    [folder] = [path.parent for path in berth.data.glob("demo/*/log.before")]
    assert len((folder / "log").read_bytes()) < 16 << 20
    assert tail(count - 250000) == [str(n) for n in range(250001, count + 1)]
    assert ana.post("/demo/kill-app", name="talker").status == 200
    assert ana.post("/demo/delete-app", name="talker").status == 200
    assert not folder.exists()


def test_inspection(berth):
    info = berth.anyone.get("/demo/get-app-info", name=APP).json
    info = info[0] if isinstance(info, list) else info
    assert info["State"]["Status"] == "running" and info["State"]["Running"]
    assert f"/{info['Id']}\n" in open(f"/proc/{info['State']['Pid']}/cgroup").read()
    assert info["State"]["StartedAt"] > info["Created"] > "20"
    assert info["Config"]["Labels"]["berth.app"] == APP
    assert [mount["Destination"] for mount in info["Mounts"]] == ["/app"]
