# SPDX-License-Identifier: MIT
"""scripts/install on a copy of this machine, with real engines and a stand-in for systemctl."""

import json
import re
import subprocess

import pytest

from harness import wait_until
from lab import Swarm
from machine_copy import ROOT, MachineCopy

TOKEN = f"SWMTKN-1-{'a' * 50}-{'b' * 25}"
UNTOUCHED = "all was as it should be: nothing was changed"


@pytest.fixture(scope="module")
def engines():
    """Two engines on one network that are in no swarm, of both versions."""
    with Swarm("26.1", nodes=2, workers="20.10") as swarm:
        for node in reversed(swarm.nodes):
            node.docker("swarm", "leave", "--force")
        yield swarm.nodes


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def machines(engines, build, tmp_path):
    """A copy of this machine for each engine."""
    made = []
    for node in engines:
        (tmp_path / node.name).mkdir()
        made.append(MachineCopy(node, build, tmp_path / node.name))
    yield made
    for machine in made:
        machine.close()
    for node in engines:
        if node.api("GET", "/info")[1]["Swarm"]["LocalNodeState"] != "inactive":
            node.docker("swarm", "leave", "--force")


@pytest.fixture
def machine(machines):
    return machines[0]


def done(result):
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def failed(result, step):
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"install: {step} failed: " in result.stderr
    return result.stderr


def ask(machine, path, user=None):
    answer = machine.run("curl", "-sS", *(["-u", user] if user else []),
                         f"http://127.0.0.1:8080{path}")
    return json.loads(done(answer))


def without_times(found):
    """But for the store and the caches, which change by running."""
    return {path: seen for path, seen in found.items()
            if not path.startswith(("/var/lib/berth/", "/root/.cache/"))}


# Usage

@pytest.mark.parametrize("args, reason", [
    ([], "one of --solo, "),
    (["--swarm"], "--swarm is no option of mine"),
    (["--solo", "--remove"], "--solo and --remove do not go together"),
    (["--compose", "--solo"], "--compose and --solo do not go together"),
    (["--solo", "--facility"], "--facility needs a value"),
    (["--solo", "--facility", "Upper"], "a facility's ID is"),
    (["--solo", "--advertise", "10.0.0.1"], "--advertise goes with --swarm-manager"),
    (["--swarm-manager", "--advertise", "10.0.0.1; id"], r"10.0.0.1\;\ id is no address"),
    (["--swarm-worker", TOKEN], "--swarm-worker needs TOKEN and ADDRESS"),
    (["--swarm-worker", "SWMTKN-1-a-b", "10.0.0.1"], "TOKEN is not what"),
    (["--swarm-worker", f"{TOKEN}\n", "10.0.0.1"], "TOKEN is not what"),
    (["--swarm-worker", TOKEN, "10.0.0.256"], "10.0.0.256 is not HOST"),
    (["--swarm-worker", TOKEN, "10.0.0.1:65536"], "is not HOST"),
    (["--swarm-worker", TOKEN, "10.0.0.1:2377:1"], "is not HOST"),
    (["--swarm-worker", TOKEN, "-x"], "-x is not HOST"),
    (["--swarm-worker", TOKEN, "a_b"], "a_b is not HOST"),
    (["--swarm-worker", TOKEN, "$(id)"], "is not HOST"),
    (["--swarm-worker", TOKEN, "[::1"], "is not HOST"),
    (["--swarm-worker", TOKEN, "[fd00::z]:2377"], "is not HOST"),
])
def test_wrong_usage(args, reason):
    refused = subprocess.run([ROOT / "scripts/install", *args], capture_output=True, text=True)
    assert refused.returncode == 2 and refused.stdout == ""
    assert reason in refused.stderr
    assert TOKEN not in refused.stderr


def test_help():
    told = subprocess.run([ROOT / "scripts/install", "--help"], capture_output=True, text=True)
    assert told.returncode == 0
    assert set(re.findall(r"--[a-z-]+", told.stdout)) == {
        "--solo", "--compose", "--swarm-manager", "--swarm-worker", "--remove", "--facility", "--advertise",
        "--dry-run", "--help"}


# One machine

def test_solo(machine):
    said = done(machine.install("--solo"))
    password = machine.read("/etc/berth/admin-password")
    assert password not in said and password not in machine.read("/run/berth.log")
    assert machine.asked_of_systemd() == [
        "daemon-reload", "enable berth.service", "reset-failed berth.service",
        "start berth.service"]

    for name, mode in {
            "/usr/local/bin/berth": "755 root root",
            "/usr/local/share/man/man1/berth.1": "644 root root",
            "/usr/local/lib/systemd/system/berth.service": "644 root root",
            "/etc/berth": "750 root berth",
            "/etc/berth/berth.conf": "640 root berth",
            "/etc/berth/facilities.d/node1.conf": "640 root berth",
            "/etc/berth/admin-password": "600 root root",
            "/etc/cron.d/berth-report": "644 root root",
            "/var/lib/berth": "700 berth berth",
            "/var/lib/berth/berth.db": "600 berth berth"}.items():
        assert machine.mode(name) == mode, name
    assert "\nFACILITY=node1\n" in machine.read("/etc/cron.d/berth-report")
    assert ask(machine, "/node1/get-app-names", f"admin:{password}") == []

    # Again: nothing is changed, what was configured is kept, and no password is made anew.
    machine.write("/etc/berth/berth.conf", "[gateway]\nlisten = 0.0.0.0:8080 ; all\n")
    done(machine.run("sh", "-c", "chgrp berth /etc/berth/berth.conf; chmod 640 /etc/berth/berth.conf"))
    machine.path("/etc/berth/admin-password").unlink()
    before = without_times(machine.changed())
    assert UNTOUCHED in done(machine.install("--solo"))
    assert without_times(machine.changed()) == before
    assert machine.asked_of_systemd() == []

    # A unit that is not of this version is replaced, and the gateway restarted.
    machine.write("/usr/local/lib/systemd/system/berth.service", "[Unit]\n")
    assert UNTOUCHED not in done(machine.install("--solo"))
    assert machine.asked_of_systemd() == ["daemon-reload", "restart berth.service"]

    # The way back keeps what is not ours to throw away.
    done(machine.install("--remove"))
    assert machine.asked_of_systemd() == ["disable --now berth.service", "daemon-reload"]
    assert done(machine.run("find", "/usr/local", "-name", "*berth*")) == ""
    assert not machine.path("/etc/cron.d/berth-report").exists()
    assert machine.path("/var/lib/berth/berth.db").exists()
    assert UNTOUCHED in done(machine.install("--remove"))
    said = done(machine.install("--solo"))
    assert "there are users" in said
    assert ask(machine, "/node1/get-app-names", f"admin:{password}") == []


def test_what_fails_is_named_and_the_next_run_goes_on(machine):
    machine.path("/usr/local/share/berth").write_text("in the way")
    machine.path("/etc/berth").mkdir()
    machine.write("/etc/berth/berth.conf", "[gateway]\nlissten = 127.0.0.1:8080\n")
    said = failed(machine.install("--solo"), "program")
    assert "/usr/local/share/berth/installed" in said

    machine.path("/usr/local/share/berth").unlink()
    said = failed(machine.install("--solo"), "configuration")
    assert "did you mean listen?" in said
    assert machine.asked_of_systemd() == []
    assert machine.read("/etc/berth/berth.conf") == "[gateway]\nlissten = 127.0.0.1:8080\n"

    machine.write("/etc/berth/berth.conf", "[gateway]\nlisten = 127.0.0.1:8081\n")
    done(machine.run("chgrp", "berth", "/etc/berth/berth.conf"))
    machine.path("/etc/berth/facilities.d/node1.conf").unlink()
    said = failed(machine.install("--solo", "--facility", "admin"), "configuration")
    assert "no facility can be called admin" in said

    machine.write("/etc/berth/facilities.d/gone.conf",
                  "[facility gone]\nengine = unix:///nowhere.sock\n")
    # As if its patience ended as soon as the gateway listens.
    script = f"{ROOT}/scripts/install"
    text = machine.read(script)
    waits = "wait_for 30 ask_gateway /readyz --fail"
    assert waits in text
    machine.write(script, text.replace(waits, "{ wait_for 30 ask_gateway /livez && "
                                       "ask_gateway /readyz --fail >/dev/null; }"), 0o755)
    said = failed(machine.install("--solo"), "readiness")
    assert '"gone":{"status":"unavailable"' in said
    machine.write(script, text, 0o755)

    machine.path("/etc/berth/facilities.d/gone.conf").unlink()
    done(machine.run("systemctl", "stop", "berth"))
    assert "http://127.0.0.1:8081 is ready" in done(machine.install("--solo"))


def test_a_dry_run_does_nothing(machine):
    for args in (["--solo"], ["--compose"], ["--swarm-manager"], ["--swarm-worker", TOKEN, "10.0.0.1"],
                 ["--remove"]):
        before = machine.changed()
        said = done(machine.install(*args, "--dry-run"))
        assert "this was a dry run: nothing was changed" in said
        assert machine.changed() == before, args
        assert TOKEN not in said
        assert machine.asked_of_systemd() == []
    said = done(machine.install("--swarm-manager", "--dry-run"))
    for action in ("would          ninja -C build-release", "would: docker swarm init",
                   "would: write /etc/berth/join_command.txt (mode 600)",
                   "would: write /usr/local/lib/systemd/system/berth.service",
                   "would: useradd --system", "of backend swarm",
                   "would: systemctl enable --now berth.service"):
        assert action in said
    assert machine.node.api("GET", "/info")[1]["Swarm"]["LocalNodeState"] == "inactive"


def test_compose(machine):
    said = done(machine.install("--compose"))
    assert re.search(r"^setup: compose +2\.", said, re.MULTILINE)
    assert machine.mode("/usr/local/lib/systemd/system/berth.service.d/compose.conf") == "644 root root"
    password = machine.read("/etc/berth/admin-password")
    assert ask(machine, "/projects/get-app-names", f"admin:{password}") == []

    # The user berth may give mounts away: the engine alone, which is not on this copy, refuses.
    machine.node.import_image("berth/demo")
    for path in ("/projects/approve-image?image=berth/demo",
                 "/projects/create-app?image=berth/demo&user=ana"):
        answer = machine.run("curl", "-sS", "-u", f"admin:{password}", "-X", "POST",
                             f"http://127.0.0.1:8080{path}").stdout
    assert "bind source path does not exist" in answer
    assert done(machine.run("ls", "/var/lib/berth/projects")) == ""

    before = without_times(machine.changed())
    assert UNTOUCHED in done(machine.install("--compose"))
    assert without_times(machine.changed()) == before
    done(machine.install("--remove"))
    assert done(machine.run("find", "/usr/local", "-name", "*berth*")) == ""


# Systems with dnf, as far as they can be played

PLAYED = "#!/bin/sh\necho \"$(basename $0) $*\" >>/run/played.log\n"


@pytest.mark.parametrize("release, reason", [
    ('ID="rocky"\nVERSION_ID="10.0"\nID_LIKE="rhel centos fedora"\n', None),
    ('ID=fedora\nVERSION_ID=42\n', None),
    ('ID="rocky"\nVERSION_ID="9.6"\nID_LIKE="rhel centos fedora"\n', "rocky 9.6 is too old"),
    ('ID=alpine\nVERSION_ID=3.20\n', "neither Debian nor a system like RHEL"),
])
def test_dnf(machine, release, reason):
    machine.write("/etc/os-release", release)
    for name in ("apt-get", "apt-cache", "dpkg", "dpkg-query"):
        machine.path(f"/usr/bin/{name}").unlink()
    machine.write("/usr/bin/rpm", PLAYED + "[ $2 = curl ]\n", 0o755)
    machine.write("/usr/bin/dnf", PLAYED, 0o755)
    result = machine.install("--solo", "--dry-run")
    if reason:
        assert reason in failed(result, "start")
        return
    said = done(result)
    assert "dnf -q -y install --setopt=install_weak_deps=False iptables-nft\n" in said
    assert "dnf -q -y install --setopt=install_weak_deps=False ca-certificates patch" in said
    assert "apt" not in said

    # For real: rpm says that nothing is there but curl, and dnf that it has been installed.
    said = done(machine.install("--solo"))
    played = machine.read("/run/played.log")
    assert "dnf -q -y install --setopt=install_weak_deps=False iptables-nft\n" in played
    assert ask(machine, "/readyz")["status"] == "ok"


# A swarm

def test_swarm(machines):
    manager, worker = machines
    said = done(manager.install("--swarm-manager", "--advertise", manager.node.address))
    assert manager.mode("/etc/berth/join_command.txt") == "600 root root"
    command = manager.read("/etc/berth/join_command.txt")
    token = command.split()[3]
    assert command == (f"sudo scripts/install --swarm-worker {token} "
                       f"{manager.node.address}:2377\n")
    assert token not in said
    for port in ("2377/tcp", "7946/tcp", "7946/udp", "4789/udp"):
        assert port in said

    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    failed(worker.install("--swarm-worker", wrong, manager.node.address), "swarm")
    assert worker.node.api("GET", "/info")[1]["Swarm"]["LocalNodeState"] == "inactive"

    args = command.split()[2:]
    said = done(worker.install(*args))
    assert "joined the swarm" in said and "2378/tcp" in said
    assert worker.asked_of_systemd()[-1] == "start berth-agent.service"
    wait_until(lambda: worker.run("ss", "-Hltn", "sport = :2378").stdout, what="the agent")
    assert UNTOUCHED in done(worker.install(*args))
    said = failed(worker.install("--swarm-manager"), "swarm")
    assert "this machine is a worker of a swarm" in said
    said = failed(worker.install("--swarm-worker", TOKEN, "198.51.100.1"), "swarm")
    assert "in a swarm whose managers are elsewhere" in said

    password = manager.read("/etc/berth/admin-password")
    wait_until(lambda: ask(manager, "/swarm/get-node-names", f"admin:{password}") ==
               ["node1", "node2"], what="both nodes")
    before = without_times(manager.changed())
    assert UNTOUCHED in done(manager.install("--swarm-manager"))
    assert without_times(manager.changed()) == before
    said = failed(manager.install("--swarm-manager", "--advertise", "198.51.100.1"), "swarm")
    assert f"knows this machine as {manager.node.address}" in said

    # The token is exchanged: the file follows.
    manager.node.docker("swarm", "join-token", "--rotate", "worker")
    done(manager.install("--swarm-manager"))
    assert token not in manager.read("/etc/berth/join_command.txt")

    # Two nodes of one name are told of.
    worker.node.rename("node1")
    try:
        wait_until(lambda: manager.node.docker("node", "ls", "--format", "{{.Hostname}}").split() ==
                   ["node1", "node1"], 30, "the new name")
        said = failed(manager.install("--swarm-manager"), "swarm")
        assert "several nodes are called node1" in said
    finally:
        worker.node.rename("node2")


def test_a_machine_without_a_name_of_its_own(machine):
    done(machine.run("hostname", "localhost"))
    try:
        failed(machine.install("--swarm-manager", "--dry-run"), "hostname")
    finally:
        done(machine.run("hostname", machine.node.name))
