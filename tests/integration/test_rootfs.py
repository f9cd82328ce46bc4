# SPDX-License-Identifier: MIT
"""Backend rootfs with crun and conmon: what is said of an app is what it does, whoever ends, and
whatever is cut short leaves nothing."""

import json
import os
import pathlib
import random
import re
import secrets
import signal
import subprocess
import threading
import time

import pytest

from harness import Gateway, wait_until
from lab import Rootfs

SOON_S = 1
SEEN_S = 8  # long before what runs is looked at while nobody asks: after ten
FOREVER = "/bin/sh -c 'trap \"exit 0\" TERM; trap : HUP; echo up; while :; do sleep 1000 & wait $!; done'"

# A runtime that begins to create, and that starts, when told so.
RUNTIME = """#!/bin/sh
case " $* " in
*" create "*)
    touch {folder}/began
    while [ -e {folder}/hold ]; do sleep 0.02; done ;;
*" start "*)
    if [ -e {folder}/refuse ]; then echo not today >&2; exit 1; fi ;;
esac
exec crun "$@"
"""


class Facility:
    """A gateway with one facility of root file systems, and what runs there."""

    def __init__(self, folder, rootfs):
        self.folder = folder
        runtime = folder / "crun"
        runtime.write_text(RUNTIME.format(folder=folder))
        runtime.chmod(0o755)
        self.berth = Gateway(folder / "gateway", {"demo": {
            "backend": "rootfs", "auth": "open", "rootfs": rootfs.path, "runtime": runtime}})
        self.apps = self.berth.data / "demo"

    def request(self, method, path, **body):
        return self.berth.anyone.request(method, f"/demo/containers{path}",
                                         body=json.dumps(body).encode() if body else None)

    def create(self, command=FOREVER):
        name = "app-" + secrets.token_hex(4)
        answer = self.request("POST", "", name=name, command=command)
        assert answer.status == 200, answer
        return name

    def start(self, name):
        answer = self.request("POST", f"/{name}/start?detach=true")
        assert answer.status == 200, answer

    def run(self, command=FOREVER):
        name = self.create(command)
        self.start(name)
        if command == FOREVER:  # from here on it takes signals
            wait_until(lambda: "up" in self.log(name), what="the app's first line")
        return name

    def post(self, verb, name):
        answer = self.berth.anyone.post(f"/demo/{verb}-app", name=name)
        assert answer.status == 200, answer

    def look(self, name):
        return self.request("GET", f"/{name}").json["data"]

    def status(self, name):
        return self.look(name)["status"]

    def id(self, name):
        return next(path.parent.name for path in self.apps.glob("*/record.json")
                    if json.loads(path.read_text())["name"] == name)

    def log(self, name):
        log = self.apps / self.id(name) / "log"
        return log.read_text() if log.exists() else ""

    def state(self, name):
        return json.loads((self.apps / ".states" / f"{self.id(name)}.json").read_text())

    def await_end(self, name, code, within_s=30):
        """Until the app shows as stopped."""
        wait_until(lambda: self.status(name) == "stopped", within_s, "the app's end")
        assert self.look(name)["exit_code"] == code

    def left(self):
        """What there is of the facility's apps outside of its folder."""
        conmons = [path.parent.name for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                   if str(self.apps) in _read(path)]
        groups = [name for tree in ["/sys/fs/cgroup", *os.scandir("/sys/fs/cgroup")]
                  for name in _list(pathlib.Path(tree) / "berth") if (self.apps / name).exists()]
        listed = subprocess.run(["crun", "list", "--quiet"], capture_output=True, text=True)
        return [*conmons, *groups, *(name for name in listed.stdout.split()
                                     if (self.apps / name).exists())]

    def clear(self):
        for container in self.request("GET", "").json["data"]:
            if container["status"] == "running":
                self.post("kill", container["name"])
            self.post("delete", container["name"])
        assert [path.name for path in self.apps.iterdir()] == [".states"]
        assert not list((self.apps / ".states").iterdir())
        wait_until(lambda: not self.left(), what="the last of the apps' programs to end")


def _read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _list(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


@pytest.fixture(scope="module")
def rootfs():
    with Rootfs() as rootfs:
        before = rootfs.digest()
        yield rootfs
        assert rootfs.digest() == before


@pytest.fixture(scope="module")
def shared(rootfs, tmp_path_factory):
    facility = Facility(tmp_path_factory.mktemp("rootfs"), rootfs)
    with facility.berth:
        yield facility


@pytest.fixture
def facility(shared):
    yield shared
    if not shared.berth.process:
        shared.berth.start()
    shared.clear()


def test_an_end_shows_at_once_with_its_code(facility):
    took = []
    for _ in range(3):  # a busy machine may hold up one or the other
        name = facility.run("/bin/sh -c 'read line; exit 3'")
        assert facility.status(name) == "running"
        os.kill(facility.state(name)["init"]["pid"], signal.SIGKILL)
        killed = time.monotonic()
        facility.await_end(name, 137)
        took.append(time.monotonic() - killed)
    assert min(took) < SOON_S, took
    for code in (0, 3):
        name = facility.run(f"/bin/sh -c 'exit {code}'")
        facility.await_end(name, code)
    wait_until(lambda: not facility.left(), what="what the apps ran in to be cleared away")


def test_how_it_ended_shows_until_it_runs_anew_or_is_gone(facility):
    name = facility.run("/bin/sh -c 'exit 3'")
    facility.await_end(name, 3)
    shown = set()
    with facility.berth.anyone.watch("/demo/watch") as watcher:
        watcher.until("ready")
        for _ in range(3):
            facility.start(name)
            facility.await_end(name, 3)
        facility.post("delete", name)
        while (event := watcher.next()).data["change"] != "removed":
            row = event.data["app"]
            shown.add(re.sub(r"\) .*", ")", row["Status"]) if row["State"] == "exited" else row["State"])
    assert shown <= {"running", "Exited (3)"}, shown  # a short run may be over before it shows


def test_what_cannot_run_says_why_and_leaves_nothing(facility):
    name = facility.create("/bin/no-such-program")
    answer = facility.request("POST", f"/{name}/start?detach=true")
    assert answer.status >= 400 and "no-such-program" in answer.json["error"]
    assert facility.status(name) == "created"
    wait_until(lambda: not facility.left(), what="what was begun to be cleared away")


def test_an_app_writes_into_its_own_layer(facility):
    name = facility.create("/bin/sh -c '[ -e /mark ] && exit 9; touch /mark'")
    for code in (0, 9):
        facility.start(name)
        facility.await_end(name, code)
    facility.post("hard-reset", name)
    facility.start(name)
    facility.await_end(name, 0)


def test_a_pause_by_hand_shows(facility):
    name = facility.run()
    app = lambda: facility.berth.anyone.get("/demo/get-app-status", name=name).json["State"]
    facility.post("pause", name)
    assert app() == "paused"
    subprocess.run(["crun", "resume", facility.id(name)], check=True)
    wait_until(lambda: app() == "running", SEEN_S, "the app to run again")
    subprocess.run(["crun", "pause", facility.id(name)], check=True)
    wait_until(lambda: app() == "paused", SEEN_S, "the app to be paused")


# The gateway's end


def test_apps_outlive_the_gateway(facility):
    stays = facility.run()
    ends = facility.run("/bin/sh -c 'read line; exit 3'")
    before = facility.look(stays)
    # A service manager that ends the gateway's control group does not end it.
    groups = _read(pathlib.Path(f"/proc/{facility.state(stays)['conmon']['pid']}/cgroup"))
    assert "/berth/conmon" in groups
    pid = facility.state(ends)["init"]["pid"]
    facility.berth.kill()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(facility.left()) > 0 and not _alive(pid))
    facility.berth.start()
    assert facility.look(stays) == before
    facility.await_end(ends, 137)
    facility.berth.stop()
    facility.berth.start()
    assert facility.look(stays) == before
    os.kill(facility.state(stays)["init"]["pid"], signal.SIGTERM)
    facility.await_end(stays, 0, SEEN_S)


def _alive(pid):
    return ") Z" not in (text := _read(pathlib.Path(f"/proc/{pid}/stat"))) and bool(text)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_start_that_was_cut_short_leaves_nothing(facility, goes_on):
    name = facility.create()
    began, hold = facility.folder / "began", facility.folder / "hold"
    began.unlink(missing_ok=True)
    hold.touch()
    starting = threading.Thread(target=_ignore, args=(facility.start, name))
    starting.start()
    wait_until(began.exists, what="the runtime to begin")
    facility.berth.kill()
    starting.join()
    if goes_on:
        hold.unlink()
    else:  # in one tree, where there are several, it has its group already
        _make_group(facility.id(name))
    facility.berth.start()
    wait_until(lambda: not facility.left(), what="what was begun to be cleared away")
    hold.unlink(missing_ok=True)
    assert facility.status(name) == "created"
    facility.start(name)
    assert facility.status(name) == "running"


def _make_group(name):
    tree = pathlib.Path("/sys/fs/cgroup/pids")
    ((tree if tree.exists() else tree.parent) / "berth" / name).mkdir(parents=True)


def test_a_start_that_the_runtime_refuses_leaves_nothing(facility):
    name = facility.create()
    refuse = facility.folder / "refuse"
    refuse.touch()
    try:
        answer = facility.request("POST", f"/{name}/start?detach=true")
    finally:
        refuse.unlink()
    assert (answer.status, answer.json["error"]) == (500, "not today")
    wait_until(lambda: not facility.left(), what="what was begun to be cleared away")
    assert facility.status(name) == "created"
    facility.start(name)
    assert facility.status(name) == "running"


def _ignore(run, *args):
    try:
        run(*args)
    except Exception:  # the gateway went
        pass


def test_a_creation_that_was_cut_short_leaves_nothing(facility):
    for _ in range(6):
        creating = threading.Thread(target=_ignore, args=(_create_many, facility))
        creating.start()
        time.sleep(random.uniform(0.01, 0.1))
        facility.berth.kill()
        creating.join()
        facility.berth.start()
        wait_until(lambda: _folders(facility) == _listed(facility), what="remains to be removed")
    remains = facility.apps / secrets.token_hex(32)
    (remains / "upper" / "deep").mkdir(parents=True)
    facility.berth.stop()
    facility.berth.start()
    wait_until(lambda: not remains.exists(), what="remains to be removed")


def _create_many(facility):
    for _ in range(50):
        facility.create()


def _folders(facility):
    return {path.name for path in facility.apps.iterdir()} - {".states"}


def _listed(facility):
    return {facility.id(one["name"]) for one in facility.request("GET", "").json["data"]}


# The end of others


def test_an_app_outlives_its_conmon(facility):
    name = facility.run()
    state = facility.state(name)
    os.kill(state["conmon"]["pid"], signal.SIGKILL)
    time.sleep(0.2)  # it is to stay as it is
    assert facility.status(name) == "running"
    os.kill(state["init"]["pid"], signal.SIGKILL)
    facility.await_end(name, 255, SEEN_S)  # nobody saw how
    wait_until(lambda: not facility.left(), what="what the app ran in to be cleared away")
    facility.start(name)
    assert facility.status(name) == "running"


def test_what_ran_before_the_machine_was_started_has_ended(facility):
    name = facility.run()
    facility.berth.kill()
    subprocess.run(["crun", "delete", "--force", facility.id(name)])
    wait_until(lambda: not facility.left())
    states = facility.apps / ".states"
    (states / facility.id(name)).unlink()  # conmon had no time for it
    path = states / f"{facility.id(name)}.json"
    # Its numbers are those of others by now.
    path.write_text(json.dumps({**facility.state(name), "boot": "0" * 36, "init": {
        "pid": os.getpid(), "start": 1}, "conmon": {"pid": os.getpid(), "start": 1}}))
    facility.berth.start()
    assert facility.status(name) == "stopped"
    assert facility.look(name)["exit_code"] == 255
    facility.start(name)
    assert facility.status(name) == "running"
