# SPDX-License-Identifier: MIT
"""The containers API in short on each engine, and what it says when an engine, Docker Compose or a
disk fails for real."""

import io
import json
import subprocess
import zipfile

import pytest

from harness import clear_engine, free_port, wait_until
from harness.terminal import Terminal
from lab import Engine, compose

IMAGE = "python:3.12-slim"
BOOT = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"

# Docker Compose that does as it is told while there is no file broken.
PROGRAM = """#!/bin/sh
case " $* " in
*" create "*) if [ -e {folder}/broken ]; then exec {compose} --file /nowhere/compose.yaml create; fi ;;
esac
exec {compose} "$@"
"""


@pytest.fixture(scope="module")
def engine(engine_version):
    with Engine(engine_version) as engine:
        engine.import_python_image(IMAGE)
        yield engine


@pytest.fixture
def patience_s():
    """For how long the engine may say nothing."""
    return 30


@pytest.fixture
def berth(engine, gateway, tmp_path, patience_s):
    """A gateway whose projects are on a disk of their own."""
    program = tmp_path / "docker-compose"
    program.write_text(PROGRAM.format(folder=tmp_path, compose=compose()))
    program.chmod(0o755)
    berth = gateway({"lab": {"backend": "compose", "engine": engine.url, "auth": "open",
                             "image_policy": "open", "compose": program}},
                    settings={"limits": {"request_timeout_s": patience_s}})
    yield berth
    clear_engine(engine)


def ask(berth, method, path, body=None, content_type="application/json"):
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    return berth.anyone.again().request(method, f"/lab/containers{path}", body=data,
                                        headers={"Content-Type": content_type})


def archive(text):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as files:
        files.writestr("boot.py", text)
    return data.getvalue()


def failed(answer):
    return answer.status, answer.json["error"], answer.json["code"]


@pytest.fixture
def cuid(berth):
    made = ask(berth, "POST", "", {"image": IMAGE, "env": {"A": "1"}})
    assert made.status == 201, made
    cuid = made.json["cuid"]
    assert ask(berth, "POST", f"/{cuid}/upload-zip", archive(BOOT), "application/zip").status == 200
    yield cuid
    assert ask(berth, "DELETE", f"/{cuid}").status == 200


def test_the_life_of_a_container(berth, cuid):
    for action, status in (("start", "running"), ("pause", "paused"), ("unpause", "running"),
                           ("kill", "exited"), ("restart", "running")):
        answer = ask(berth, "POST", f"/{cuid}/{action}")
        assert (answer.status, answer.json["status"]) == (200, status), answer
    changed = ask(berth, "PATCH", f"/{cuid}", {
        "env": {"A": None, "B": "2"}, "resources": {"memory": "64m"},
        "ports": [{"host": free_port(), "container": 80}]})
    assert (changed.status, changed.json["status"]) == (200, "running"), changed
    assert (changed.json["env"], changed.json["resources"]["memory"]) == ({"B": "2"}, "64m")
    with Terminal(berth.anyone, f"/lab/ws/{cuid}", cmd="cat boot.py; echo $B", tty="no") as terminal:
        assert terminal.rest() == (1000, "exit 0")
        assert bytes(terminal.output).decode() == BOOT + "2\n"
    assert berth.anyone.request("GET", f"/lab/containers/{cuid}/download",
                                {"path": "boot.py"}).text == BOOT
    name = f"{cuid}--{changed.json['owner']}"
    wait_until(lambda: berth.anyone.get("/lab/get-app-logs", name=name).text == "up\n")
    assert ask(berth, "GET", f"/{cuid}/status").json["pid"] > 0


def test_compose_fails(berth, cuid, tmp_path):
    before = ask(berth, "GET", f"/{cuid}").json
    (tmp_path / "broken").touch()
    made = ask(berth, "POST", "", {"image": IMAGE})
    assert failed(made) == (500, "compose_error", "COMPOSE_FAILED"), made
    assert "/nowhere/compose.yaml" in made.json["message"], "its own words"
    changed = ask(berth, "PATCH", f"/{cuid}", {"env": {"B": "2"}})
    assert failed(changed) == (500, "compose_error", "COMPOSE_FAILED"), changed
    (tmp_path / "broken").unlink()
    assert ask(berth, "GET", f"/{cuid}").json["env"] == before["env"]
    assert [folder.name for folder in (berth.data / "lab").glob("c*")] == [cuid]


@pytest.mark.parametrize("patience_s", [4])
def test_the_engine_is_silent(berth, engine, cuid):
    engine.freeze()
    try:
        answer = ask(berth, "POST", f"/{cuid}/start")
    finally:
        engine.thaw()
    assert failed(answer) == (408, "timeout", "TIMEOUT"), answer
    wait_until(lambda: ask(berth, "GET", f"/{cuid}").status == 200, what="the engine's return")


def test_the_engine_is_gone(gateway):
    with Engine("26.1") as engine:
        berth = gateway({"lab": {"backend": "compose", "engine": engine.url, "auth": "open",
                                 "image_policy": "open", "compose": compose()}})
        engine.kill()
        answer = wait_until(lambda: (answer := ask(berth, "GET", "")).status != 200 and answer,
                            what="its end to be noticed")
    assert failed(answer) == (503, "compose_error", "ENGINE_UNREACHABLE"), answer
    assert int(answer.headers["Retry-After"]) > 0


def test_a_disk_that_cannot_be_written(berth, cuid):
    folder = berth.data / "lab" / cuid / "mount"
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        answer = ask(berth, "POST", f"/{cuid}/upload-zip", archive("new"), "application/zip")
    finally:
        subprocess.run(["umount", folder], check=True)
    assert failed(answer) == (500, "io_error", "IO_FAILED"), answer
    assert str(berth.data) not in answer.json["message"]
    assert (folder / "boot.py").read_text() == BOOT
