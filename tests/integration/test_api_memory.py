# SPDX-License-Identifier: MIT
"""The facility API, endpoint by endpoint as its document has them, on the backend in memory."""

import itertools
import re
import threading

import pytest

from harness import wait_until

READS = ["get-users", "get-app-names", "get-app-status", "get-app-stats", "get-app-info",
         "get-node-names", "get-node-status", "get-node-info", "get-uptime-summary", "get-images",
         "get-image-requests"]
STREAMS = ["get-app-logs", "watch", "ws/APP"]  # tried in files of their own
VERBS = ["start", "stop", "pause", "unpause", "restart", "kill"]
ON_APPS = [f"{verb}-app" for verb in (*VERBS, "delete", "hard-reset")]
CHANGES = [*ON_APPS, "create-app", "request-image", "approve-image", "reject-image", "remove-image"]


@pytest.fixture(scope="module")
def berth(module_gateway):
    """demo and other: users, image demo approved; free: open policy; root: demo without its id."""
    berth = module_gateway(
        {"demo": {"backend": "memory"},
         "other": {"backend": "memory"},
         "free": {"backend": "memory", "image_policy": "open", "max_apps_per_user": 2}},
        settings={"gateway": {"root_facility": "demo"}, "uptime": {"sample_interval_s": 1}})
    for facility in ("demo", "other"):
        assert berth.admin.post(f"/{facility}/approve-image", image="demo").status == 200
    return berth


@pytest.fixture(scope="module")
def users(berth):
    """One of each role in demo, and nils with none; clients by name."""
    roles = {"vera": "viewer", "ana": "researcher", "bob": "researcher", "oli": "operator",
             "ada": "admin"}
    clients = {name: berth.user(name, demo=role) for name, role in roles.items()}
    clients["nils"] = berth.user("nils")
    clients["root"] = berth.admin
    return clients


@pytest.fixture
def ana(users):
    return users["ana"]


NUMBERS = itertools.count(1)


@pytest.fixture
def app(berth, users):
    """app("running"): the name of a new app in that state, of ana or of the user given."""
    made = []

    def make(state="created", user="ana"):
        # One image, so one app per user: others have names of their own.
        owner = user if user != "ana" else f"a{next(NUMBERS)}"
        name = f"demo--{owner}"
        oli = users["oli"]
        assert oli.post("/demo/create-app", image="demo", user=owner).text == "Success"
        made.append(name)
        for verb in {"created": [], "running": ["start"], "exited": ["start", "stop"],
                     "paused": ["start", "pause"]}[state]:
            assert oli.post(f"/demo/{verb}-app", name=name).text == "Success"
        assert oli.get("/demo/get-app-status", name=name).json["State"] == state
        return name

    yield make
    for name in made:
        users["oli"].post("/demo/delete-app", name=name)


@pytest.fixture
def own(ana):
    """The app demo--ana, running."""
    assert ana.post("/demo/create-app", image="demo", user="ana").text == "Success"
    assert ana.post("/demo/start-app", name="demo--ana").text == "Success"
    yield "demo--ana"
    ana.post("/demo/delete-app", name="demo--ana")


def state(client, name):
    answer = client.get("/demo/get-app-status", name=name)
    return answer.json["State"] if answer.status == 200 else answer.status


# States


@pytest.mark.parametrize("before, verb, status, after", [
    ("created", "start", 200, "running"),
    ("created", "stop", 200, "created"),
    ("created", "pause", 409, "created"),
    ("created", "unpause", 409, "created"),
    ("created", "restart", 200, "running"),
    ("created", "kill", 409, "created"),
    ("created", "hard-reset", 200, "created"),
    ("created", "delete", 200, 400),
    ("running", "start", 200, "running"),
    ("running", "stop", 200, "exited"),
    ("running", "pause", 200, "paused"),
    ("running", "unpause", 409, "running"),
    ("running", "restart", 200, "running"),
    ("running", "kill", 200, "exited"),
    ("running", "hard-reset", 200, "created"),
    ("running", "delete", 200, 400),
    ("paused", "start", 409, "paused"),
    ("paused", "stop", 200, "exited"),
    ("paused", "pause", 409, "paused"),
    ("paused", "unpause", 200, "running"),
    ("paused", "restart", 200, "running"),
    ("paused", "kill", 200, "exited"),
    ("paused", "hard-reset", 200, "created"),
    ("paused", "delete", 200, 400),
    ("exited", "start", 200, "running"),
    ("exited", "stop", 200, "exited"),
    ("exited", "pause", 409, "exited"),
    ("exited", "unpause", 409, "exited"),
    ("exited", "restart", 200, "running"),
    ("exited", "kill", 409, "exited"),
    ("exited", "hard-reset", 200, "created"),
    ("exited", "delete", 200, 400),
])
def test_a_verb_in_a_state(users, app, before, verb, status, after):
    oli = users["oli"]
    name = app(before)
    answer = oli.post(f"/demo/{verb}-app", name=name)
    assert answer.status == status, answer
    assert answer.type == "text/plain"
    assert (answer.text == "Success") == (status == 200)
    assert "\n" not in answer.text
    assert state(oli.again(), name) == after  # on another connection, at once


# Creating


def test_create_names_the_app_after_image_and_user(berth, users, ana):
    answer = ana.post("/demo/create-app", image="demo", user="ana")
    assert (answer.status, answer.text, answer.type) == (200, "Success", "text/plain")
    again = ana.post("/demo/create-app", image="demo", user="ana")
    assert (again.status, again.text) == (400, "app demo--ana already exists")
    assert ana.get("/demo/get-app-names").json == ["demo--ana"]
    status = ana.get("/demo/get-app-status", name="demo--ana").json
    assert (status["Names"], status["State"], status["Image"]) == \
        ("demo--ana", "created", "demo:latest")
    assert ana.post("/demo/delete-app", name="demo--ana").text == "Success"
    assert ana.get("/demo/get-app-names").json == []


@pytest.mark.parametrize("params, said", [
    ({}, "parameter image is missing"),
    ({"image": "demo"}, "parameter user is missing"),
    ({"user": "ana"}, "parameter image is missing"),
    ({"image": "", "user": "ana"}, "parameter image is missing"),
    ({"image": "demo", "user": ""}, "parameter user is missing"),
    ({"image": "Demo", "user": "ana"}, "parameter image"),
    ({"image": "demo:", "user": "ana"}, "parameter image"),
    ({"image": "de mo", "user": "ana"}, "parameter image"),
    ({"image": "../demo", "user": "ana"}, "parameter image"),
    ({"image": "demo;reboot", "user": "ana"}, "parameter image"),
    ({"image": "$(reboot)", "user": "ana"}, "parameter image"),
    ({"image": "demo@sha256:123", "user": "ana"}, "parameter image"),
    ({"image": "x" * 256, "user": "ana"}, "parameter image"),
    ({"image": "demo", "user": "-ana"}, "parameter user must not begin with -"),
    ({"image": "demo", "user": "a--na"}, "parameter user must not contain --"),
    ({"image": "demo", "user": "a na"}, "parameter user must consist of"),
    ({"image": "demo", "user": "ana/../bob"}, "parameter user must consist of"),
    ({"image": "demo", "user": "x" * 65}, "parameter user must not be longer than 64"),
    ({"image": "demo", "user": "ana", "version": "1 0"}, "parameter version"),
    ({"image": "demo", "user": "ana", "version": "x" * 129}, "parameter version"),
    ({"image": "demo:1.0", "user": "ana", "version": "2.0"}, "version"),
])
def test_create_refuses(users, params, said):
    answer = users["oli"].post("/demo/create-app", **params)
    assert answer.status == 400 and said in answer.text, answer
    assert users["oli"].get("/demo/get-app-names").json == []


def test_a_version_is_a_tag(users):
    admin, oli = users["root"], users["oli"]
    assert oli.post("/demo/create-app", image="demo", user="eva", version="1.0").status == 403
    assert admin.post("/demo/approve-image", image="demo", version="1.0", wait="yes").status == 200
    assert oli.post("/demo/create-app", image="demo", user="eva", version="1.0").status == 200
    assert oli.get("/demo/get-app-status", name="demo--eva").json["Image"] == "demo:1.0"
    assert oli.post("/demo/create-app", image="demo:1.0", user="eva").text == \
        "app demo--eva already exists"
    assert oli.post("/demo/delete-app", name="demo--eva").status == 200


def test_of_creations_that_come_together_one_succeeds(users):
    oli = users["oli"]
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        oli.post("/demo/create-app", image="demo", user="race"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7
    assert {answer.text for answer in answers} == {"Success", "app demo--race already exists"}
    oli.post("/demo/delete-app", name="demo--race")


def test_a_quota(berth):
    admin = berth.admin
    assert admin.post("/free/request-image", image="httpd").text == "Success"
    assert admin.post("/free/request-image", image="xterm").text == "Success"
    for image in ("demo", "httpd"):
        assert admin.post("/free/create-app", image=image, user="q").text == "Success"
    refused = admin.post("/free/create-app", image="xterm", user="q")
    assert refused.status == 403 and "2 apps" in refused.text
    assert admin.post("/free/delete-app", name="demo--q").text == "Success"
    assert admin.post("/free/create-app", image="xterm", user="q").text == "Success"
    assert admin.post("/free/delete-app", name="httpd--q,xterm--q").text == "2/2 succeeded"


# Batches


def test_a_batch(users, app):
    oli = users["oli"]
    one, two = app("created"), app("created")
    answer = oli.post("/demo/start-app", name=f"{one},{two}")
    assert (answer.status, answer.text, answer.type) == (200, "2/2 succeeded", "text/plain")
    assert [state(oli, name) for name in (one, two)] == ["running", "running"]
    answer = oli.post("/demo/kill-app", name=f"{one},no-such--app,{two}")
    assert (answer.status, answer.text) == (400, "2/3 succeeded")
    answer = oli.post("/demo/kill-app", name=f"{one},{two}")
    assert (answer.status, answer.text) == (400, "0/2 succeeded")


@pytest.mark.parametrize("shape, said", [
    ("{0},", "1/1 succeeded"),
    (",{0}", "1/1 succeeded"),
    (",,{0},,{1},", "2/2 succeeded"),
    ("{0},{0},{0}", "1/1 succeeded"),
    ("{0},{1},{0}", "2/2 succeeded"),
    ("{0}, {1}", "1/2 succeeded"),
])
def test_the_items_of_a_batch(users, app, shape, said):
    names = app("created"), app("created")
    assert users["oli"].post("/demo/start-app", name=shape.format(*names)).text == said


@pytest.mark.parametrize("name", [",", ",,,"])
def test_a_batch_of_nothing(users, name):
    answer = users["oli"].post("/demo/start-app", name=name)
    assert (answer.status, answer.text) == (400, "parameter name lists no app")


def test_a_batch_as_long_as_it_may_be(users):
    oli = users["oli"]
    names = [f"x--{number}" for number in range(101)]
    assert oli.post("/demo/stop-app", name=",".join(names[:100])).text == "0/100 succeeded"
    answer = oli.post("/demo/stop-app", name=",".join(names))
    assert (answer.status, answer.text) == (400, "parameter name lists more than 100 apps")


@pytest.mark.parametrize("verb", ON_APPS)
def test_every_verb_on_apps_takes_a_batch(users, verb):
    answer = users["oli"].post(f"/demo/{verb}", name="no--one,no--two")
    assert (answer.status, answer.text) == (400, "0/2 succeeded")


def test_a_batch_in_json(users, app):
    name = app("created")
    answer = users["oli"].post("/demo/start-app", name=f"{name},no--such",
                               headers={"Accept": "application/json"})
    assert (answer.status, answer.type) == (400, "application/json")
    assert answer.json == {
        "succeeded": 1, "total": 2, "items": [
            {"name": name, "result": "success"},
            {"name": "no--such", "result": "error", "code": "not_found",
             "error": "app no--such does not exist"}]}


# Reads


def test_get_users(users, app):
    oli = users["oli"]
    app(user="zoe")
    app(user="eva")
    assert oli.get("/demo/get-users").json == ["eva", "zoe"]
    assert users["ana"].get("/demo/get-users").json == []


def test_get_app_names_of_a_user(users, app, own):
    oli = users["oli"]
    app(user="zoe")
    assert sorted(oli.get("/demo/get-app-names").json) == ["demo--ana", "demo--zoe"]
    assert oli.get("/demo/get-app-names", user="zoe").json == ["demo--zoe"]
    assert oli.get("/demo/get-app-names", user="nobody").json == []
    bad = oli.get("/demo/get-app-names", user="a--b")
    assert bad.status == 400 and "parameter user" in bad.text


STATUS = ["Command", "CreatedAt", "ID", "Image", "Labels", "LocalVolumes", "Mounts", "Names",
          "Networks", "Ports", "RunningFor", "Size", "State", "Status"]
STATS = ["BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs"]
IMAGE = ["Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Repository", "SharedSize",
         "Size", "Tag", "UniqueSize", "VirtualSize", "CreatedContainerCount"]
NODE = ["Availability", "EngineVersion", "Hostname", "ID", "ManagerStatus", "Self", "Status",
        "TLSStatus"]


def test_get_app_status(ana, own):
    def asked():  # the ages move with the clock in between
        every, one = ana.get("/demo/get-app-status"), ana.get("/demo/get-app-status", name=own)
        return every.json == [one.json] and (every, one)

    every, one = wait_until(asked)
    assert (every.status, every.type) == (200, "application/json")
    assert list(one.json) == STATUS
    assert all(isinstance(value, str) for value in one.json.values())
    assert one.json["State"] == "running" and one.json["Status"].startswith("Up ")
    assert re.fullmatch(r"[0-9a-f]{12}", one.json["ID"])


def test_get_app_stats(ana, own):
    every, one = ana.get("/demo/get-app-stats"), ana.get("/demo/get-app-stats", name=own)
    assert list(one.json) == STATS and [list(row) for row in every.json] == [STATS]
    assert one.json["Name"] == own and one.json["CPUPerc"].endswith("%")


def test_get_app_info(ana, own):
    info = ana.get("/demo/get-app-info", name=own).json
    assert {"Id", "Created", "Path", "Args", "State", "Image", "NetworkSettings"} <= set(info)
    assert info["State"]["Running"] is True and info["Name"] == f"/{own}"
    assert info["Config"]["Labels"] == {"berth.app": own, "berth.facility": "demo",
                                        "berth.image": info["Config"]["Labels"]["berth.image"],
                                        "berth.user": "ana"}
    assert ana.get("/demo/get-app-info", name=own, fresh="yes").json["Id"] == info["Id"]
    assert ana.get("/demo/get-app-info", name=own, fresh="perhaps").status == 400


def test_get_images(ana, own):
    images = ana.get("/demo/get-images").json
    assert [list(image) for image in images] == [IMAGE] * len(images)
    counts = {f"{image['Repository']}:{image['Tag']}": image["CreatedContainerCount"]
              for image in images}
    assert counts["demo:latest"] == 1


def test_get_nodes(ana):
    names = ana.get("/demo/get-node-names").json
    assert len(names) == 1
    rows = ana.get("/demo/get-node-status").json
    assert [list(row) for row in rows] == [NODE]
    assert ana.get("/demo/get-node-status", hostname=names[0]).json == rows[0]
    info = ana.get("/demo/get-node-info", hostname=names[0]).json
    assert len(info) == 1 and "Description" in info[0]
    for endpoint in ("get-node-status", "get-node-info"):
        unknown = ana.get(f"/demo/{endpoint}", hostname="elsewhere")
        assert unknown.status == 400 and "elsewhere" in unknown.text
        bad = ana.get(f"/demo/{endpoint}", hostname="else where")
        assert bad.status == 400 and "parameter hostname" in bad.text
    assert ana.get("/demo/get-node-info").text == "parameter hostname is missing"


def test_get_uptime_summary(users, app):
    oli = users["oli"]
    name = app("created")

    def summary(has, duration):  # a slow disk may still be writing it
        def asked():
            answer = oli.get("/demo/get-uptime-summary", name=name, duration=duration)
            assert (answer.status, answer.type) == (200, "application/json")
            return has in answer.json.values() and answer.json
        return wait_until(asked)

    assert True not in summary(False, "hour").values()
    oli.post("/demo/start-app", name=name)
    for duration in ("hour", "day", "week", "month"):
        samples = summary(True, duration)
        assert list(samples) == sorted(samples)
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", time) for time in samples)


@pytest.mark.parametrize("params, said", [
    ({}, "parameter name is missing"),
    ({"name": "demo--ana"}, "parameter duration is missing"),
    ({"duration": "day"}, "parameter name is missing"),
    ({"name": "demo--ana", "duration": "year"}, "duration"),
    ({"name": "demo--ana", "duration": "Day"}, "duration"),
    ({"name": "no--such", "duration": "day"}, "app no--such does not exist"),
])
def test_get_uptime_summary_refuses(users, params, said):
    answer = users["oli"].get("/demo/get-uptime-summary", **params)
    assert answer.status == 400 and said in answer.text, answer


def test_uptime_survives_delete_and_create(users, app):
    oli = users["oli"]
    name = app("running")
    before = oli.get("/demo/get-uptime-summary", name=name, duration="day").json
    oli.post("/demo/delete-app", name=name)
    after = oli.get("/demo/get-uptime-summary", name=name, duration="day").json
    assert before.items() <= after.items()


# Missing and unknown


@pytest.mark.parametrize("endpoint", [*ON_APPS, "get-app-info"])
def test_a_missing_name(users, endpoint):
    method = "GET" if endpoint.startswith("get") else "POST"
    for path in (f"/demo/{endpoint}", f"/demo/{endpoint}?name=", f"/demo/{endpoint}?name"):
        answer = users["oli"].request(method, path)
        assert (answer.status, answer.text) == (400, "parameter name is missing")


@pytest.mark.parametrize("endpoint", [*ON_APPS, "get-app-info", "get-app-status", "get-app-stats"])
def test_an_unknown_app(users, endpoint):
    method = "GET" if endpoint.startswith("get") else "POST"
    answer = users["oli"].request(method, f"/demo/{endpoint}?name=no--such")
    assert (answer.status, answer.text) == (400, "app no--such does not exist")
    answer = users["oli"].request(method, f"/demo/{endpoint}?name=no/such")
    assert answer.status == 400 and "parameter name" in answer.text


@pytest.mark.parametrize("endpoint", [*READS, *CHANGES])
def test_an_unknown_facility(users, endpoint):
    method = "GET" if endpoint.startswith("get") else "POST"
    for client in (users["root"], users["ana"]):
        answer = client.request(method, f"/nowhere/{endpoint}?name=x")
        assert (answer.status, answer.text) == (400, "there is no facility nowhere")


@pytest.mark.parametrize("path", ["/demo/frobnicate", "/demo/start-app/x", "/demo/", "/demo",
                                  "/demo/Start-App", "/frobnicate", "/demo//livez", "/demo//"])
def test_an_unknown_endpoint(users, path):
    for method in ("GET", "POST"):
        assert users["root"].request(method, path).status == 404, path


# Image requests


def test_the_life_of_a_request(berth, users, ana):
    ada = users["ada"]
    asked = ana.post("/demo/request-image", image="jupyter", version="7.2")
    assert (asked.status, asked.type) == (202, "application/json")
    request = asked.json
    assert {**request, "id": 0, "requested_at": ""} == {
        "id": 0, "image": "jupyter", "tag": "7.2", "digest": None, "state": "pending", "percent": 0,
        "requested_by": "ana", "requested_at": "", "decided_by": None, "decided_at": None,
        "reason": None, "error": None}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", request["requested_at"])
    assert users["bob"].post("/demo/request-image", image="jupyter:7.2").json == request
    assert ana.get("/demo/get-image-requests", state="pending").json == [request]
    assert request in ada.get("/demo/get-image-requests").json

    refused = ana.post("/demo/create-app", image="jupyter:7.2", user="ana")
    assert refused.status == 403 and "jupyter:7.2 is not approved" in refused.text

    rejected = ada.post("/demo/reject-image", id=request["id"], reason="too big")
    assert rejected.status == 200
    assert (rejected.json["state"], rejected.json["reason"], rejected.json["decided_by"]) == \
        ("rejected", "too big", "ada")
    assert ana.get("/demo/get-image-requests", state="pending").json == []
    assert ana.post("/demo/request-image", image="jupyter:7.2").json["state"] == "pending"

    approved = ada.post("/demo/approve-image", image="jupyter", version="7.2", wait="yes")
    assert approved.status == 200
    assert (approved.json["state"], approved.json["percent"]) == ("approved", 100)
    assert approved.json["digest"].startswith("sha256:")
    assert ada.post("/demo/approve-image", image="jupyter:7.2").status == 200
    assert ana.post("/demo/create-app", image="jupyter:7.2", user="ana").text == "Success"

    withdrawn = ada.post("/demo/remove-image", image="jupyter:7.2")
    assert (withdrawn.status, withdrawn.json["state"]) == (200, "removed")
    assert ana.get("/demo/get-app-status", name="jupyter--ana").status == 200
    assert ana.post("/demo/delete-app", name="jupyter--ana").text == "Success"
    assert ana.post("/demo/create-app", image="jupyter:7.2", user="ana").status == 403
    assert ada.post("/demo/remove-image", image="jupyter:7.2", purge="yes").status == 200
    assert ("jupyter", "7.2") not in [(image["Repository"], image["Tag"])
                                      for image in ana.get("/demo/get-images").json]


@pytest.mark.parametrize("endpoint", ["approve-image", "reject-image", "remove-image"])
@pytest.mark.parametrize("params, status, said", [
    ({}, 400, "parameter image is missing"),
    ({"id": "x"}, 400, "parameter id must be"),
    ({"id": "0"}, 400, "parameter id must be"),
    ({"id": "-1"}, 400, "parameter id must be"),
    ({"id": "99999999999999999999"}, 400, "parameter id must be"),
    ({"id": "999999"}, 400, "there is no image request 999999"),
    ({"id": "1", "image": "demo"}, 400, "parameters id and image exclude each other"),
    ({"image": "UPPER"}, 400, "parameter image"),
])
def test_decisions_refuse(users, endpoint, params, status, said):
    answer = users["ada"].post(f"/demo/{endpoint}", **params)
    assert answer.status == status and said in answer.text, answer


def test_a_decision_on_another_facilitys_request(users):
    asked = users["root"].post("/other/request-image", image="xterm").json
    answer = users["ada"].post("/demo/approve-image", id=asked["id"])
    assert (answer.status, answer.text) == (400, f"there is no image request {asked['id']}")


def test_approving_what_cannot_be_pulled(users):
    ada = users["ada"]
    answer = ada.post("/demo/approve-image", image="no/such", wait="yes")
    assert answer.status == 502 and "no/such" in answer.text
    begun = ada.post("/demo/approve-image", image="no/such2")
    assert begun.status == 202 and begun.json["state"] == "pulling"
    failed = wait_until(lambda: [row for row in ada.get(
        "/demo/get-image-requests", state="failed").json if row["image"] == "no/such2"])
    assert "no/such2" in failed[0]["error"]


def test_rejecting_an_approved_image(users):
    answer = users["ada"].post("/demo/reject-image", image="demo", reason="late")
    assert answer.status == 409 and "remove-image" in answer.text


def test_a_reason_as_long_as_it_may_be(users, ana):
    ada = users["ada"]
    ana.post("/demo/request-image", image="rstudio")
    long = ada.post("/demo/reject-image", image="rstudio", reason="x" * 501)
    assert long.status == 400 and "reason" in long.text
    assert ada.post("/demo/reject-image", image="rstudio", reason="x" * 500).status == 200


def test_the_states_one_may_ask_for(users):
    for name in ("pending", "pulling", "approved", "rejected", "failed", "removed"):
        rows = users["ada"].get("/demo/get-image-requests", state=name)
        assert rows.status == 200 and all(row["state"] == name for row in rows.json)
    bad = users["ada"].get("/demo/get-image-requests", state="lost")
    assert bad.status == 400 and "parameter state" in bad.text


def test_a_researcher_sees_its_own_requests_and_what_is_approved(users, ana):
    ana.post("/demo/request-image", image="postgres")
    assert "postgres" in [row["image"] for row in ana.get("/demo/get-image-requests").json]
    seen = users["bob"].get("/demo/get-image-requests").json
    assert "postgres" not in [row["image"] for row in seen]
    assert "demo" in [row["image"] for row in seen]


def test_an_open_facility(berth):
    admin = berth.admin
    missing = admin.post("/free/create-app", image="rstudio", user="eva")
    assert missing.status == 400 and "rstudio" in missing.text
    unknown = admin.post("/free/request-image", image="no/such")
    assert unknown.status == 400 and "no/such" in unknown.text
    assert admin.post("/free/request-image", image="rstudio").text == "Success"
    assert admin.post("/free/create-app", image="rstudio", user="eva").text == "Success"
    assert admin.post("/free/delete-app", name="rstudio--eva").text == "Success"


# Two tenants


def test_another_ones_app_does_not_exist(users, app, own):
    """Word for word and header for header as for a name that nobody uses."""
    bob, ana = users["bob"], users["ana"]

    def ask(client, method, endpoint, **params):
        answer = client.request(method, f"/demo/{endpoint}", params)
        headers = {name: value for name, value in answer.headers.items()
                   if name not in ("Date", "X-Request-Id", "Content-Length", "RateLimit")}
        return answer.status, answer.text.replace(params["name"], "NAME"), headers

    for endpoint in (*ON_APPS, "get-app-info", "get-app-status", "get-app-stats"):
        method = "GET" if endpoint.startswith("get") else "POST"
        assert ask(bob, method, endpoint, name=own) == ask(bob, method, endpoint, name="no--such")
    assert ask(bob, "GET", "get-uptime-summary", name=own, duration="day") == \
        ask(bob, "GET", "get-uptime-summary", name="demo--nobody", duration="day")
    assert bob.post("/demo/stop-app", name=f"{own},no--such").text == "0/2 succeeded"
    assert bob.get("/demo/get-app-names").json == []
    assert bob.get("/demo/get-app-names", user="ana").json == []
    assert bob.get("/demo/get-users").json == []
    assert bob.get("/demo/get-app-status").json == []
    assert bob.get("/demo/get-app-stats").json == []
    assert state(ana, own) == "running"


def test_one_creates_for_oneself_alone(users):
    answer = users["bob"].post("/demo/create-app", image="demo", user="ana")
    assert answer.status == 403 and "user must be bob" in answer.text
    # and whether the app is there makes no difference
    users["oli"].post("/demo/create-app", image="demo", user="ana")
    assert users["bob"].post("/demo/create-app", image="demo", user="ana").text == answer.text
    users["oli"].post("/demo/delete-app", name="demo--ana")


def test_an_owner_whose_name_ends_alike(users, berth, app):
    """x-ana's app is not ana's, although its name ends so."""
    app(user="x-ana")
    ana = users["ana"]
    assert ana.get("/demo/get-app-names").json == []
    assert ana.post("/demo/start-app", name="demo--x-ana").status == 400


def test_facilities_do_not_see_each_other(users, berth):
    admin = berth.admin
    assert admin.post("/other/create-app", image="demo", user="ana").text == "Success"
    assert users["oli"].get("/demo/get-app-names").json == []
    assert users["oli"].get("/other/get-app-names").status == 403
    assert users["oli"].post("/demo/delete-app", name="demo--ana").status == 400
    assert admin.post("/demo/create-app", image="demo", user="ana").text == "Success"
    assert admin.post("/demo/delete-app", name="demo--ana").text == "Success"
    assert admin.get("/other/get-app-names").json == ["demo--ana"]
    assert admin.post("/other/delete-app", name="demo--ana").text == "Success"


def test_every_endpoint_is_tried(berth):
    outline = berth.anyone.get("/").text.partition("The containers API")[0]
    assert sorted(re.findall(r"/FACILITY/(\S+)", outline)) == sorted([*READS, *CHANGES, *STREAMS])


# Roles


LEVELS = {"nils": 0, "vera": 1, "ana": 2, "oli": 3, "ada": 4, "root": 5}
NEEDED = {**{endpoint: 1 for endpoint in READS}, **{endpoint: 2 for endpoint in CHANGES},
          "get-image-requests": 2, "approve-image": 4, "reject-image": 4, "remove-image": 4}


@pytest.mark.parametrize("endpoint", [*READS, *CHANGES])
def test_roles(users, endpoint):
    method = "GET" if endpoint.startswith("get") else "POST"
    for name, level in LEVELS.items():
        answer = users[name].request(method, f"/demo/{endpoint}")
        if level >= NEEDED[endpoint]:
            assert answer.status in (200, 400), (name, answer)
        elif level == 0:
            assert (answer.status, answer.text) == \
                (403, "user nils has no role in facility demo")
        else:
            assert answer.status == 403 and f"{endpoint} needs the role" in answer.text, answer
        assert "WWW-Authenticate" not in answer.headers


def test_a_viewer_sees_its_own_apps(users, app):
    vera = users["vera"]
    name = app("running", user="vera")
    assert vera.get("/demo/get-app-names").json == [name]
    assert vera.get("/demo/get-app-info", name=name).status == 200
    assert vera.post("/demo/stop-app", name=name).status == 403
    assert vera.post("/demo/create-app", image="demo", user="vera").status == 403


def test_an_operator_operates_all_apps(users, own):
    assert users["oli"].post("/demo/stop-app", name=own).text == "Success"
    assert users["ana"].get("/demo/get-app-status", name=own).json["State"] == "exited"


# The root facility


@pytest.mark.parametrize("endpoint", [*READS, *CHANGES])
def test_the_root_facility_needs_no_id(users, endpoint):
    method = "GET" if endpoint.startswith("get") else "POST"
    for name in ("nils", "ana"):
        answers = [users[name].request(method, f"{prefix}/{endpoint}") for prefix in ("", "/demo")]
        assert answers[0].status == answers[1].status
        assert answers[0].body == answers[1].body


def test_the_root_facility_changes_the_same_apps(users):
    oli = users["oli"]
    assert oli.post("/create-app", image="demo", user="eva").text == "Success"
    assert oli.get("/demo/get-app-names").json == oli.get("/get-app-names").json == ["demo--eva"]
    assert oli.post("/delete-app", name="demo--eva").text == "Success"
    assert users["root"].get("/livez").text == "ok"


# Read your writes


def test_every_change_shows_at_once_to_everybody(users):
    """On connections of their own, over all reads, while others ask all the time."""
    oli = users["oli"]
    stop = threading.Event()

    def ask():
        client = oli.again()
        while not stop.is_set():
            client.get("/demo/get-app-status")

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    name = "demo--quick"
    try:
        for _ in range(15):
            for verb, expected in (("create", "created"), ("start", "running"), ("pause", "paused"),
                                   ("unpause", "running"), ("kill", "exited"),
                                   ("restart", "running"), ("stop", "exited"),
                                   ("hard-reset", "created"), ("delete", None)):
                params = {"image": "demo", "user": "quick"} if verb == "create" else {"name": name}
                assert oli.post(f"/demo/{verb}-app", **params).text == "Success", verb
                reader = oli.again()
                listed = {row["Names"]: row["State"]
                          for row in reader.get("/demo/get-app-status").json}
                assert listed.get(name) == expected, verb
                assert (name in reader.get("/demo/get-app-names").json) == (expected is not None)
                if expected:
                    assert reader.get("/demo/get-app-status", name=name).json["State"] == expected
                    assert reader.get("/demo/get-app-info", name=name).json["State"]["Status"] \
                        == expected
                reader.close()
    finally:
        stop.set()
        for thread in asking:
            thread.join()
