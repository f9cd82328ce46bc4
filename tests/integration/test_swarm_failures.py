# SPDX-License-Identifier: MIT
"""What can befall a swarm, with real engines: what the facility says meanwhile and afterwards."""

import datetime
import time

import pytest

from harness import wait_until
from lab import Swarm
from lab.swarm import GATEWAY
from test_swarm import ANA, Berth, facility, first_samples, labels, node_of

DEMO = "berth/demo"
# By when silence has to be noticed: after two seconds on a machine at rest, and long before the 30
# that a call would wait.
SEEN_S = 10


@pytest.fixture
def berth(swarm, gateway):
    return Berth(gateway({"demo": facility(swarm, swarm_mode="service")}))


def run_on_a_worker(swarm, berth):
    """An app on a node that is not the manager, and that node."""
    swarm.set_availability(swarm.nodes[0], "drain")
    row = berth.run()
    swarm.set_availability(swarm.nodes[0], "active")
    return row, node_of(swarm, row)


def keep_there(swarm, node):
    """An app that is on a node is not moved from there, however long that is away: a busy machine
    may take longer over its test than swarm, which counts a node as down after some seconds."""
    for other in swarm.nodes:
        swarm.set_availability(other, "active" if other is node else "pause")


def let_go(swarm):
    for node in swarm.nodes:
        swarm.set_availability(node, "active")


def test_a_frozen_worker_costs_its_own_apps_alone(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    swarm.set_availability(node, "pause")  # so that the other app runs elsewhere
    other = berth.run("ben")
    first_samples(berth)
    keep_there(swarm, node)
    node.freeze()
    try:
        status = berth.wait("unknown", timeout_s=SEEN_S)
        assert status["Status"].startswith(f"Unknown (node {node.name} ")
        assert status["ID"] == row["ID"]  # what was known is still told
        started = time.monotonic()
        assert berth.status(other["Names"])["State"] == "running"
        stats = {each["Name"]: each for each in berth.get("get-app-stats").json}
        assert stats[ANA]["CPUPerc"] == "--" and stats[other["Names"]]["CPUPerc"] != "--"
        assert time.monotonic() - started < SEEN_S
    finally:
        node.thaw()
    berth.wait("running")


def test_a_dead_worker_makes_unknown_until_its_app_runs_elsewhere(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    keep_there(swarm, node)
    node.power_off()
    berth.wait("unknown", timeout_s=SEEN_S)
    let_go(swarm)
    assert node_of(swarm, berth.wait_elsewhere(row)) is not node
    assert {each["Hostname"]: each["Status"] for each in berth.get("get-node-status").json}[
        node.name] == "Down"


def samples(berth):
    """Whether the app ran, by the wall clock."""
    summary = berth.get("get-uptime-summary", name=ANA, duration="hour").json
    return {datetime.datetime.fromisoformat(at).timestamp(): ran for at, ran in summary.items()}


def test_a_job_on_a_dead_worker_is_run_anew_elsewhere(swarm, gateway):
    berth = Berth(gateway({"demo": facility(swarm)}, environment={"TZ": time.tzname[0]},
                          settings={"uptime": {"sample_interval_s": 1}}))
    row, node = run_on_a_worker(swarm, berth)
    wait_until(lambda: any(samples(berth).values()), what="a sample of it")
    keep_there(swarm, node)
    node.power_off()
    dead = time.time()
    berth.wait("unknown", timeout_s=SEEN_S)
    let_go(swarm)
    again = berth.wait("running", timeout_s=60)
    state = berth.get("get-app-info", name=ANA, fresh="yes").json["State"]
    back = datetime.datetime.fromisoformat(state["StartedAt"][:19] + "+00:00").timestamp()
    wait_until(lambda: any(ran for at, ran in samples(berth).items() if at > back), what="it again")
    between = [ran for at, ran in samples(berth).items() if dead < at < back]
    assert not any(between), between  # nobody can tell: it did not run for all that is known
    assert again["ID"] != row["ID"] and node_of(swarm, again) is not node
    node.boot()
    swarm.wait_ready()
    wait_until(lambda: row["ID"] not in node.docker("ps", "-q"), 60, "the old one to end")
    assert berth.status()["ID"] == again["ID"]  # it is not moved back


def test_a_node_that_is_cut_off_from_the_gateway(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    for _ in range(2):  # again after it was back
        swarm.partition(node, GATEWAY)
        assert "does not answer" in berth.wait("unknown", timeout_s=SEEN_S)["Status"]
        swarm.heal()
        assert berth.wait("running")["ID"] == row["ID"]
    keep_there(swarm, node)
    node.freeze()
    berth.wait("unknown", timeout_s=SEEN_S)
    node.thaw()
    berth.wait("running")
    swarm.partition(node, GATEWAY)
    berth.wait("unknown", timeout_s=SEEN_S)
    swarm.heal()
    berth.wait("running")


def test_a_worker_that_is_cut_off_from_its_manager(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    swarm.partition(node, swarm.manager)
    again = berth.wait_elsewhere(row)
    assert node_of(swarm, again) is not node
    assert row["ID"] in node.docker("ps", "-q")  # which nobody there knows better
    assert [each["ID"] for each in berth.get("get-app-status").json] == [again["ID"]]
    swarm.heal()
    swarm.wait_ready()
    wait_until(lambda: row["ID"] not in node.docker("ps", "-q"), 60, "the old one to end")
    assert berth.status()["ID"] == again["ID"]


def test_a_drained_node_is_left(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    swarm.set_availability(node, "drain")
    assert node_of(swarm, berth.wait_elsewhere(row)) is not node


def test_a_manager_that_is_gone_and_comes_back(swarm, berth):
    berth.run()
    swarm.nodes[0].stop()
    wait_until(lambda: berth.get("get-app-status").status == 503, what="the loss to be seen")
    stale = berth.get("get-app-status", stale="ok")
    assert stale.status == 200 and "Warning" in stale.headers
    assert berth.client.get("/readyz").status == 503
    swarm.nodes[0].start()

    def runs():
        """A manager that has just begun may be without a leader once more."""
        answer = berth.get("get-app-status", name=ANA)
        return answer.status == 200 and answer.json["State"] == "running"

    wait_until(runs, 60, "it to run again")


def test_without_a_quorum_reads_are_refused_with_the_reason(engine_version, gateway):
    with Swarm(engine_version, nodes=2, managers=2, tls=True) as swarm:
        swarm.import_image(f"{DEMO}:latest")
        berth = Berth(gateway({"demo": facility(swarm)}))
        berth.run()
        swarm.nodes[1].power_off()
        wait_until(lambda: (answer := berth.get("get-app-status")).status == 503 and
                   "leader" in answer.text, 60, "the loss to be seen")
        stale = berth.get("get-app-status", stale="ok")
        assert stale.status == 200 and stale.json[0]["Names"] == ANA
        created = berth.post("create-app", image=DEMO, user="ben")
        assert created.status in (503, 504), created


def test_two_nodes_of_one_name(swarm, gateway, berth):
    wait_until(lambda: berth.client.get("/readyz").status == 200, 30, "it to be ready")
    twin = swarm.add("node2")
    try:
        wait_until(lambda: berth.client.get("/readyz").status == 503, 30, "readyz to show it")
        reason = berth.client.get("/readyz").json["facilities"]["demo"]["reason"]
        assert "are both called node2" in reason
        refused = gateway({"demo": facility(swarm)}, start=False)
        done = refused.run("serve")
        assert done.returncode == 1 and "are both called node2" in done.stderr
        assert "are both called node2" in refused.run("check-config").stderr
    finally:
        swarm.remove(twin)
    wait_until(lambda: berth.client.get("/readyz").status == 200, 30, "it to be over")


def test_a_renamed_node_is_followed_by_its_id_and_asked_by_its_name(swarm, gateway, berth):
    row, node = run_on_a_worker(swarm, berth)
    before = facility(swarm, swarm_mode="service")  # as the running gateway has it
    old = node.name
    keep_there(swarm, node)  # what ran there comes back there
    node.rename("lab7")
    swarm.wait_ready()

    def runs_again():
        """And the manager has no later one: an engine that restarts may lose more than one."""
        now = berth.status()
        info = berth.get("get-app-info", name=ANA, fresh="yes").json
        return now["State"] == "running" and now["ID"] != row["ID"] and \
            info.get("Reason") == "node lab7 has no endpoint" and \
            info["Task"]["Status"]["ContainerStatus"]["ContainerID"].startswith(now["ID"])

    wait_until(runs_again, 60, "it to run again")
    assert labels(berth.status())["com.docker.swarm.node.id"] == node.id
    assert "lab7" in berth.get("get-node-names").json and old not in \
        berth.get("get-node-names").json
    assert berth.get("get-node-status", hostname="lab7").json["ID"] == node.id
    assert berth.get("get-node-status", hostname=old).status == 400
    refused = gateway({"demo": before}, start=False)
    assert f"node.{old}: the swarm has no node of that name" in refused.run("check-config").stdout
    again = Berth(gateway({"demo": facility(swarm, swarm_mode="service")}))
    wait_until(lambda: again.get("get-app-info", name=ANA, fresh="yes").json.get("Id", "").startswith(
        again.status()["ID"]), what="the node's own word")
    assert again.post("kill-app", name=ANA).status == 200
    wait_until(lambda: berth.get("get-app-names").json == [], 30, "the other gateway to see it")


def test_an_engine_that_is_no_manager(swarm, gateway):
    keys = {**facility(swarm), "engine": swarm.nodes[1].url}
    berth = gateway({"demo": keys})
    answer = berth.anyone.get("/demo/get-app-names")
    assert answer.status == 503 and "not a swarm manager" in answer.text
    done = berth.run("check-config")
    assert done.returncode == 1 and "not a swarm manager" in done.stderr
