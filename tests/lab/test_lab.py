# SPDX-License-Identifier: MIT
"""What the tests rely on the lab for, checked on both engines."""

import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from lab import VERSIONS, Engine, Podman, Rootfs, holder

OWNER = """
import sys, time
from lab import Engine
engine = Engine(registry=True).start()
engine.import_image("berth/demo")
engine.docker("run", "-d", "berth/demo")
engine.docker("pause", engine.docker("run", "-d", "berth/demo"))
print(engine.directory, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", params=VERSIONS)
def engine(request):
    with Engine(request.param, registry=True) as engine:
        engine.import_image("berth/demo")
        yield engine


def running(engine):
    return engine.docker("ps", "--quiet").split()


def test_is_of_the_version_asked_for(engine):
    assert engine.api("GET", "/version")[1]["Version"].startswith(engine.version + ".")


def test_pulls_a_plain_name_and_a_digest(engine):
    digest = engine.push("berth/demo", "httpd:2.4")
    engine.docker("pull", "httpd:2.4")
    engine.docker("pull", f"httpd@{digest}")
    with pytest.raises(RuntimeError):
        engine.docker("pull", "missing:1")


def test_publishes_ports(engine):
    app = engine.docker("run", "-d", "-p", "8080:80", "berth/demo")
    engine.docker("exec", app, "sh", "-c", "until wget -qO- http://127.0.0.1/; do sleep 0.1; done")
    page = urllib.request.urlopen(f"http://{engine.address}:8080/", timeout=30).read()
    engine.docker("rm", "-f", app)
    assert page == b"hello from berth\n"


def test_keeps_its_apps_when_killed(engine):
    app = engine.docker("run", "-d", "berth/demo")
    pid = engine.docker("inspect", "--format", "{{.State.Pid}}", app)
    engine.kill()
    alive = subprocess.run(engine.inside("busybox", "kill", "-0", pid)).returncode == 0
    engine.start()
    assert alive and not running(engine)  # a new engine ends what it finds
    engine.docker("start", app)
    engine.restart()
    assert engine.docker("ps", "-aq")
    engine.docker("rm", "-f", app)


def test_freezes_and_thaws(engine):
    engine.freeze()
    ping = ["curl", "-s", "-m", "0.5", "--unix-socket", engine._socket, "http://engine/_ping"]
    assert subprocess.run(ping).returncode == 28  # it timed out
    engine.thaw()
    assert engine.api("GET", "/_ping") == (200, "OK")


def test_stands_beside_another(engine):
    with Engine("26.1") as other:
        assert other.address != engine.address
        assert other.api("GET", "/info")[1]["ID"] != engine.api("GET", "/info")[1]["ID"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_leaves_nothing_behind(number):
    tests = pathlib.Path(__file__).resolve().parents[1]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=tests,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    directory = pathlib.Path(owner.stdout.readline().strip())
    assert directory.is_dir()
    owner.send_signal(number)
    owner.wait()
    deadline = time.monotonic() + 60
    while left_of(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left_of(directory) == []


def left_of(directory):
    left = [directory] if directory.exists() else []
    left += holder.groups_of(directory)
    for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if directory.name in command.read_text(errors="replace"):
                left.append(command)
        except OSError:
            pass
    if directory.name in pathlib.Path("/proc/self/mountinfo").read_text():
        left.append("mounts")
    return left


def test_makes_root_file_systems_that_run_and_tells_when_they_change():
    with Rootfs() as rootfs:
        other = rootfs.add("other", {"etc/motd": "hello\n"})
        before = rootfs.digest()
        done = subprocess.run(["chroot", other, "/bin/bash", "-c", "cat /etc/motd"],
                              capture_output=True, text=True)
        assert done.stdout == "hello\n"
        assert rootfs.digest() == before
        (other / "etc/motd").chmod(0o600)
        assert rootfs.digest() != before
    assert not rootfs.path.exists()


def test_podman_leaves_nothing():
    with Podman() as podman:
        podman.import_image("berth/demo")
        podman.docker("pause", podman.docker("run", "-d", "berth/demo"))
        groups = holder.groups_of(podman.directory)
        assert groups
    assert not podman.directory.exists()
    assert not [group for group in groups if group.exists()]
