# SPDX-License-Identifier: MIT
"""The containers of a MiniRun server, taken over from its files."""

import json
import os

import pytest

from harness import refused
from lab import Rootfs

CREATED = "2024-01-15T10:30:00Z"


@pytest.fixture(scope="module")
def roots():
    with Rootfs() as roots:
        roots.add("second")
        yield roots


@pytest.fixture
def facilities(roots):
    common = {"backend": "rootfs", "rootfs": roots.path, "rootfs_roots": roots.root}
    return {"lab": {**common, "auth": "open"}, "own": {**common, "max_apps_per_user": 2},
            "demo": {"backend": "memory", "auth": "open"}}


@pytest.fixture
def server(tmp_path, roots):
    """Where a MiniRun server ran, with two containers."""
    (tmp_path / "minirun" / "containers").mkdir(parents=True)
    write(tmp_path / "minirun", "webapp", rootfs=str(roots.root / "second"), command="/bin/sh -l",
          status="running", created_at="2024-01-15T10:30:00.123456789+01:00")
    write(tmp_path / "minirun", "worker", status="created", created_at=CREATED, rootfs="", more=[1])
    return tmp_path / "minirun"


def write(server, name, text=None, **members):
    path = server / "containers" / f"{name}.json"
    path.write_text(json.dumps({"name": name, **members}) if text is None else text)


def containers(berth, facility="lab"):
    listed = berth.anyone.get(f"/{facility}/containers")
    return {found["name"]: found for found in listed.json["data"]}


def check(berth, roots):
    found = containers(berth)
    assert list(found) == ["webapp", "worker"]  # the oldest first
    webapp, worker = found["webapp"], found["worker"]
    assert webapp["rootfs"] == str(roots.root / "second") and webapp["command"] == "/bin/sh -l"
    assert worker["rootfs"] == str(roots.path) and worker["command"] == "/bin/bash"
    assert {c["status"] for c in found.values()} == {"created"}
    assert berth.anyone.get("/lab/get-users").json == ["admin"]


def test_with_a_gateway_and_twice(gateway, facilities, server, roots):
    berth = gateway(facilities, environment={"TZ": "UTC"})
    command = ("store", "import-minirun", server, "--facility", "lab")
    assert berth.cli(*command) == "2 imported, 0 skipped, 0 refused\n"
    check(berth, roots)
    assert containers(berth)["webapp"]["created_at"].startswith("2024-01-15T09:30:00")
    assert containers(berth)["worker"]["created_at"].startswith("2024-01-15T10:30:00")
    made = berth.anyone.post("/lab/containers/webapp/start", detach="true")
    assert made.status == 200, made.text
    assert berth.anyone.post("/lab/containers/webapp/kill").status == 200
    write(server, "third")
    assert berth.cli(*command) == "1 imported, 2 skipped, 0 refused\n"
    assert list(containers(berth)) == ["webapp", "worker", "third"]  # made now

    # By the folder itself, for a user.
    ana = berth.user("ana", own="researcher")
    (server / "containers").rename(server / "moved")
    command = ("store", "import-minirun", server / "moved", "--facility", "own", "--user")
    done = berth.run(*command, "ana")
    assert done.returncode == 1 and done.stdout == "2 imported, 0 skipped, 1 refused\n"
    assert "user ana has 2 apps already" in done.stderr
    assert len(ana.get("/own/get-app-names").json) == 2
    done = berth.run(*command, "anna")
    assert done.stdout == "0 imported, 0 skipped, 3 refused\n"
    assert done.stderr.count("there is no user anna\n") == 3


def test_without_a_gateway(gateway, facilities, server, roots):
    berth = gateway(facilities, start=False)
    command = ("store", "import-minirun", server, "--facility", "lab")
    assert berth.cli(*command) == "2 imported, 0 skipped, 0 refused\n"
    assert berth.cli(*command) == "0 imported, 2 skipped, 0 refused\n"
    berth.start()
    check(berth, roots)


def test_what_is_refused_is_told_and_the_rest_goes_on(gateway, facilities, server, tmp_path):
    outside = tmp_path / "secret"
    outside.write_text(json.dumps({"name": "thief"}))
    folder = server / "containers"
    bad = {
        "broken": ('{"name": "broken"', "broken.json: "),
        "array": ("[]", "array.json: "),
        "nameless": ('{"command": "/bin/sh"}', "nameless.json: member name is missing"),
        "empty": ('{"name": ""}', "empty.json: "),
        "up": ('{"name": "../up"}', "up.json: Container name must be 1 to 64 letters"),
        "number": ('{"name": "number", "rootfs": 7}', "number.json: member rootfs"),
        "foreign": ('{"name": "foreign", "rootfs": "/etc"}',
                    "foreign.json: rootfs /etc is not beneath a root"),
        "relative": ('{"name": "relative", "rootfs": "myroot"}',
                     "relative.json: rootfs must be an absolute path"),
        "quote": ('{"name": "quote", "command": "sh -c \'"}', "quote.json: "),
        "when": ('{"name": "when", "created_at": "yesterday"}', "when.json: created_at: must be a time "),
        "huge": (json.dumps({"name": "huge", "more": "x" * 65536}),
                 "huge.json: it has more than 65536 bytes"),
        "escapes": (json.dumps({"name": "escapes", "command": "x" + "\1" * 10000}), "escapes.json: "),
    }
    for name, (text, _) in bad.items():
        write(server, name, text)
    (folder / "link.json").symlink_to(outside)
    (folder / "inside.json").symlink_to("webapp.json")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "fifo.json")
    (folder / "a\x1b[1m.json").write_text("")
    (folder / "notes.txt").write_text("")
    said = [line for _, line in bad.values()] + [
        "link.json cannot be opened: it leads elsewhere", "inside.json cannot be opened: it leads",
        "folder.json: it is no regular file", "fifo.json: it is no regular file",
        "a file whose name has control characters: "]
    for is_running in (False, True):
        berth = gateway(facilities, start=is_running)
        done = berth.run("store", "import-minirun", server, "--facility", "lab")
        assert done.returncode == 1, done
        assert done.stdout == f"2 imported, 0 skipped, {len(said)} refused\n", done.stderr
        assert all(line.startswith("berth: ") for line in done.stderr.splitlines()), done.stderr
        assert len(done.stderr.splitlines()) == len(said), done.stderr
        for line in said:
            assert line in done.stderr
        assert "\x1b" not in done.stderr and "\1" not in done.stderr


def test_where_to_and_where_from(gateway, facilities, server, tmp_path):
    berth = gateway(facilities, start=False)
    command = ("store", "import-minirun")
    assert "--facility says which" in refused(berth.run(*command, server))
    for facility in ("nowhere", "demo"):
        assert f"no facility {facility} with backend = rootfs" in refused(
            berth.run(*command, server, "--facility", facility))
    assert refused(berth.run(*command, tmp_path / "missing", "--facility", "lab")).endswith(
        "missing: No such file or directory")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "containers").symlink_to(server / "containers")
    assert refused(berth.run(*command, tmp_path / "linked", "--facility", "lab")).startswith(
        f"{tmp_path / 'linked'}: ")
    del facilities["own"]
    assert gateway(facilities, start=False).cli(*command, server).startswith("2 imported")
