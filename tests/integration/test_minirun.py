# SPDX-License-Identifier: MIT
"""The MiniRun API on real root file systems, line by line of what it promises; and programs as its
readers would write them (tests/clients), which work unchanged."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess

import pytest

from harness import BINARY, wait_until
from lab import Rootfs

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "clients"
MEMBERS = ["name", "rootfs", "command", "status", "created_at"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
SLEEPER = "/bin/sh -c 'trap \"exit 5\" TERM; echo up; sleep 600 & wait'"
LONG = "n" * 64
FOREIGN = "https://portal.example.org"


class Api:
    """One caller's view of one base path; answers are (status, object)."""

    def __init__(self, client, base=""):
        self.client = client
        self.base = base

    def __call__(self, method, path, body=None, headers=None, **params):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.client.request(method, f"{self.base}/{path}", params, headers, data)
        assert answer.type == "application/json", answer
        return answer.status, answer.json

    def create(self, name, **members):
        status, made = self("POST", "containers", {"name": name, **members})
        assert status == 200, made
        return made["data"]

    def act(self, name, action):
        return self("POST", f"containers/{name}/{action}")

    def run(self, name):
        status, answer = self("POST", f"containers/{name}/start", detach="true")
        assert status == 200, answer
        return answer["data"]

    def get(self, name):
        status, found = self("GET", f"containers/{name}")
        assert status == 200 and found["message"] == "Container found", found
        return found["data"]

    def names(self):
        status, listed = self("GET", "containers")
        assert status == 200
        assert listed["message"] == f"Found {len(listed['data'])} container(s)"
        return [container["name"] for container in listed["data"]]

    def clear(self):
        for name in self.names():
            self.act(name, "kill")
            assert self("DELETE", f"containers/{name}")[0] == 200


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The default root file system, one called second, and in their folder what may not be run."""
    with Rootfs() as roots:
        roots.add("second")
        (roots.root / "way-out").symlink_to(tmp_path_factory.mktemp("outside"))
        (roots.root / "file").write_text("")
        before = roots.digest()
        yield roots
        assert roots.digest() == before  # nothing was written there


@pytest.fixture(scope="module")
def berth(module_gateway, roots):
    """lab at the root, which asks nobody who it is; own: users, two apps each."""
    common = {"backend": "rootfs", "rootfs": roots.path, "rootfs_roots": roots.root}
    return module_gateway({"lab": {**common, "auth": "open"},
                           "own": {**common, "max_apps_per_user": 2},
                           "demo": {"backend": "memory"}},
                          settings={"gateway": {"root_facility": "lab"}})


@pytest.fixture(scope="module")
def users(berth):
    roles = {"ana": "researcher", "bob": "researcher", "vera": "viewer", "oli": "operator",
             "ada": "admin"}
    return {name: berth.user(name, own=role) for name, role in roles.items()}


@pytest.fixture
def lab(berth):
    lab = Api(berth.anyone)
    yield lab
    lab.clear()


@pytest.fixture
def own(users):
    """own("ana"): her view of facility own."""
    yield lambda user: Api(users[user], "/own")
    Api(users["oli"], "/own").clear()


def ok(answer, message):
    """The data of a success."""
    status, envelope = answer
    assert (status, envelope["success"], envelope["message"]) == (200, True, message), answer
    assert list(envelope) == ["success", "message", "data"]
    return envelope["data"]


def refused(answer, status, error=None):
    assert answer[0] == status and list(answer[1]) == ["success", "error"], answer
    assert answer[1]["success"] is False
    assert error is None or answer[1]["error"] == error
    return True


# As the document has it


def test_a_container_from_beginning_to_end(lab, roots, berth):
    made = ok(lab("POST", "containers", {"name": "webapp", "command": "/bin/sh"}),
              "Container created successfully")
    assert list(made) == MEMBERS
    assert made == {"name": "webapp", "rootfs": str(roots.path), "command": "/bin/sh",
                    "status": "created", "created_at": made["created_at"]}
    assert TIME.fullmatch(made["created_at"])
    assert refused(lab("POST", "containers", {"name": "webapp"}), 409,
                   "Container 'webapp' already exists")
    assert ok(lab("GET", "containers"), "Found 1 container(s)") == [made]
    assert ok(lab("GET", "containers/webapp"), "Container found") == made

    how = ok(lab.act("webapp", "start"), "Container start information")
    assert list(how) == ["message", "command", "cli"]
    assert how["message"] == "Container start requires interactive terminal"
    assert how["cli"] == "berth run lab webapp"
    assert how["command"].startswith("sudo /")
    assert lab.get("webapp") == made  # nothing has changed

    assert ok(lab("DELETE", "containers/webapp"), "Container deleted successfully") == {
        "name": "webapp"}
    assert refused(lab("GET", "containers/webapp"), 404, "Container 'webapp' not found")
    assert ok(lab("GET", "containers"), "Found 0 container(s)") == []
    assert refused(lab("DELETE", "containers/webapp"), 404, "Container 'webapp' not found")
    assert refused(lab.act("webapp", "start"), 404, "Container 'webapp' not found")


def test_defaults(lab, roots):
    for number, body in enumerate(({}, {"rootfs": "", "command": ""}, {"rootfs": None, "x": [1]})):
        made = lab.create(f"app{number}", **body)
        assert (made["rootfs"], made["command"]) == (str(roots.path), "/bin/bash")


def test_the_oldest_comes_first(lab):
    for name in ("zeta", "alpha", "mu"):
        lab.create(name)
    assert lab.names() == ["zeta", "alpha", "mu"]


def test_it_runs_and_ends(lab, berth):
    lab.create("app", command=SLEEPER)
    running = lab.run("app")
    assert running["status"] == "running" and TIME.fullmatch(running["started_at"])
    assert list(running) == [*MEMBERS, "started_at"]
    wait_until(lambda: "up" in berth.anyone.get("/lab/get-app-logs", name="app").text)
    assert refused(lab("POST", "containers/app/start", detach="true"), 409,
                   "Container 'app' is running")
    assert refused(lab("DELETE", "containers/app"), 409, "Container 'app' is running")
    killed = ok(lab.act("app", "kill"), "Container killed successfully")
    assert (killed["status"], killed["exit_code"]) == ("stopped", 137)
    for action in ("stop", "kill"):
        assert refused(lab.act("app", action), 409, "Container 'app' is not running")
    lab.run("app")
    wait_until(lambda: berth.anyone.get("/lab/get-app-logs", name="app").text.count("up") == 2)
    stopped = ok(lab.act("app", "stop"), "Container stopped successfully")
    assert (stopped["status"], stopped["exit_code"]) == ("stopped", 5)
    assert TIME.fullmatch(stopped["finished_at"])


@pytest.mark.parametrize("command, code", [
    ("/bin/sh -c 'exit 7'", 7),
    ("sh -c \"test $0 = '$HOME' && exit 3\" '$HOME'", 3),
    ("/bin/true", 0),
])
def test_an_exit_is_told_with_its_code(lab, command, code):
    assert lab.create("app", command=command)["command"] == command
    lab.run("app")
    ended = wait_until(lambda: (now := lab.get("app"))["status"] == "stopped" and now)
    assert ended["exit_code"] == code


def test_what_it_writes_is_its_own(lab, roots):
    lab.create("app", command="/bin/sh -c 'echo mine > /mine; cat /mine'")
    lab.run("app")
    wait_until(lambda: lab.get("app")["status"] == "stopped")
    assert lab.get("app")["exit_code"] == 0 and not (roots.path / "mine").exists()


def test_it_outlives_the_gateway(lab, berth):
    lab.create("app", command=SLEEPER)
    before = lab.run("app")
    lab.create("other")
    berth.stop()
    berth.start()
    assert lab.get("app") == before
    assert lab.names() == ["app", "other"]


# What is refused


@pytest.mark.parametrize("body, error", [
    (b"", "Invalid request body: "),
    (b"{", "Invalid request body: "),
    (b"name=webapp", "Invalid request body: "),
    (b"[]", "Invalid request body: "),
    (b'{"name": 7}', "Invalid request body: "),
    (b'{"name": "a", "command": ["sh"]}', "Invalid request body: "),
    (b'{"name": "a", "rootfs": "/a\\u0007"}', "Invalid request body: "),
    (b"{}", "Container name is required"),
    (b'{"name": ""}', "Container name is required"),
    *((json.dumps({"name": name}).encode(), "Container name must be 1 to 64 letters")
      for name in ("..", "../webapp", "a/b", "-a", ".a", "a b", "a\n", "a\0", "ä", LONG + "n")),
    (b'{"name": "a", "command": "sh -c \'x"}', ""),
    (b'{"name": "a", "command": "  "}', ""),
])
def test_a_body_that_is_wrong(lab, berth, body, error):
    before = sorted((berth.data / "lab").iterdir()) if (berth.data / "lab").exists() else []
    answer = lab("POST", "containers", body)
    assert refused(answer, 400) and answer[1]["error"].startswith(error), answer
    assert lab.names() == []
    after = sorted((berth.data / "lab").iterdir()) if (berth.data / "lab").exists() else []
    assert after == before


def test_a_body_that_is_too_long(lab):
    assert refused(lab("POST", "containers", b'{"name": "a", "x": "' + b"x" * 70000 + b'"}'), 413)


def test_names_at_their_bounds(lab):
    for name in (LONG, "7", "A.b_c-"):
        assert lab.create(name)["name"] == name
    for path in ("containers/", "containers/..%2f..", f"containers/{LONG}n", f"containers/{'n' * 400}",
                 "containers/%00", "containers/a%20b"):
        assert refused(lab("GET", path), 400), path
        assert refused(lab("DELETE", path), 400), path


@pytest.mark.parametrize("path", ["/etc", "/", "{roots}", "{roots}/../../etc", "{roots}/way-out",
                                  "{roots}/file", "{roots}/nothing", "{roots}/busybox/../../../etc",
                                  "busybox", "../etc", "/proc/self/root"])
def test_a_root_file_system_elsewhere(lab, roots, path):
    answer = lab("POST", "containers", {"name": "thief", "rootfs": path.format(roots=roots.root)})
    assert refused(answer, 400)
    assert lab.names() == []


def test_a_root_file_system_beneath_the_roots(lab, roots):
    path = str(roots.root / "second")
    assert lab.create("app", rootfs=path, command="/bin/true")["rootfs"] == path
    lab.run("app")
    wait_until(lambda: lab.get("app").get("exit_code") == 0)


def test_a_start_and_a_deletion_at_once(lab):
    """One of them is done: never is there a container that was started and is gone."""
    start = ("POST", "containers/app/start")
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for is_started_first in (True, False, True, False, True, True):
            lab.create("app", command=SLEEPER)
            calls = [lambda: lab(*start, detach="true"), lambda: lab("DELETE", "containers/app")]
            asked = [pool.submit(call) for call in (calls if is_started_first else calls[::-1])]
            answers = [each.result() for each in asked]
            started, deleted = answers if is_started_first else answers[::-1]
            outcomes.append((started[0], deleted[0]))
            if deleted[0] == 200:
                assert refused(started, 404, "Container 'app' not found")
                continue
            assert ok(started, "Container started successfully")["status"] == "running"
            assert refused(deleted, 409, "Container 'app' is running")
            assert lab.get("app")["status"] == "running"
            lab.clear()
    assert set(outcomes) <= {(200, 409), (404, 200)}


def test_paths_and_methods(lab, berth):
    for path in ("nothing", "containers/a/b/c", "lab/nothing", "containers/a/status",
                 "own/containers/a/download", "own/healthz"):  # some of which compose has
        assert refused(lab("GET", path), 404), path
    assert refused(lab("PATCH", "containers/a/ports", {}), 404)
    for method, path, allowed in (("PUT", "containers", "GET, HEAD, POST, OPTIONS"),
                                  ("PATCH", "containers/a", "GET, HEAD, DELETE, OPTIONS"),
                                  ("GET", "containers/a/start", "POST, OPTIONS"),
                                  ("POST", "health", "GET, HEAD, OPTIONS"),
                                  ("DELETE", "", "GET, HEAD, OPTIONS")):
        answer = berth.anyone.request(method, f"/{path}")
        assert answer.status == 405 and answer.headers["Allow"] == allowed, path
        assert answer.json["success"] is False
    head = berth.anyone.request("HEAD", "/containers")
    assert head.status == 200 and head.text == "" and int(head.headers["Content-Length"]) > 0
    assert berth.anyone.get("/demo/containers").status == 400  # in memory there is no such family
    assert berth.anyone.get("/get-app-names").json == []  # the facility API is there as well


# Whose they are


def test_everybody_has_own_ones(own, users, berth):
    ana, bob, oli = own("ana"), own("bob"), own("oli")
    ana.create("hers", command=SLEEPER)
    bob.create("his")
    assert (ana.names(), bob.names(), oli.names()) == (["hers"], ["his"], ["hers", "his"])
    for answer in (bob("GET", "containers/hers"), bob("DELETE", "containers/hers"),
                   bob.act("hers", "start"), bob.act("hers", "kill")):
        assert refused(answer, 404, "Container 'hers' not found")
    assert refused(bob("POST", "containers", {"name": "hers"}), 409,
                   "Container 'hers' already exists")
    assert refused(own("vera")("POST", "containers", {"name": "a"}), 403)
    assert refused(Api(berth.anyone, "/own")("GET", "containers"), 401)
    ana.create("second")
    assert refused(ana("POST", "containers", {"name": "third"}), 403)
    assert oli.act("hers", "start")[0] == 200
    assert users["ana"].get("/own/get-app-names").json == ["second", "hers"]
    wait_until(lambda: {line["user"] for line in berth.actions() if line["target"] == "hers"}
               >= {"bob", "oli"})


def test_both_apis_are_about_the_same_apps(own, users, roots):
    ana = own("ana")
    client = users["ana"]
    assert client.post("/own/create-app", image="second", user="ana").text == "Success"
    [made] = ana("GET", "containers")[1]["data"]
    assert (made["name"], made["rootfs"], made["status"]) == (
        "second--ana", str(roots.root / "second"), "created")
    ana.create("webapp", command=SLEEPER)
    assert client.post("/own/start-app", name="webapp").text == "Success"
    assert ana.get("webapp")["status"] == "running"
    assert client.post("/own/pause-app", name="webapp").text == "Success"
    assert ana.get("webapp")["status"] == "running"
    status = client.get("/own/get-app-status", name="webapp").json
    assert (status["Names"], status["State"]) == ("webapp", "paused")
    assert client.post("/own/hard-reset-app", name="webapp").text == "Success"
    assert ana.get("webapp")["command"] == SLEEPER


def test_there_are_no_images(users):
    for method, endpoint, params in (
            ("GET", "get-images", {}), ("GET", "get-image-requests", {}),
            ("POST", "request-image", {"image": "second"}), ("POST", "approve-image", {"id": 1}),
            ("POST", "reject-image", {"id": 1}), ("POST", "remove-image", {"id": 1})):
        answer = users["ada"].request(method, f"/own/{endpoint}", params)
        assert (answer.status, answer.text) == (
            400, f"{endpoint} endpoint incompatible with rootfs mode")
    answer = users["ana"].post("/own/create-app", image="second", version="7", user="ana")
    assert answer.status == 400 and "no versions" in answer.text


def test_the_first_answer_comes_again(lab):
    key = {"Idempotency-Key": "once"}
    first = lab("POST", "containers", {"name": "webapp"}, key)
    assert lab("POST", "containers", {"name": "webapp"}, key) == first
    assert refused(lab("POST", "containers", {"name": "another"}, key), 422)
    assert lab.names() == ["webapp"]


# What there is


def test_what_there_is(lab, berth):
    told = ok(lab("GET", ""), "MiniRun Orchestrator API")
    assert list(told) == ["service", "version", "endpoints"]
    assert {"GET    /health", "POST   /containers", "DELETE /containers/{name}",
            "POST   /containers/{name}/start"} <= set(told["endpoints"])
    for accept in ("text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"):
        answer = berth.anyone.request("GET", "/", headers={"Accept": accept})
        assert answer.type == "text/plain" and "The MiniRun API" in answer.text
    assert Api(berth.anyone, "/own")("GET", "") == lab("GET", "")


def test_health(lab, berth):
    told = ok(lab("GET", "health"), "Service is healthy")
    assert told["status"] == "healthy" and told["version"]
    assert re.fullmatch(r"(\d+h)?(\d+m)?\d+s", told["uptime"])
    assert ok(Api(berth.anyone, "/own")("GET", "health"), "Service is healthy")
    assert subprocess.run(["curl", "-sf", f"http://127.0.0.1:{berth.port}/health"],
                          capture_output=True).returncode == 0


# Pages of other origins


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/containers", 200), ("GET", "/health", 200), ("GET", "/", 200),
    ("GET", "/containers/nobody", 404), ("GET", "/nothing", 404), ("PUT", "/containers", 405),
    ("GET", "/own/containers", 401), ("POST", "/containers", 403),
])
def test_pages_of_all_origins_may_read(berth, method, path, status):
    answer = berth.anyone.request(method, path, headers={"Origin": FOREIGN})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


def test_a_preflight(berth):
    for path in ("/containers", "/containers/webapp", "/containers/webapp/start", "/health", "/"):
        answer = berth.anyone.request("OPTIONS", path, headers={
            "Origin": FOREIGN, "Access-Control-Request-Method": "DELETE",
            "Access-Control-Request-Headers": "content-type"})
        assert answer.status == 200, path
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert {"GET", "POST", "DELETE", "OPTIONS"} <= set(
            answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert {"Content-Type", "Authorization"} <= set(
            answer.headers["Access-Control-Allow-Headers"].split(", "))


def test_other_families_are_not_for_them(berth):
    for path in ("/get-app-names", "/lab/get-app-names", "/livez", "/healthz", "/demo/get-users"):
        answer = berth.anyone.request("GET", path, headers={"Origin": FOREIGN})
        assert not [name for name in answer.headers if name.startswith("Access-Control-")], path


# The log of requests


def test_requests_are_told(lab, berth):
    lab("GET", "containers/begin")
    lab("GET", "containers", secret="word")
    berth.anyone.get("/demo/get-users")
    lab("DELETE", "containers/end")
    told = wait_until(lambda: re.search(r"/end completed in .*ms\n", text := berth.errors) and text)
    told = told.partition("/begin completed")[2].partition("\n")[2]
    assert re.fullmatch(r"\[GET\] /containers 127\.0\.0\.1:\d+\n"
                        r"\[GET\] /containers completed in \d+\.\d{3}ms\n"
                        r"\[DELETE\] /containers/end 127\.0\.0\.1:\d+\n"
                        r"\[DELETE\] /containers/end completed in \d+\.\d{3}ms\n", told), told


def test_settings_narrow_who_may_read_and_widen_the_log(gateway, roots):
    lab = {"backend": "rootfs", "rootfs": roots.path, "auth": "open"}
    berth = gateway({"lab": lab, "demo": {"backend": "memory", "auth": "open"}},
                    settings={"gateway": {"cors_origins": FOREIGN}, "log": {"requests": "all"}})
    for origin, allowed in ((FOREIGN, FOREIGN), ("https://other.example.org", None), (None, None)):
        answer = berth.anyone.get("/lab/containers", headers=origin and {"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == allowed
        assert answer.headers["Vary"] == "Origin"
    made = berth.anyone.request("POST", "/lab/containers", headers={"Origin": FOREIGN},
                                body=b'{"name": "app"}')
    assert made.status == 200
    assert berth.anyone.request("DELETE", "/lab/containers/app").status == 200
    berth.anyone.get("/demo/get-users", secret="word")
    wait_until(lambda: "[GET] /demo/get-users completed in " in berth.errors)
    assert "secret" not in berth.errors


def test_no_request_is_told_where_none_is_asked_for(gateway):
    berth = gateway({"demo": {"backend": "memory"}}, settings={"log": {"requests": "none"}})
    assert berth.anyone.get("/health").status == 200
    berth.stop()
    assert "/health" not in berth.errors


# Programs of its readers


@pytest.fixture
def run(berth, lab):
    """run(COMMAND...): what a program printed."""
    def run(*command):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8",
                       "PYTHONDONTWRITEBYTECODE": "1", "BERTH_USER": "", "BERTH_PASSWORD": "",
                       "BERTH_URL": f"http://127.0.0.1:{berth.port}"}
        done = subprocess.run([str(word) for word in command], env=environment, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()
    return run


def steps(lines):
    return {step.pop("step"): step for step in map(json.loads, lines)}


def test_curl(run):
    saw = {step: json.loads(answer) for step, answer in
           (line.split(" ", 1) for line in run(CLIENTS / "shell/minirun.sh"))}
    assert {step: answer["success"] for step, answer in saw.items()} == {
        "health": True, "create": True, "again": False, "list": True, "one": True, "start": True,
        "delete": True, "gone": False}
    assert saw["list"]["data"] == [saw["create"]["data"]] == [saw["one"]["data"]]
    assert saw["gone"]["error"] == "Container 'shellapp' not found"


def test_python(run):
    saw = steps(run("/usr/bin/python3", CLIENTS / "python/minirun.py"))
    assert saw["names"] == {"names": ["pythonapp"]}
    assert saw["cli"] == {"line": "berth run lab pythonapp"}
    assert {step: facts["status"] for step, facts in saw.items() if "status" in facts} == {
        "create": 200, "list": 200, "nameless": 400, "broken": 400, "start": 200, "run": 200,
        "refused": 409, "kill": 200, "delete": 200, "gone": 404}
    for step in ("nameless", "broken", "refused", "gone"):
        assert saw[step]["answer"]["success"] is False
        assert saw[step]["headers"]["Access-Control-Allow-Origin"] == "*"


def test_node(run):
    saw = steps(run("node", CLIENTS / "node/minirun.js"))
    assert [container["name"] for container in saw["page"]["containers"]] == ["nodeapp"]
    assert (saw["create"]["status"], saw["delete"]["status"], saw["gone"]["status"]) == (
        200, 200, 404)
    assert saw["preflight"]["status"] == 200
    assert saw["preflight"]["headers"]["access-control-allow-origin"] == "*"


def test_what_start_says_works(lab, berth):
    lab.create("app", command="/bin/sh -c 'echo hello; exit 3'")
    told = lab.act("app", "start")[1]["data"]
    for line in (told["command"].removeprefix("sudo "), told["cli"]):
        environment = {**os.environ, "BERTH_CONFIG": str(berth.config),
                       "PATH": f"{pathlib.Path(BINARY).parent}:{os.environ['PATH']}"}
        done = subprocess.run(["script", "-qec", line, "/dev/null"], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, env=environment)
        assert done.returncode == 3 and "hello" in done.stdout, done
        wait_until(lambda: lab.get("app").get("exit_code") == 3)
