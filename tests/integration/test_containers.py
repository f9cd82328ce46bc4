# SPDX-License-Identifier: MIT
"""The containers API on a real engine with real Docker Compose, line by line of what it promises."""

import io
import json
import re
import socket
import threading
import zipfile

import pytest

from harness import wait_until
from lab import Engine, compose

IMAGE = "python:3.12-slim"
BOOT = b"import signal, time\nprint('up', flush=True)\nwhile True: time.sleep(60)\n"
UNKNOWN = "c00000000-0000-4000-8000-000000000000"
MEMBERS = ["cuid", "image", "status", "env", "tags", "resources", "ports", "created_at",
           "updated_at", "started_at", "finished_at", "exit_code", "owner", "project"]
ERROR = ["error", "code", "message", "status", "request_id", "timestamp", "details"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)"


class Api:
    """One user's view of one base path; answers are (status, object)."""

    def __init__(self, client, base):
        self.client = client
        self.base = base

    def __call__(self, method, path, body=None, headers=None, **params):
        sent = {"Content-Type": "application/json", **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        answer = self.client.request(method, f"{self.base}/{path}", params, sent, data)
        assert answer.type == "application/json", answer
        return answer.status, answer.json

    def create(self, **members):
        status, made = self("POST", "containers", {"image": IMAGE, **members})
        assert status == 201, made
        return made

    def act(self, cuid, action):
        return self("POST", f"containers/{cuid}/{action}")

    def boot(self, cuid, text=BOOT):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("boot.py", text)
        answer = self.client.request("POST", f"{self.base}/containers/{cuid}/upload-zip", None,
                                     {"Content-Type": "application/zip"}, archive.getvalue())
        assert answer.status == 200, answer

    def start(self, cuid):
        """Returns when boot.py runs: until then nobody listens to SIGTERM."""
        assert self.act(cuid, "start")[0] == 200
        self.await_boot(cuid)

    def await_boot(self, cuid):
        log = f"{self.base or '/lab'}/get-app-logs"
        wait_until(lambda: "up" in self.client.get(log, name=f"{cuid}--ana").text.split())

    def cuids(self, **params):
        status, page = self("GET", "containers", **params)
        assert status == 200, page
        return [container["cuid"] for container in page["containers"]]


@pytest.fixture(scope="module")
def engine():
    with Engine("26.1", registry=True) as engine:
        engine.import_image("berth/demo")
        engine.import_python_image(IMAGE)
        yield engine


@pytest.fixture(scope="module")
def berth(module_gateway, engine):
    """lab at the root, every image; strict: approved images, bounds, one app a user."""
    common = {"backend": "compose", "engine": engine.url, "compose": compose()}
    return module_gateway(
        {"lab": {**common, "image_policy": "open"},
         "strict": {**common, "max_apps_per_user": 1, "app_memory_bytes": "512m", "app_pids": 100},
         "solo": {"engine": engine.url}},
        settings={"gateway": {"root_facility": "lab"}, "uptime": {"sample_interval_s": 1}})


@pytest.fixture(scope="module")
def users(berth):
    roles = {"ana": "researcher", "bob": "researcher", "vera": "viewer", "oli": "operator"}
    return {name: berth.user(name, lab=role, strict=role) for name, role in roles.items()} | {
        "nils": berth.user("nils"), "root": berth.admin}


@pytest.fixture
def api(users):
    """api(user, base path); what was made is deleted."""
    yield lambda user="ana", base="": Api(users[user], base)
    for base in ("/lab", "/strict"):
        admin = Api(users["root"], base)
        for cuid in admin.cuids(limit=200):
            assert admin("DELETE", f"containers/{cuid}")[0] == 200


@pytest.fixture
def ana(api):
    return api("ana")


def refused(answer, status, error, code):
    """Checks an error's object; returns its details."""
    assert (answer[0], answer[1]["error"], answer[1]["code"]) == (status, error, code), answer
    assert [name for name in answer[1] if name != "stacktrace"] == ERROR
    assert answer[1]["status"] == status
    assert re.fullmatch(TIME, answer[1]["timestamp"])
    return answer[1]["details"]


def test_a_container_from_beginning_to_end(ana):
    made = ana.create(env={"APP_ENV": "test"}, tags=["web", "x y"],
                      resources={"cpus": 0.5, "memory": "256m", "pids": 64},
                      ports=[{"host": 18080, "container": 80}])
    cuid = made["cuid"]
    assert list(made) == MEMBERS
    assert re.fullmatch(r"c[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", cuid)
    assert {**made, "cuid": "", "created_at": "", "updated_at": ""} == {
        "cuid": "", "image": IMAGE, "status": "created", "env": {"APP_ENV": "test"},
        "tags": ["web", "x y"], "resources": {"cpus": 0.5, "memory": "256m", "pids": 64},
        "ports": [{"host": 18080, "container": 80, "protocol": "tcp"}], "created_at": "",
        "updated_at": "", "started_at": None, "finished_at": None, "exit_code": None,
        "owner": "ana", "project": False}
    assert re.fullmatch(TIME, made["created_at"])
    assert ana("GET", f"containers/{cuid}") == (200, made)
    assert ana("GET", "containers")[1] == {"containers": [made], "next_cursor": None}

    # Without boot.py it cannot run; all else is as its state has it.
    for action in ("start", "restart"):
        assert refused(ana.act(cuid, action), 422, "state_error", "NO_BOOT_FILE") == {
            "cuid": cuid, "status": "created"}
    for action in ("pause", "unpause", "kill"):
        refused(ana.act(cuid, action), 422, "state_error", "INVALID_STATE")
    assert ana.act(cuid, "stop") == (200, made)

    ana.boot(cuid)
    for action, status in (("start", "running"), ("start", "running"), ("pause", "paused"),
                           ("unpause", "running"), ("kill", "exited"), ("stop", "exited"),
                           ("restart", "running")):
        code, shown = ana.act(cuid, action)
        assert (code, shown["status"]) == (200, status), (action, shown)
        assert list(shown) == MEMBERS
    state = ana("GET", f"containers/{cuid}/status")[1]
    assert list(state) == ["cuid", "status", "health", "started_at", "finished_at", "exit_code", "pid"]
    assert state["status"] == "running" and state["pid"] > 0 and re.fullmatch(TIME, state["started_at"])

    assert ana.act(cuid, "pause")[0] == 200
    for action in ("pause", "start"):
        assert refused(ana.act(cuid, action), 422, "state_error", "INVALID_STATE")["status"] == "paused"
    assert ana.act(cuid, "kill")[1]["exit_code"] == 137

    assert ana("DELETE", f"containers/{cuid}") == (200, {"cuid": cuid, "status": "deleted"})
    for method, path in (("GET", ""), ("GET", "/status"), ("DELETE", ""), ("POST", "/start"),
                         ("PATCH", "")):
        refused(ana(method, f"containers/{cuid}{path}", {} if method == "PATCH" else None),
                404, "not_found", "CONTAINER_NOT_FOUND")


def test_deleting_one_that_runs_leaves_nothing(berth, ana, engine):
    cuid = ana.create()["cuid"]
    ana.boot(cuid)
    ana.start(cuid)
    assert ana("DELETE", f"containers/{cuid}")[0] == 200
    assert cuid not in engine.docker("ps", "--all", "--format", "{{.Names}}")
    assert not (berth.data / "lab" / cuid).exists()


def test_a_change(ana, engine):
    made = ana.create(env={"A": "1", "B": "2"}, tags=["old"], ports=[{"host": 18080, "container": 80}],
                      resources={"memory": "256m", "pids": 64})
    cuid = made["cuid"]
    assert ana("PATCH", f"containers/{cuid}", {}) == (200, made)
    ana.boot(cuid)
    ana.start(cuid)
    status, changed = ana("PATCH", f"containers/{cuid}", {
        "env": {"B": None, "C": "3", "NEVER": None}, "tags": ["new", "v2"],
        "resources": {"memory": "384m"}})
    assert status == 200
    assert changed["env"] == {"A": "1", "C": "3"} and changed["tags"] == ["new", "v2"]
    assert changed["resources"] == {"cpus": None, "memory": "384m", "pids": 64}
    assert changed["ports"] == made["ports"] and changed["created_at"] == made["created_at"]
    assert changed["status"] == "running" and changed["updated_at"] > made["updated_at"]
    ana.await_boot(cuid)
    inspect = json.loads(engine.docker("inspect", f"{cuid}--ana"))[0]
    assert {"A=1", "C=3", f"CONTAINER_UID={cuid}", "TAGS=new,v2"} <= set(inspect["Config"]["Env"])
    assert not [value for value in inspect["Config"]["Env"] if value.startswith("B=")]
    assert inspect["HostConfig"]["Memory"] == 384 << 20

    # All or nothing: a port that is in use refuses the rest, too.
    other = ana.create(ports=[{"host": 18081, "container": 80, "protocol": "udp"}])
    details = refused(ana("PATCH", f"containers/{cuid}", {
        "env": {"D": "4"}, "ports": [{"host": 18081, "container": 1, "protocol": "udp"}]}),
        409, "conflict", "PORT_IN_USE")
    assert details["field"] == "ports"
    assert ana("GET", f"containers/{cuid}")[1] == changed
    refused(ana("POST", "containers", {"image": IMAGE, "ports": other["ports"]}), 409, "conflict",
            "PORT_IN_USE")

    ports = [{"host": 18082, "container": 80, "protocol": "tcp"},
             {"host": 18081, "container": 9, "protocol": "tcp"}]
    status, moved = ana("PATCH", f"containers/{cuid}/ports", {"ports": ports})
    assert (status, moved["ports"], moved["status"]) == (200, ports, "running")
    assert ana.act(cuid, "kill")[0] == 200
    assert ana("PATCH", f"containers/{cuid}/ports", {"ports": []})[1]["ports"] == []
    refused(ana("PATCH", f"containers/{cuid}", {"image": "nobody/nothing:1"}), 400,
            "validation_error", "IMAGE_NOT_FOUND")
    status, changed = ana("PATCH", f"containers/{cuid}", {"image": "berth/demo"})
    assert (status, changed["image"], changed["status"]) == (200, "berth/demo:latest", "created")


def test_a_list_is_stable_while_others_come_and_go(ana, api):
    made = [ana.create(tags=["odd" if i % 2 else "even", "all"])["cuid"] for i in range(5)]
    assert ana.cuids() == made[::-1]
    assert ana.cuids(tag="odd") == [made[3], made[1]]
    assert ana.cuids(status="exited") == [] and ana.cuids(status="created,running") == made[::-1]
    both = ana.client.get("/containers?tag=odd&tag=all").json["containers"]
    assert [container["cuid"] for container in both] == [made[3], made[1]]
    assert ana.client.get("/containers?tag=odd&tag=even").json["containers"] == []

    status, page = ana("GET", "containers", limit=2)
    assert [container["cuid"] for container in page["containers"]] == [made[4], made[3]]
    assert ana("DELETE", f"containers/{made[3]}")[0] == 200  # where the cursor stands
    newest = ana.create()["cuid"]
    assert ana("PATCH", f"containers/{made[0]}", {"tags": ["again"]})[0] == 200  # made anew
    status, page = ana("GET", "containers", limit=2, cursor=page["next_cursor"])
    assert [container["cuid"] for container in page["containers"]] == [made[2], made[1]]
    status, page = ana("GET", "containers", limit=2, cursor=page["next_cursor"])
    assert [container["cuid"] for container in page["containers"]] == [made[0]]
    assert page["next_cursor"] is None
    assert ana.cuids(limit=1) == [newest]
    for name, value, code in (("limit", "0", "INVALID_PARAMETER"), ("limit", "201", "INVALID_PARAMETER"),
                              ("limit", "x", "INVALID_PARAMETER"), ("status", "up", "INVALID_PARAMETER"),
                              ("cursor", "x", "INVALID_CURSOR"), ("cursor", "", "INVALID_CURSOR")):
        assert refused(ana("GET", "containers", **{name: value}), 400, "validation_error", code) == {
            "field": name, "provided": value}


def test_who_sees_and_changes_what(ana, api):
    cuid = ana.create(env={"SECRET": "x"})["cuid"]
    assert api("oli")("GET", f"containers/{cuid}")[1]["env"] == {"SECRET": "x"}
    for user in ("bob", "vera"):
        assert api(user).cuids() == []
        theirs, none = (api(user)("GET", f"containers/{name}")[1] for name in (cuid, UNKNOWN))
        assert theirs["message"].replace(cuid, UNKNOWN) == none["message"]
        assert {**theirs, "message": 0, "request_id": 0, "timestamp": 0} == \
            {**none, "message": 0, "request_id": 0, "timestamp": 0}
    refused(api("bob").act(cuid, "stop"), 404, "not_found", "CONTAINER_NOT_FOUND")
    for method, path in (("POST", "containers"), ("PATCH", f"containers/{cuid}"),
                         ("DELETE", f"containers/{cuid}"), ("POST", f"containers/{cuid}/start"),
                         ("PATCH", f"containers/{cuid}/ports")):
        refused(api("vera")(method, path, {"image": IMAGE}), 403, "auth_error", "FORBIDDEN")
    refused(api("nils")("GET", "containers"), 403, "auth_error", "FORBIDDEN")
    refused(ana("POST", "containers", {"image": IMAGE, "owner": "bob"}), 403, "auth_error", "FORBIDDEN")
    assert api("oli").create(owner="bob")["owner"] == "bob"
    assert len(api("bob").cuids()) == 1


def test_policy_is_that_of_every_app(api, users, berth):
    strict = api("ana", "/strict")
    assert refused(strict("POST", "containers", {"image": IMAGE}), 403, "auth_error",
                   "IMAGE_NOT_APPROVED") == {"field": "image", "provided": IMAGE}
    assert users["root"].post("/strict/approve-image", image=IMAGE, wait="yes").status == 200
    assert refused(strict("POST", "containers", {"image": IMAGE, "resources": {"memory": "513m"}}), 400,
                   "validation_error", "LIMIT_EXCEEDED") == {
                       "field": "resources.memory", "provided": "513m"}
    made = strict.create()
    assert made["resources"] == {"cpus": None, "memory": "512m", "pids": 100}
    assert made["image"] == IMAGE
    refused(strict("POST", "containers", {"image": IMAGE}), 403, "auth_error", "QUOTA_EXCEEDED")
    refused(strict("PATCH", f"containers/{made['cuid']}", {"image": "berth/demo"}), 403, "auth_error",
            "IMAGE_NOT_APPROVED")
    refused(api()("POST", "containers", {"image": "nobody/nothing:1"}), 400, "validation_error",
            "IMAGE_NOT_FOUND")


def test_the_other_api_has_the_same_apps(ana, users, api):
    cuid = ana.create()["cuid"]
    name = f"{cuid}--ana"
    client = users["ana"]
    assert client.get("/lab/get-app-names").json == [name]
    assert client.post("/lab/start-app", name=name).status == 409
    ana.boot(cuid)
    assert client.post("/lab/start-app", name=name).text == "Success"
    assert ana("GET", f"containers/{cuid}/status")[1]["status"] == "running"
    assert client.get("/lab/get-uptime-summary", name=name, duration="hour").status == 200
    assert client.post("/lab/create-app", image="berth/demo", user="ana").text == "Success"
    shown = ana("GET", "containers")[1]["containers"]
    assert [app["image"] for app in shown] == ["berth/demo:latest", IMAGE]
    other = shown[0]["cuid"]
    assert ana("GET", f"containers/{other}")[1] == shown[0]
    assert ana.act(other, "start")[1]["status"] == "running"
    assert client.post("/lab/delete-app", name=name).text == "Success"
    assert ana.cuids() == [other]


def test_a_repeated_request(ana):
    body = {"image": IMAGE, "tags": ["once"]}
    key = {"Idempotency-Key": "one-of-these"}
    first = ana("POST", "containers", body, key)
    assert first[0] == 201 and ana("POST", "containers", body, key) == first
    assert ana("POST", "containers", body)[1]["cuid"] != first[1]["cuid"]
    refused(ana("POST", "containers", {**body, "tags": []}, key), 422, "conflict",
            "IDEMPOTENCY_KEY_REUSED")
    assert len(ana.cuids()) == 2


def test_an_image_on_its_way(ana, api, engine):
    """From a registry that takes a connection and says nothing."""
    with socket.create_server((engine.address.removesuffix(".2") + ".1", 0)) as registry:
        image = f"{registry.getsockname()[0]}:{registry.getsockname()[1]}/team/tool:1"
        answers = []
        asking = threading.Thread(target=lambda: answers.append(
            Api(ana.client.again(), "")("POST", "containers", {
                "image": image, "tags": ["slow"], "env": {"A": "1", "B": None}})))
        asking.start()
        wait_until(lambda: ana.cuids(status="pulling"))
        shown = ana("GET", "containers", tag="slow")[1]["containers"][0]
        assert list(shown) == MEMBERS
        assert (shown["image"], shown["status"], shown["env"], shown["tags"]) == (
            image, "pulling", {"A": "1"}, ["slow"])
        cuid = shown["cuid"]
        assert ana("GET", f"containers/{cuid}") == (200, shown)
        refused(ana.act(cuid, "start"), 422, "state_error", "INVALID_STATE")
        refused(api("bob")("GET", f"containers/{cuid}"), 404, "not_found", "CONTAINER_NOT_FOUND")
        assert ana.cuids(status="created") == [] and ana.cuids(tag="other") == []
        while not answers:  # each attempt ends at once from now on
            registry.settimeout(0.2)
            try:
                registry.accept()[0].close()
            except TimeoutError:
                pass
        asking.join()
    refused(answers[0], 400, "validation_error", "IMAGE_NOT_FOUND")
    assert ana.cuids() == []


def test_an_image_that_comes_first(ana, engine):
    engine.push("berth/demo", "berth/remote:3")
    made = ana.create(image="berth/remote:3")
    assert (made["image"], made["status"]) == ("berth/remote:3", "created")


def test_what_is_wrong_with_a_request(ana, berth, users):
    anyone = Api(berth.anyone, "")
    answer = berth.anyone.get("/containers")
    assert "Basic" in answer.headers["WWW-Authenticate"]
    refused((answer.status, answer.json), 401, "auth_error", "UNAUTHORIZED")
    refused(anyone("POST", "containers", {"image": IMAGE}), 401, "auth_error", "UNAUTHORIZED")
    wait_until(lambda: any(line.get("error", "").startswith("auth_error") for line in berth.actions()))
    for path in ("nothing", "nothing/at/all", f"containers/{UNKNOWN}/nothing", "lab/containers/a/b"):
        refused(ana("GET", path), 404, "not_found", "UNKNOWN_PATH")
    for path in ("nothing", "health"):  # the second is of another family of containers
        refused(Api(users["ana"], "/lab")("GET", path), 404, "not_found", "UNKNOWN_PATH")
    for method, path, allowed in (("PUT", "containers", "GET, HEAD, POST, OPTIONS"),
                                  ("POST", f"containers/{UNKNOWN}", "GET, HEAD, PATCH, DELETE, OPTIONS"),
                                  ("GET", f"containers/{UNKNOWN}/start", "POST, OPTIONS")):
        answer = users["ana"].request(method, f"/{path}")
        assert answer.headers["Allow"] == allowed
        refused((answer.status, answer.json), 405, "validation_error", "METHOD_NOT_ALLOWED")
    for body, code in ((b"", "MALFORMED_JSON"), (b"{", "MALFORMED_JSON"), (b"{}", "MISSING_IMAGE")):
        answer = users["ana"].request("POST", "/containers", body=body)
        refused((answer.status, answer.json), 400, "validation_error", code)
    answer = users["ana"].request("POST", "/containers", body=b" " * 65537)
    refused((answer.status, answer.json), 413, "validation_error", "TOO_LARGE")
    expecting = users["ana"].request("POST", "/containers", None, {"Expect": "100-continue"}, b"{}")
    assert expecting.json["code"] == "MISSING_IMAGE"
    # A family that a facility does not serve, and the facility API's own words beside it.
    assert users["root"].get("/solo/containers").text == \
        "containers endpoint incompatible with solo mode"
    assert users["root"].post("/nowhere/start-app", name="x").text == "there is no facility nowhere"
    assert users["root"].get("/livez").text == "ok"


def test_health(berth, users):
    for path in ("/healthz", "/lab/healthz"):
        assert berth.anyone.get(path).json == {"status": "ok"}
        assert users["nils"].get(path).json == {"status": "ok"}
        told = users["vera"].get(path).json
        assert list(told) == ["status", "version", "compose_version", "engine_version", "uptime_s"]
        assert told["compose_version"].startswith("2.") and told["engine_version"][0].isdigit()
    wrong = berth.client("ana", "not her password").get("/healthz")
    refused((wrong.status, wrong.json), 401, "auth_error", "UNAUTHORIZED")


def test_an_answer_can_be_asked_for_again(ana):
    cuid = ana.create()["cuid"]
    for path in ("/containers", f"/containers/{cuid}", f"/containers/{cuid}/status"):
        tag = ana.client.get(path).headers["ETag"]
        assert ana.client.get(path, {"If-None-Match": tag}).status == 304


def test_development_says_more(gateway, engine):
    berth = gateway({"lab": {"backend": "compose", "engine": engine.url, "auth": "open",
                             "image_policy": "open", "compose": compose()}},
                    settings={"gateway": {"development": "yes"}})
    anyone = Api(berth.anyone, "/lab")
    answer = anyone("GET", f"containers/{UNKNOWN}")
    refused(answer, 404, "not_found", "CONTAINER_NOT_FOUND")
    assert answer[1]["stacktrace"].startswith("GET containers/*\nnot_found: container c0")
    made = anyone.create(image="berth/demo")
    assert made["owner"] == "admin"
    assert anyone("DELETE", f"containers/{made['cuid']}")[0] == 200
