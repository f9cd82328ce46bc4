# SPDX-License-Identifier: MIT
"""The facility API on a real engine: what an outside client sees, and what is left on the host."""

import json
import re
import threading
import time

import pytest

from harness import clear_engine, wait_until

STUBBORN = "lab/stubborn:latest"  # hears no SIGTERM


@pytest.fixture(scope="module")
def berth(module_gateway, shared_engine):
    """demo: images approved; free: any image; tight: limits; adopting: all containers."""
    shared_engine.import_image(
        STUBBORN, command=("sh", "-c", "trap '' TERM; while :; do sleep 1; done"))
    berth = module_gateway(
        {"demo": {"engine": shared_engine.url},
         "free": {"engine": shared_engine.url, "image_policy": "open"},
         "tight": {"engine": shared_engine.url, "image_policy": "open", "app_cpus": "0.5",
                   "app_memory_bytes": "64m", "app_pids": 40, "default_user_uid": "1000:100"},
         "adopting": {"engine": shared_engine.url, "image_policy": "open", "adopt": "yes"}},
        settings={"uptime": {"sample_interval_s": 1}})
    shared_engine.import_image("lab/volume:latest", changes=["VOLUME /data"])
    assert berth.admin.post("/demo/approve-image", image="berth/demo").status == 200
    yield berth
    shared_engine.docker("rmi", STUBBORN, "lab/volume:latest")


@pytest.fixture(autouse=True)
def clean(berth, shared_engine):
    yield
    clear_engine(shared_engine)
    wait_until(lambda: all(berth.admin.get(f"/{facility}/get-app-names").text == "[]"
                           for facility in ("demo", "free", "tight", "adopting")))


@pytest.fixture(scope="module")
def users(berth):
    roles = {"ana": "researcher", "bob": "researcher", "oli": "operator"}
    return {name: berth.user(name, demo=role, free=role, adopting=role)
            for name, role in roles.items()}


@pytest.fixture
def oli(users):
    return users["oli"]


def succeeds(answer):
    assert (answer.status, answer.text) == (200, "Success"), answer


def create(client, user, state="created", facility="demo", image="berth/demo"):
    succeeds(client.post(f"/{facility}/create-app", image=image, user=user))
    name = f"{image.replace('/', '_')}--{user}"
    for verb in {"created": [], "running": ["start"], "exited": ["start", "stop"],
                 "paused": ["start", "pause"]}[state]:
        succeeds(client.post(f"/{facility}/{verb}-app", name=name))
    return name


def state(client, name, facility="demo"):
    answer = client.get(f"/{facility}/get-app-status", name=name)
    return answer.json["State"] if answer.status == 200 else answer.status


def inspect(engine, name, kind="container"):
    return json.loads(engine.docker(kind, "inspect", name))[0]


# States


@pytest.mark.parametrize("before, outcomes", [
    ("created", {"pause": (409, "created"), "unpause": (409, "created"), "kill": (409, "created"),
                 "stop": (200, "created"), "restart": (200, "running")}),
    ("running", {"start": (200, "running"), "unpause": (409, "running"),
                 "restart": (200, "running"), "kill": (200, "exited")}),
    ("paused", {"start": (409, "paused"), "pause": (409, "paused"), "unpause": (200, "running")}),
    ("paused", {"stop": (200, "exited")}),
    ("paused", {"restart": (200, "running")}),
    ("paused", {"kill": (200, "exited")}),
    ("exited", {"pause": (409, "exited"), "unpause": (409, "exited"), "kill": (409, "exited"),
                "stop": (200, "exited"), "start": (200, "running")}),
])
def test_verbs_in_a_state(oli, shared_engine, before, outcomes):
    name = create(oli, "eva", before)
    for verb, (status, after) in outcomes.items():
        answer = oli.post(f"/demo/{verb}-app", name=name)
        assert answer.status == status, (verb, answer)
        assert "\n" not in answer.text
        assert state(oli.again(), name) == after, verb
        assert inspect(shared_engine, name)["State"]["Status"] == after, verb


@pytest.mark.parametrize("before", ["created", "running", "paused", "exited"])
def test_delete_leaves_nothing(oli, shared_engine, before):
    before_all = shared_engine.docker("volume", "ls", "--quiet")
    name = create(oli, "eva", before, "free", "lab/volume")
    if before == "running":
        volumes = shared_engine.docker("volume", "ls", "--quiet").split()
        assert len(volumes) == len(before_all.split()) + 1
    succeeds(oli.post("/free/delete-app", name=name))
    assert shared_engine.docker("ps", "--all", "--quiet") == ""
    assert shared_engine.docker("volume", "ls", "--quiet") == before_all
    assert oli.post("/free/delete-app", name=name).text == f"app {name} does not exist"


@pytest.mark.parametrize("before", ["created", "running", "paused", "exited"])
def test_hard_reset_clears_all_data(oli, shared_engine, before):
    name = create(oli, "eva", "running")
    shared_engine.docker("exec", name, "sh", "-c", "echo precious > /tmp/file")
    if before == "created":
        succeeds(oli.post("/demo/delete-app", name=name))
        create(oli, "eva")
    elif before != "running":
        succeeds(oli.post(f"/demo/{'pause' if before == 'paused' else 'stop'}-app", name=name))
    old = inspect(shared_engine, name)
    succeeds(oli.post("/demo/hard-reset-app", name=name))
    new = inspect(shared_engine, name)
    assert new["Id"] != old["Id"] and new["Image"] == old["Image"]
    assert new["Config"]["Labels"] == old["Config"]["Labels"]
    assert new["HostConfig"] == old["HostConfig"]
    assert oli.again().get("/demo/get-app-info", name=name).json["Id"] == new["Id"]
    assert state(oli, name) == "created"
    succeeds(oli.post("/demo/start-app", name=name))
    assert shared_engine.docker("exec", name, "ls", "/tmp") == ""


def test_a_batch_of_stubborn_apps_has_one_grace(oli, shared_engine):
    names = [create(oli, user, "running", "free", "lab/stubborn") for user in ("a", "b", "c")]
    begun = time.monotonic()
    answer = oli.post("/free/stop-app", name=",".join(names))
    took = time.monotonic() - begun
    assert answer.text == "3/3 succeeded"
    assert 9.5 < took < 19, f"{took:.1f} s"  # two graces would be 20
    assert [state(oli, name, "free") for name in names] == ["exited"] * 3
    assert inspect(shared_engine, names[0])["State"]["ExitCode"] == 137


def test_nobody_waits_for_a_grace_of_others(oli):
    stubborn = create(oli, "eva", "running", "free", "lab/stubborn")
    stopping = threading.Thread(target=lambda: oli.again().post("/free/stop-app", name=stubborn))
    stopping.start()
    begun = time.monotonic()
    name = create(oli, "quick", "running", "free")
    assert state(oli, name, "free") == "running"
    assert state(oli, stubborn, "free") == "running"
    succeeds(oli.post("/free/kill-app", name=stubborn))
    assert time.monotonic() - begun < 9  # the grace is 10
    stopping.join()


# Names


def test_the_host_of_an_image_is_dropped_from_the_name(oli, shared_engine):
    shared_engine.docker("tag", "berth/demo", "registry.example.org:5000/team/tool:2")
    succeeds(oli.post("/free/create-app", image="registry.example.org:5000/team/tool:2",
                      user="eva"))
    assert oli.get("/free/get-app-names").json == ["team_tool--eva"]
    assert oli.get("/free/get-app-status", name="team_tool--eva").json["Image"] == \
        "registry.example.org:5000/team/tool:2"
    shared_engine.docker("tag", "berth/demo", "team_tool:latest")
    again = oli.post("/free/create-app", image="team_tool", user="eva")
    assert (again.status, again.text) == (400, "app team_tool--eva already exists")
    shared_engine.docker("rmi", "registry.example.org:5000/team/tool:2", "team_tool:latest")


@pytest.mark.parametrize("image", ["docker.io/library/plain", "index.docker.io/library/plain",
                                   "plain", "library/plain", "plain:latest"])
def test_the_public_registrys_own_names(oli, shared_engine, image):
    shared_engine.docker("tag", "berth/demo", "plain:latest")
    succeeds(oli.post("/free/create-app", image=image, user="eva"))
    assert oli.get("/free/get-app-names").json == ["plain--eva"]
    shared_engine.docker("rmi", "plain:latest")


def test_a_name_that_a_stranger_took(oli, shared_engine):
    """A container of nobody's in the way: the app exists all the same, under its own name."""
    shared_engine.docker("create", "--name", "berth_demo--eva", "berth/demo")
    name = create(oli, "eva", "running")
    assert oli.get("/demo/get-app-names").json == [name]
    assert "berth_demo--eva.demo" in shared_engine.docker("ps", "--format", "{{.Names}}")
    succeeds(oli.post("/demo/delete-app", name=name))
    assert shared_engine.docker("ps", "--all", "--format", "{{.Names}}") == "berth_demo--eva"


def test_adopted_containers(users, oli, shared_engine):
    ana = users["ana"]
    shared_engine.docker("run", "--detach", "--name", "stranger", "berth/demo")
    shared_engine.docker("run", "--detach", "--name", "tool--ana", "berth/demo")
    wait_until(lambda: oli.get("/adopting/get-app-names").text.count(",") == 1)
    assert sorted(oli.get("/adopting/get-app-names").json) == ["stranger", "tool--ana"]
    assert oli.get("/adopting/get-users").json == ["ana"]
    assert ana.get("/adopting/get-app-names").json == ["tool--ana"]
    assert ana.post("/adopting/stop-app", name="stranger").text == "app stranger does not exist"
    succeeds(ana.post("/adopting/kill-app", name="tool--ana"))
    succeeds(oli.post("/adopting/pause-app", name="stranger"))
    for facility in ("demo", "free"):
        assert oli.get(f"/{facility}/get-app-names").json == []
        assert oli.post(f"/{facility}/stop-app", name="stranger").status == 400
    reset = oli.post("/adopting/hard-reset-app", name="stranger")
    assert reset.status == 409 and "not created here" in reset.text
    assert inspect(shared_engine, "stranger")["State"]["Status"] == "paused"


def test_of_creations_that_come_together_one_succeeds(oli, shared_engine):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        oli.post("/demo/create-app", image="berth/demo", user="race"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7, answers
    assert len(shared_engine.docker("ps", "--all", "--quiet").split()) == 1


# What an app is given


def test_an_app_runs_with_what_the_facility_allows(berth, shared_engine):
    create(berth.admin, "eva", "running", "tight")
    app = inspect(shared_engine, "berth_demo--eva")
    host = app["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500000000, 64 << 20, 40)
    assert app["Config"]["User"] == "1000:100"
    assert shared_engine.docker("exec", "berth_demo--eva", "id", "-u") == "1000"


def test_an_app_has_no_more_than_it_needs(oli, shared_engine):
    name = create(oli, "eva", "running")
    app = inspect(shared_engine, name)
    host = app["HostConfig"]
    assert "no-new-privileges" in host["SecurityOpt"]
    assert not host["Privileged"] and not host["Binds"] and not app["Mounts"]
    assert host["PidsLimit"] == 4096 and host["PidMode"] == "" and host["NetworkMode"] != "host"
    status = shared_engine.docker("exec", name, "cat", "/proc/1/status")
    capabilities = int(re.search(r"CapBnd:\s*(\w+)", status)[1], 16)
    for number in (12, 16, 17, 19, 21, 22):  # net_admin, modules, rawio, ptrace, sys_admin, boot
        assert not capabilities >> number & 1
    assert re.search(r"NoNewPrivs:\s*1", status)
    page = shared_engine.docker("exec", name, "sh", "-c",
                                "until wget -qO- http://127.0.0.1/; do sleep 0.1; done")
    assert page == "hello from berth"
    assert app["Config"]["Labels"] == {
        "berth.app": name, "berth.facility": "demo", "berth.user": "eva",
        "berth.image": app["Config"]["Labels"]["berth.image"]}


# Images


def test_images_that_may_not_or_cannot_be_used(oli):
    refused = oli.post("/demo/create-app", image="lab/stubborn", user="eva")
    assert refused.status == 403 and "lab/stubborn:latest is not approved" in refused.text
    missing = oli.post("/free/create-app", image="no/such", user="eva")
    assert missing.status == 400 and "no/such" in missing.text, missing
    missing = oli.post("/free/create-app", image="berth/demo", user="eva", version="9.9")
    assert missing.status == 400 and "9.9" in missing.text, missing
    assert oli.get("/demo/get-app-names").json == oli.get("/free/get-app-names").json == []


def test_images_count_the_apps_of_the_facility(oli):
    create(oli, "one", facility="free")
    create(oli, "two", "running", "free")

    def count(facility):
        return {f"{image['Repository']}:{image['Tag']}": image["CreatedContainerCount"]
                for image in oli.get(f"/{facility}/get-images").json}["berth/demo:latest"]

    assert (count("free"), count("demo")) == (2, 0)


# Nodes


def test_the_node_is_the_engines_host(oli, shared_engine):
    info = json.loads(shared_engine.docker("info", "--format", "{{json .}}"))
    assert oli.get("/demo/get-node-names").json == [info["Name"]]
    assert oli.get("/demo/get-node-status").json == [{
        "Availability": "Active", "EngineVersion": info["ServerVersion"], "Hostname": info["Name"],
        "ID": info["ID"], "ManagerStatus": "", "Self": True, "Status": "Ready", "TLSStatus": ""}]
    assert oli.get("/demo/get-node-status", hostname=info["Name"]).json["ID"] == info["ID"]
    refused = oli.get("/demo/get-node-info", hostname=info["Name"])
    assert (refused.status, refused.text) == \
        (400, "get-node-info endpoint incompatible with solo mode")


# Statistics and uptime


def test_statistics(oli):
    running, created = create(oli, "one", "running"), create(oli, "two")
    # A busy engine may take longer over its first sample than a question waits for it.
    stats = wait_until(lambda: (answer := oli.get("/demo/get-app-stats", name=running)).status == 200
                       and answer.json)
    assert stats["Name"] == running and int(stats["PIDs"]) >= 1
    assert not stats["MemUsage"].startswith("0B")
    rows = {row["Name"]: row for row in oli.get("/demo/get-app-stats").json}
    assert set(rows) == {running, created}
    assert rows[created]["PIDs"] == "0" and rows[created]["MemUsage"] == "0B / 0B"


def test_uptime_of_a_new_app(oli, shared_engine):
    name = create(oli, "fresh")

    def states():
        return list(oli.get("/demo/get-uptime-summary", name=name, duration="hour").json.values())

    assert not any(wait_until(states))  # a slow disk may still be writing it
    succeeds(oli.post("/demo/start-app", name=name))
    wait_until(lambda: True in states())
    shared_engine.docker("kill", name)
    wait_until(lambda: states()[-1] is False)


# Read your writes


def test_every_change_shows_at_once_to_everybody(oli):
    stop = threading.Event()

    def ask():
        client = oli.again()
        while not stop.is_set():
            client.get("/demo/get-app-status")

    asking = threading.Thread(target=ask)
    asking.start()
    name = "berth_demo--quick"
    try:
        for _ in range(3):
            for verb, expected in (("create", "created"), ("start", "running"), ("pause", "paused"),
                                   ("unpause", "running"), ("restart", "running"),
                                   ("stop", "exited"), ("start", "running"), ("kill", "exited"),
                                   ("hard-reset", "created"), ("delete", None)):
                params = {"image": "berth/demo", "user": "quick"} if verb == "create" \
                    else {"name": name}
                succeeds(oli.post(f"/demo/{verb}-app", **params))
                reader = oli.again()
                listed = {row["Names"]: row["State"]
                          for row in reader.get("/demo/get-app-status").json}
                assert listed.get(name) == expected, verb
                if expected:
                    info = reader.get("/demo/get-app-info", name=name).json
                    assert info["State"]["Status"] == expected, verb
                reader.close()
    finally:
        stop.set()
        asking.join()


def test_two_tenants(users, oli):
    ana, bob = users["ana"], users["bob"]
    name = create(ana, "ana", "running")
    for verb in ("stop", "kill", "delete", "hard-reset", "pause"):
        assert bob.post(f"/demo/{verb}-app", name=name).text == f"app {name} does not exist"
    assert bob.get("/demo/get-app-info", name=name).text == f"app {name} does not exist"
    assert bob.get("/demo/get-app-names").json == bob.get("/demo/get-users").json == []
    assert bob.get("/demo/get-app-status").json == bob.get("/demo/get-app-stats").json == []
    assert state(ana, name) == "running"
    create(bob, "bob")
    assert bob.get("/demo/get-app-names").json == ["berth_demo--bob"]
    assert sorted(oli.get("/demo/get-users").json) == ["ana", "bob"]
