# SPDX-License-Identifier: MIT
"""The facility API over a swarm of three engines, as an outside client uses it."""

import json
import time

import pytest

from harness import wait_until
from harness.terminal import Terminal

DEMO = "berth/demo"
ANA = "berth_demo--ana"


def facility(swarm, nodes=True, **keys):
    certs = swarm.client.cert.parent
    endpoints = {f"node.{node.name}": node.tls_url for node in swarm.nodes[1:]} if nodes else {}
    tls = {"tls_ca": certs / "ca.pem", "tls_cert": certs / "cert.pem", "tls_key": certs / "key.pem"}
    return {"backend": "swarm", "engine": swarm.url, "auth": "open", "image_policy": "open",
            **endpoints, **tls, **keys}


class Berth:
    def __init__(self, gateway):
        self.gateway = gateway
        self.client = gateway.anyone

    def get(self, verb, **params):
        return self.client.get(f"/demo/{verb}", **params)

    def post(self, verb, **params):
        return self.client.post(f"/demo/{verb}", **params)

    def status(self, name=ANA):
        answer = self.get("get-app-status", name=name)
        assert answer.status == 200, answer
        return answer.json

    def create(self, user="ana"):
        answer = self.post("create-app", image=DEMO, user=user)
        assert (answer.status, answer.text) == (200, "Success"), answer
        return f"berth_demo--{user}"

    def row(self, name=ANA):
        """As status, or None: a busy engine may need longer for a word than berth takes its silence."""
        answer = self.get("get-app-status", name=name)
        assert answer.status in (200, 503), answer
        return answer.json if answer.status == 200 else None

    def wait(self, state, name=ANA, timeout_s=30):
        """The first row with that state: the next may be another's, as tasks are replaced."""
        return wait_until(lambda: (row := self.row(name)) and row["State"] == state and row,
                          timeout_s, f"{name} to be {state}")

    def wait_elsewhere(self, before, timeout_s=60):
        """The first row in which ANA runs in another container than in the row before."""
        return wait_until(lambda: (row := self.row()) and row["State"] == "running" and
                          row["ID"] != before["ID"] and row, timeout_s, "it to run elsewhere")

    def run(self, user="ana"):
        return self.wait("running", self.create(user))


@pytest.fixture
def open_berth(swarm, gateway):
    return lambda **keys: Berth(gateway({"demo": facility(swarm, **keys)}))


@pytest.fixture
def berth(open_berth):
    return open_berth()


def labels(row):
    return dict(label.split("=", 1) for label in row["Labels"].split(","))


def node_of(swarm, row):
    node_id = labels(row)["com.docker.swarm.node.id"]
    return next(node for node in swarm.nodes if node.id == node_id)


def lines(text):
    return [json.loads(line) for line in text.split("\n")]


def first_samples(berth):
    """The statistics, once there are some of each app: a busy engine may take longer for the first
    than who asks for it waits."""
    def all_known():
        stats = berth.get("get-app-stats").json
        return all(each["PIDs"] != "--" for each in stats) and stats

    return wait_until(all_known, what="a sample of each")


def plain(row):
    """A row of docker ps without the suffix of its task, and with its labels in an order."""
    name = row["Names"].rsplit(".", 2)[0] if labels(row)["com.docker.swarm.task.name"] == \
        row["Names"] else row["Names"]
    return {**row, "Names": name, "Labels": labels(row)}


# ---- The life of an app


def test_an_app_starts_when_it_is_created_and_goes_when_it_is_killed(swarm, berth):
    row = berth.run()
    node = node_of(swarm, row)
    assert berth.get("get-app-names").json == [ANA]
    assert berth.get("get-users").json == ["ana"]
    assert berth.post("create-app", image=DEMO, user="ana").text == f"app {ANA} already exists"
    assert row["ID"] in node.docker("ps", "-q")
    killed = berth.post("kill-app", name=ANA)
    assert (killed.status, killed.text) == (200, "Success")
    assert berth.get("get-app-names").json == []
    assert row["ID"] not in node.docker("ps", "-q")  # SIGKILL: it is not waited for
    assert berth.post("kill-app", name=ANA).text == f"app {ANA} does not exist"


def test_what_needs_a_container_of_its_own_is_refused_by_name(berth):
    berth.run()
    for verb in ("start", "stop", "pause", "unpause", "restart", "delete", "hard-reset"):
        answer = berth.post(f"{verb}-app", name=ANA)
        assert (answer.status, answer.text) == \
            (400, f"{verb}-app endpoint incompatible with swarm mode")


def test_a_job_that_has_ended_stays_and_is_replaced(swarm, berth):
    row = berth.run()
    node_of(swarm, row).docker("kill", row["ID"])
    ended = berth.wait("exited")
    assert ended["Status"].startswith("Exited (137) ")
    again = berth.run()
    assert again["ID"] != row["ID"]
    assert berth.get("get-app-names").json == [ANA]


def test_a_service_is_kept_running(swarm, open_berth):
    berth = open_berth(swarm_mode="service")
    row = berth.run()
    node_of(swarm, row).docker("kill", row["ID"])
    berth.wait_elsewhere(row, 30)
    assert berth.post("create-app", image=DEMO, user="ana").status == 400


def test_names_that_swarm_does_not_take(swarm, gateway):
    two = {**facility(swarm), "adopt": "no"}
    client = gateway({"demo": facility(swarm), "other": two}).anyone
    for name in ("demo", "other"):
        assert client.post(f"/{name}/create-app", image=DEMO, user="x" * 60).status == 200
        assert client.post(f"/{name}/create-app", image=DEMO, user="ana").status == 200
    long_name = "berth_demo--" + "x" * 60
    for name in ("demo", "other"):
        assert sorted(client.get(f"/{name}/get-app-names").json) == [ANA, long_name]
    services = swarm.api("GET", "/services")[1]
    assert len({service["Spec"]["Name"] for service in services}) == 4


def test_an_image_nobody_has_is_refused_at_once(berth):
    answer = berth.post("create-app", image="berth/none", user="ana")
    assert answer.status == 400 and "no node of the swarm has image" in answer.text
    assert berth.get("get-app-names").json == []


def test_what_cannot_be_placed_says_why(open_berth):
    berth = open_berth(app_gpus="1")  # which no node offers
    berth.create()
    wait_until(lambda: berth.status()["Status"].startswith("Pending: no suitable node"), 30,
               "the reason")
    assert berth.status()["State"] == "created"
    assert berth.get("get-app-info", name=ANA).json["Reason"] == "there is no container yet"
    assert berth.post("kill-app", name=ANA).status == 200


# ---- The same as docker's own command


def test_status_is_what_docker_ps_prints_on_the_node(swarm, berth):
    rows = [berth.run(f"user{i}") for i in range(6)]
    assert len({node_of(swarm, row).name for row in rows}) > 1  # spread over the swarm
    for row in rows:
        node = node_of(swarm, row)

        def docker():
            return [plain(each) for each in lines(node.docker("ps", "-a", "--format", "json"))
                    if each["ID"] == row["ID"]][0]

        wait_until(lambda: plain(berth.status(row["Names"])) == docker(), 30, "the two to agree")


def test_info_is_what_docker_inspect_prints_on_the_node(swarm, berth):
    row = berth.run()
    docker = json.loads(node_of(swarm, row).docker("inspect", row["ID"]))[0]
    ours = berth.get("get-app-info", name=ANA, fresh="yes").json
    assert ours["Id"] == docker["Id"] and ours["State"] == docker["State"]
    assert ours["Config"] == docker["Config"]
    limits = ours["HostConfig"]
    assert limits["CapDrop"] == ["ALL"] and limits["PidsLimit"] == 4096


def test_nodes_are_what_docker_node_prints(swarm, berth):
    docker = lines(swarm.docker("node", "ls", "--format", "json"))
    assert berth.get("get-node-status").json == docker
    assert berth.get("get-node-names").json == [row["Hostname"] for row in docker]
    for node in swarm.nodes:
        mine = [row for row in docker if row["Hostname"] == node.name]
        assert [berth.get("get-node-status", hostname=node.name).json] == mine
        assert berth.get("get-node-info", hostname=node.name).json == \
            json.loads(swarm.docker("node", "inspect", node.id))
    assert berth.get("get-node-info", hostname="nowhere").status == 400


def test_stats_come_from_the_nodes(swarm, berth):
    rows = {row["ID"]: row for row in (berth.run(f"user{i}") for i in range(4))}
    stats = first_samples(berth)
    assert {each["ID"] for each in stats} == set(rows)
    for each in stats:
        assert each["Name"] == rows[each["ID"]]["Names"]
        assert int(each["PIDs"]) >= 1 and each["MemUsage"] != "-- / --"
    took = []
    for _ in range(5):
        started = time.monotonic()
        assert berth.get("get-app-stats").status == 200
        took.append(time.monotonic() - started)
    assert min(took) < 0.5, took  # from memory


# ---- What happens behind berth's back, and without endpoints


def test_a_change_on_a_node_shows_within_a_second(swarm, berth):
    took = []
    for _ in range(3):  # a busy machine may hold up one or the other
        row = berth.run()
        node_of(swarm, row).docker("kill", row["ID"])
        killed = time.monotonic()
        berth.wait("exited")
        took.append(time.monotonic() - killed)
    assert min(took) < 1, took


def test_services_removed_by_others_go(swarm, berth):
    took = []
    for _ in range(3):
        berth.run()
        swarm.docker("service", "rm", ANA)
        removed = time.monotonic()
        wait_until(lambda: berth.get("get-app-names").json == [], what="it to go")
        took.append(time.monotonic() - removed)
    assert min(took) < 1, took


def test_without_endpoints_the_manager_tells_what_it_knows(swarm, open_berth):
    berth = open_berth(nodes=False)
    swarm.set_availability(swarm.nodes[0], "drain")  # so that it runs where there is no endpoint
    try:
        row = berth.run()
        node = node_of(swarm, row)
        assert node is not swarm.nodes[0]
        docker = [plain(each) for each in lines(node.docker("ps", "-a", "--format", "json"))][0]
        same = ("ID", "Image", "Labels", "Names", "State", "Size", "LocalVolumes", "Mounts")
        ours = plain(row)
        assert {key: ours[key] for key in same} == {key: docker[key] for key in same}
        assert row["Status"].startswith("Up ") and row.keys() == docker.keys()
        info = berth.get("get-app-info", name=ANA).json
        assert info["Reason"] == f"node {node.name} has no endpoint"
        assert info["Task"]["Status"]["ContainerStatus"]["ContainerID"].startswith(row["ID"])
        assert info["Service"]["Spec"]["Name"] == ANA
        assert berth.get("get-app-stats").json[0]["CPUPerc"] == "--"
        node.docker("kill", row["ID"])
        task = f"/tasks/{info['Task']['ID']}"
        wait_until(lambda: swarm.api("GET", task)[1]["Status"]["State"] == "failed", 30,
                   "the manager to know")
        berth.wait("exited", timeout_s=4)  # polled each second, and each five while nobody asks
        assert berth.status()["Status"].startswith("Exited (137) ")
        assert berth.post("kill-app", name=ANA).status == 200
    finally:
        swarm.set_availability(swarm.nodes[0], "active")


def test_the_log_of_a_task_on_another_node(swarm, berth):
    swarm.set_availability(swarm.nodes[0], "drain")
    try:
        row = berth.run()
        assert node_of(swarm, row) is not swarm.nodes[0]
        wait_until(lambda: berth.get("get-app-logs", name=ANA, stream="stdout").text == "ready\n",
                   30, "its line")
    finally:
        swarm.set_availability(swarm.nodes[0], "active")


def test_a_terminal_in_a_task_on_another_node(swarm, berth):
    swarm.set_availability(swarm.nodes[0], "drain")
    try:
        row = berth.run()
        node = node_of(swarm, row)
        assert node is not swarm.nodes[0]
        with Terminal(berth.client, f"/demo/ws/{ANA}", cols=100, rows=40) as terminal:
            terminal.type("stty size; hostname; sleep 1234 &\n")
            terminal.until(b"40 100\r\n" + row["ID"].encode())
            wait_until(lambda: "sleep 1234" in node.docker("top", row["ID"]), 10, "the sleep")
            terminal.send(type="signal", name="HUP")
            assert terminal.rest() == (1000, "exit 129")
        wait_until(lambda: "sleep 1234" not in node.docker("top", row["ID"]), 30, "its end")
        with Terminal(berth.client, f"/demo/ws/{ANA}") as terminal:
            assert berth.post("kill-app", name=ANA).status == 200
            assert terminal.rest() == (1001, "the app has ended")
    finally:
        swarm.set_availability(swarm.nodes[0], "active")


# ---- Images


def test_images_are_those_of_all_nodes(swarm, berth):
    def listed():
        return [image["Repository"] for image in berth.get("get-images").json]

    worker = swarm.nodes[1]
    worker.import_image("only/here:1", files={"www/index.html": "here\n"})
    wait_until(lambda: "only/here" in listed(), 30, "the worker's image")
    assert listed().count(DEMO) == 1
    worker.docker("rmi", "only/here:1")
    wait_until(lambda: "only/here" not in listed(), 30, "it to be gone")


def test_a_pull_reaches_every_node_and_services_run_by_digest(swarm, berth):
    swarm.manager.import_image("berth/pulled:1", files={"www/index.html": "pulled\n"})
    name = f"{swarm.network.registry}/berth/pulled"
    swarm.push("berth/pulled:1", "berth/pulled:1")
    for node in swarm.nodes:
        node.api("DELETE", "/images/berth/pulled:1?force=1")
    answer = berth.post("request-image", image=name, version="1")
    assert answer.status == 200, answer
    digests = {json.loads(node.docker("image", "inspect", f"{name}:1"))[0]["RepoDigests"][0]
               for node in swarm.nodes}
    assert len(digests) == 1
    assert berth.post("create-app", image=name, version="1", user="ana").status == 200
    service = swarm.api("GET", "/services")[1][0]
    image = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert image == f"{name}:1@{digests.pop().split('@')[1]}"
    row = berth.wait("running", "berth_pulled--ana")
    assert row["Image"] == f"{name}:1"
    assert berth.post("kill-app", name="berth_pulled--ana").status == 200
