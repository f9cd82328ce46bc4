# SPDX-License-Identifier: MIT
"""The README's first command, as a newcomer runs it."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from harness import Client, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "build" / "quickstart"
TIMEOUT_S = 300


@pytest.fixture
def fresh():
    """No quickstart runs, and none has left anything here."""
    subprocess.run([ROOT / "scripts/quickstart", "--stop"], capture_output=True, timeout=60)
    shutil.rmtree(HOME, ignore_errors=True)
    yield
    subprocess.run([ROOT / "scripts/quickstart", "--stop"], capture_output=True, timeout=60)
    shutil.rmtree(HOME, ignore_errors=True)


def client_of(output):
    port = int(re.search(r"berth serves http://127.0.0.1:(\d+)", output)[1])
    return Client(("127.0.0.1", port), "admin", (HOME / "password").read_text())


def left_running():
    listed = subprocess.run(["pgrep", "-fa", str(HOME)], capture_output=True, text=True)
    return listed.stdout


def test_detached_it_runs_until_it_is_stopped(fresh):
    done = subprocess.run([ROOT / "scripts/quickstart", "--detach"], capture_output=True, text=True,
                          timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    client = client_of(done.stdout)
    assert client.get("/demo/get-app-status", name="demo--admin").json["State"] == "running"

    for line in re.findall(r"^  curl .*$", done.stdout, re.MULTILINE):
        tried = subprocess.run(["bash", "-c", line.strip() + " -fsS"], capture_output=True,
                               text=True, timeout=60)
        assert tried.returncode == 0, f"{line}: {tried.stderr}"

    again = subprocess.run([ROOT / "scripts/quickstart"], capture_output=True, text=True,
                           timeout=TIMEOUT_S)
    assert again.returncode == 1 and "runs already" in again.stderr

    stopped = subprocess.run([ROOT / "scripts/quickstart", "--stop"], capture_output=True,
                             text=True, timeout=60)
    assert stopped.returncode == 0, stopped.stderr
    wait_until(lambda: left_running() == "", what="everything to end")
    with pytest.raises(OSError):
        client.get("/livez")


def test_ctrl_c_ends_all_that_it_started(fresh):
    process = subprocess.Popen([ROOT / "scripts/quickstart"], stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    client = client_of("".join(lines))
    assert client.get("/demo/get-app-names").json == ["demo--admin"]
    os.killpg(process.pid, signal.SIGINT)
    process.stdout.read()
    assert process.wait(60) == 130
    wait_until(lambda: left_running() == "", what="everything to end")
