# SPDX-License-Identifier: MIT
"""The programs of tests/clients, as the readers of the containers API would write them, each with
what its language's users have: they work unchanged, and see what the API promises.

Configured as its document says: one facility at the root, a user from .env, any image to be had.
"""

import contextlib
import datetime
import json
import os
import pathlib
import re
import subprocess
import urllib.request
import zipfile

import pytest

from harness import wait_until
from lab import Engine, compose

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "clients"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "berth"
USER, PASSWORD = "admin", "your_secure_password_here"
TIMEOUT_S = 180  # the first time, Go builds its library

PYTHON = "python:3.12-slim"
TO_PULL = ("nginx:alpine", "redis:alpine", "postgres:alpine")
FIELDS = {"cuid", "image", "status", "env", "tags", "resources", "ports", "created_at",
          "updated_at", "started_at", "finished_at", "exit_code", "owner", "project"}
STATUS_FIELDS = {"cuid", "status", "health", "started_at", "finished_at", "exit_code", "pid"}
CUID = re.compile(r"c[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SLEEPER = b"import time\nprint('up', flush=True)\ntime.sleep(600)\n"


@pytest.fixture(scope="module")
def engine():
    with Engine("26.1", registry=True) as engine:
        engine.import_python_image(PYTHON)
        source = engine.import_image("berth/demo")
        for name in TO_PULL:
            engine.push(source, name)
        yield engine


@pytest.fixture(scope="module")
def berth(module_gateway, engine):
    facility = {"backend": "compose", "engine": engine.url, "compose": compose(),
                "image_policy": "open"}
    berth = module_gateway({"lab": facility}, start=False,
                           settings={"gateway": {"root_facility": "lab"}})
    (berth.directory / ".env").write_text(
        f"APP_USER={USER}\nAPP_PASS={PASSWORD}\nDEFAULT_USER_UID=1000:1000\n")
    berth.passwords[USER] = PASSWORD
    return berth.start()


@pytest.fixture
def run(berth):
    """run(COMMAND...): what a program saw, by step; `base` is added to the address."""
    def run(*command, base="", **options):
        done = subprocess.run([str(word) for word in command], env=environment(berth, base), text=True,
                              capture_output=True, timeout=TIMEOUT_S, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        run.errors = done.stderr
        return seen(done.stdout.splitlines())
    return run


@pytest.fixture(scope="module")
def running(berth):
    """A container that runs; its cuid."""
    cuid = make(berth, env={"OLD_VAR": "old", "KEPT": "yes"}, tags=["before"],
                resources={"cpus": 0.5, "memory": "4096m"})
    upload(berth, cuid, {"boot.py": SLEEPER, "data/config.json": b'{"setting": "value"}',
                         "data/big": bytes(range(256)) * 4096})
    assert berth.admin.post(f"/containers/{cuid}/start").status == 200
    return cuid


def environment(berth, base=""):
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1", "NODE_PATH": "/usr/share/nodejs",
            "GO111MODULE": "off", "GOCACHE": str(CACHE / "go"),
            "BERTH_URL": f"http://127.0.0.1:{berth.port}{base}",
            "BERTH_USER": USER, "BERTH_PASSWORD": PASSWORD}


def seen(lines):
    """{step: the rest of its line}; of a step that came again, the last."""
    return {step.pop("step"): step for step in map(json.loads, lines)}


def python(name):
    return "/usr/bin/python3", CLIENTS / "python" / name


def node(name):
    return "node", CLIENTS / "node" / name


def ask(berth, method, path, body=None, type="application/json"):
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return berth.admin.request(method, path, headers={"Content-Type": type}, body=data)


def make(berth, **config):
    answer = ask(berth, "POST", "/containers", {"image": PYTHON, **config})
    assert answer.status == 201, answer
    return answer.json["cuid"]


def upload(berth, cuid, files):
    path = berth.directory / "upload.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    answer = ask(berth, "POST", f"/containers/{cuid}/upload-zip", path.read_bytes(),
                 "application/zip")
    assert answer.status == 200, answer


def is_container(answer, status):
    assert set(answer) == FIELDS
    assert CUID.fullmatch(answer["cuid"]) and answer["status"] == status
    assert answer["owner"] == USER and answer["project"] is False
    assert has_zone(answer["created_at"]) and has_zone(answer["updated_at"])
    return all(has_zone(answer[field]) for field in ("started_at", "finished_at") if answer[field])


def has_zone(text):
    assert datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).tzinfo
    return True


def fetch(engine, port):
    address = f"http://{engine.address}:{port}/config.json"

    def page():
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            return None
    return wait_until(page, what=address)


def log_of(berth, cuid):
    name = next(n for n in berth.admin.get("/get-app-names").json if n.startswith(cuid))
    return berth.admin.get("/get-app-logs", name=name).text


def logged(berth, is_it):
    """The line of the log of actions, which is written after the answer."""
    return wait_until(lambda: next(filter(is_it, berth.actions()), None), what="a line of the log")


@contextlib.contextmanager
def waiting(name, step, environment):
    """What a program of Python saw up to a step, after which it waits until this block has ended;
    then also what it saw after that."""
    process = subprocess.Popen(python(name), env=environment, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        saw = {}
        while step not in saw:
            line = process.stdout.readline()
            assert line, saw
            saw |= seen([line])
        yield saw
        saw |= seen(process.communicate("\n", timeout=TIMEOUT_S)[0].splitlines())
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


# Python


@pytest.mark.parametrize("base", ["", "/lab"])
def test_python_lives_through_a_container(berth, engine, base):
    with waiting("lifecycle.py", "running", environment(berth, base)) as saw:
        cuid = saw["create"]["answer"]["cuid"]
        page = fetch(engine, 13001)
        for line in (f"container {cuid} is up\n", "tags: web,production\n"):
            wait_until(lambda: line in log_of(berth, cuid), what=line)
    assert page == b'{"setting": "value"}'

    assert {step: facts["status"] for step, facts in saw.items()} == {
        "create": 201, "upload": 200, "ports": 200, "start": 200, "status": 200, "pause": 200,
        "unpause": 200, "restart": 200, "running": 200, "kill": 200, "stop": 200, "delete": 200,
        "gone": 404}
    answers = {step: facts["answer"] for step, facts in saw.items()}
    for step, status in (("create", "created"), ("ports", "created"), ("start", "running"),
                         ("pause", "paused"), ("unpause", "running"), ("restart", "running"),
                         ("running", "running"), ("kill", "exited"), ("stop", "exited")):
        assert is_container(answers[step], status), step
    created = answers["create"]
    assert created["image"] == PYTHON and created["tags"] == ["web", "production"]
    assert created["env"] == {"APP_ENV": "production", "DEBUG": "false"}
    assert created["resources"] == {"cpus": 1.0, "memory": "4096m", "pids": 2048}
    assert created["ports"] == [{"host": 18083, "container": 80, "protocol": "tcp"}]
    assert created["started_at"] is None and created["exit_code"] is None
    assert answers["ports"]["ports"] == [{"host": 13001, "container": 80, "protocol": "tcp"},
                                         {"host": 19001, "container": 9000, "protocol": "udp"}]
    assert set(answers["status"]) == STATUS_FIELDS and answers["status"]["status"] == "running"
    assert answers["status"]["pid"] > 0 and has_zone(answers["status"]["started_at"])
    assert answers["kill"]["exit_code"] == 137 and has_zone(answers["kill"]["finished_at"])
    assert isinstance(answers["upload"], dict) and isinstance(answers["delete"], dict)
    assert answers["gone"]["error"] == "not_found"
    assert not (berth.data / "lab" / cuid).exists()


def test_python_deploys_and_runs(berth):
    with waiting("deploy.py", "stop", environment(berth)) as saw:
        cuid = saw["create"]["answer"]["cuid"]
        log = log_of(berth, cuid)
    assert saw["create"]["status"] == 201
    assert {saw[step]["status"] for step in ("upload", "start", "stop", "delete")} == {200}
    assert saw["terminal"]["shown"]  # the shell's prompt
    assert saw["up"]["status"] == 200
    assert saw["stop"]["answer"]["status"] == "exited" and saw["stop"]["answer"]["exit_code"] == 0
    assert f"hello from container {cuid} in production\nround 1\n" in log and "done\n" in log


def test_python_makes_several_at_once(run):
    saw = run(*python("batch.py"))
    assert [status for status, _ in saw["create"]["answers"]] == [201] * 3
    assert [container["image"] for _, container in saw["create"]["answers"]] == list(TO_PULL)
    assert len({container["cuid"] for _, container in saw["create"]["answers"]}) == 3
    assert [status for status, _ in saw["delete"]["answers"]] == [200] * 3


def test_python_monitors_health(run):
    health = run(*python("health.py"))["health"]
    assert health["status"] == 200 and set(health["answer"]) == {
        "status", "version", "compose_version", "engine_version", "uptime_s"}
    assert health["answer"]["compose_version"].startswith("2.")
    assert health["answer"]["engine_version"].startswith("26.1")


def test_python_types_into_a_terminal(run, berth, running):
    stopped = make(berth)
    saw = run(*python("terminal.py"), running, stopped)
    use = saw["use"]
    assert "last words\r\n" in use["shown"] and use["code"] == 3 and use["close_code"] == 1000
    error, exit = use["others"]
    assert exit == {"type": "exit", "code": 3}
    assert error["type"] == "error" and is_error(error["error"], "validation_error", 400)
    assert saw["follow"] == {"writer_code": 0, "close_code": 1000}
    assert saw["stopped"]["close_code"] == 1008
    [error] = saw["stopped"]["others"]
    assert error["type"] == "error" and is_error(error["error"], "state_error", 422)
    ask(berth, "DELETE", f"/containers/{stopped}")


ERRORS = {
    "no credentials": (401, "auth_error", None),
    "wrong password": (401, "auth_error", None),
    "unknown container": (404, "not_found", None),
    "unknown path": (404, "not_found", None),
    "wrong method": (405, "validation_error", None),
    "no image": (400, "validation_error", "MISSING_IMAGE"),
    "absent image": (400, "validation_error", "IMAGE_NOT_FOUND"),
    "no JSON": (400, "validation_error", None),
    "port out of range": (400, "validation_error", "INVALID_PORT"),
    "port in use": (409, "conflict", "PORT_IN_USE"),
    "memory without sense": (400, "validation_error", None),
    "no boot.py": (422, "state_error", "NO_BOOT_FILE"),
    "not running": (422, "state_error", None),
    "bad cursor": (400, "validation_error", None),
    "bad archive": (400, "validation_error", "BAD_ARCHIVE"),
    "path that leads out": (400, "validation_error", "PATH_ESCAPE"),
    "absent file": (404, "not_found", None),
}


def is_error(answer, error, status):
    assert set(answer) - {"stacktrace"} == {
        "error", "code", "message", "status", "request_id", "timestamp", "details"}
    assert (answer["error"], answer["status"]) == (error, status), answer
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", answer["code"]) and answer["message"]
    assert answer["request_id"] and has_zone(answer["timestamp"])
    assert isinstance(answer["details"], dict) and "stacktrace" not in answer
    return True


def test_python_is_told_what_is_wrong(run, berth):
    saw = run(*python("errors.py"))
    made = saw.pop("made")
    assert is_container(made["answer"], "created") and set(made["status_of_made"]) == STATUS_FIELDS
    assert made["status_of_unknown"] is None and run.errors.startswith("refused: ")
    found = {step: (facts["status"], facts["answer"]["error"],
                    facts["answer"]["code"] if ERRORS[step][2] else None)
             for step, facts in saw.items()}
    assert found == ERRORS
    for step, facts in saw.items():
        assert is_error(facts["answer"], facts["answer"]["error"], facts["status"]), step
        assert facts["headers"]["X-Request-Id"] == facts["answer"]["request_id"]
    assert saw["no image"]["answer"]["details"] == {"field": "image", "provided": None}
    assert "Basic" in saw["no credentials"]["headers"]["WWW-Authenticate"]
    assert "PATCH" in saw["wrong method"]["headers"]["Allow"]
    wrong_id = saw["wrong password"]["answer"]["request_id"]
    wrong = logged(berth, lambda line: line["request_id"] == wrong_id)
    assert "auth_error" in wrong["error"] and wrong["duration_ms"] >= 0


# Node


def test_node_lists_page_by_page(berth, run, running):
    made = [make(berth) for _ in range(4)]
    saw = run(*node("list.js"), 3, "created", "running")
    pages = [saw["page 1"], saw["page 2"]]
    listed = [container["cuid"] for page in pages for container in page["containers"]]
    assert listed == [*reversed(made), running]
    assert [len(page["containers"]) for page in pages] == [3, 2]
    assert pages[-1]["next_cursor"] is None
    assert all(is_container(container, container["status"])
               for page in pages for container in page["containers"])
    assert run(*node("list.js"), 3, "paused") == {"page 1": {"containers": [], "next_cursor": None}}
    for cuid in made:
        assert ask(berth, "DELETE", f"/containers/{cuid}").status == 200


def test_node_downloads(run, running, tmp_path):
    saw = run(*node("download.js"), running, "data/big", tmp_path / "big",
              "data", tmp_path / "data.zip")
    assert (tmp_path / "big").read_bytes() == bytes(range(256)) * 4096
    assert saw["directory"]["headers"]["content-type"] == "application/zip"
    with zipfile.ZipFile(tmp_path / "data.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("config.json") == b'{"setting": "value"}'


def test_node_executes_a_command(run, running):
    result = run(*node("execute.js"), running, "ls -la /app && false")["execute"]
    assert "boot.py" in result["stdout"] and result["stderr"] == "" and result["exitCode"] == 1


# Go


def test_go_updates(run, running):
    saw = run("go", "run", CLIENTS / "go" / "update.go", running)["update"]
    assert saw["status"] == 200 and is_container(saw["answer"], "running")
    assert saw["answer"]["env"] == {"NEW_VAR": "value", "KEPT": "yes"}
    assert saw["answer"]["tags"] == ["updated", "v2"]
    assert saw["answer"]["resources"]["cpus"] == 0.5
    assert saw["answer"]["resources"]["memory"] == "8192m"


# Ruby


def test_ruby_controls(run, berth, engine, running):
    actions = {"stop": "exited", "start": "running", "pause": "paused", "unpause": "running",
               "restart": "running"}
    control = ("ruby", CLIENTS / "ruby" / "control.rb", running)
    saw = run(*control, "stop", "start")
    # Until the engine's init has a child: before, no process 1 hears a signal.
    wait_until(lambda: engine.docker("top", f"{running}--{USER}").count("\n") > 1)
    saw |= run(*control, "pause", "unpause", "restart")
    assert {step: (facts["status"], facts["answer"]["status"]) for step, facts in saw.items()} == {
        action: (200, status) for action, status in actions.items()}
    assert logged(berth, lambda line: line["path"].endswith(f"{running}/restart"))[
        "duration_ms"] < 9000  # told to end as soon as it had begun, it did


# What the app itself sees


def test_an_app_starts_though_its_requirements_are_not_to_be_had(berth):
    cuid = make(berth)
    upload(berth, cuid, {"boot.py": SLEEPER,
                         "requirements.txt": b"requests==2.31.0\nnumpy==1.24.0\n"})
    assert berth.admin.post(f"/containers/{cuid}/start").status == 200
    wait_until(lambda: "up\n" in log_of(berth, cuid), 40, "boot.py to run")
    assert "requirements.txt" in log_of(berth, cuid)
    assert ask(berth, "DELETE", f"/containers/{cuid}").status == 200
