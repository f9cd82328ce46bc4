# SPDX-License-Identifier: MIT
"""What can befall a swarm, with real engines: what the facility says meanwhile and afterwards."""

import datetime
import time

import pytest

from harness import wait_until
from lab import Swarm
from lab.swarm import GATEWAY
from test_swarm import ANA, Berth, facility, labels, node_of

DEMO = "berth/demo"


@pytest.fixture
def berth(swarm, gateway):
    return Berth(gateway({"demo": facility(swarm, swarm_mode="service")}))


def run_on_a_worker(swarm, berth):
    """An app on a node that is not the manager, and that node."""
    swarm.set_availability(swarm.nodes[0], "drain")
    row = berth.run()
    swarm.set_availability(swarm.nodes[0], "active")
    return row, node_of(swarm, row)


def test_a_frozen_worker_costs_its_own_apps_alone(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    swarm.set_availability(node, "pause")  # so that the other app runs elsewhere
    other = berth.run("ben")
    swarm.set_availability(node, "active")
    node.freeze()
    try:
        status = berth.wait("unknown", timeout_s=6)
        assert status["Status"].startswith(f"Unknown (node {node.name} ")
        assert status["ID"] == row["ID"]  # what was known is still told
        started = time.monotonic()
        assert berth.status(other["Names"])["State"] == "running"
        stats = {each["Name"]: each for each in berth.get("get-app-stats").json}
        assert stats[ANA]["CPUPerc"] == "--" and stats[other["Names"]]["CPUPerc"] != "--"
        assert time.monotonic() - started < 5
    finally:
        node.thaw()
    berth.wait("running")


def test_a_dead_worker_makes_unknown_until_its_app_runs_elsewhere(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    node.power_off()
    berth.wait("unknown", timeout_s=10)
    wait_until(lambda: berth.status()["State"] == "running" and berth.status()["ID"] != row["ID"],
               60, "it to run elsewhere")
    assert node_of(swarm, berth.status()) is not node
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
    wait_until(lambda: any(samples(berth).values()), 5, "a sample of it")
    node.power_off()
    dead = time.time()
    berth.wait("unknown", timeout_s=10)
    wait_until(lambda: berth.status()["State"] == "running", 40, "it to run elsewhere")
    back = time.time()
    again = berth.status()
    wait_until(lambda: any(ran for at, ran in samples(berth).items() if at > back), 5, "it again")
    between = [ran for at, ran in samples(berth).items() if dead < at < back - 3]
    assert not any(between), between  # nobody can tell: it did not run for all that is known
    assert again["ID"] != row["ID"] and node_of(swarm, again) is not node
    node.boot()
    swarm.wait_ready()
    wait_until(lambda: row["ID"] not in node.docker("ps", "-q"), 20, "the old one to end")
    assert berth.status()["ID"] == again["ID"]  # it is not moved back


def test_a_node_that_is_cut_off_from_the_gateway(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    for _ in range(2):  # again after it was back
        swarm.partition(node, GATEWAY)
        assert "does not answer" in berth.wait("unknown", timeout_s=4)["Status"]
        swarm.heal()
        assert berth.wait("running", timeout_s=10)["ID"] == row["ID"]
    node.freeze()
    berth.wait("unknown", timeout_s=4)
    node.thaw()
    berth.wait("running", timeout_s=10)
    swarm.partition(node, GATEWAY)
    berth.wait("unknown", timeout_s=4)
    swarm.heal()
    berth.wait("running", timeout_s=10)


def test_a_worker_that_is_cut_off_from_its_manager(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    swarm.partition(node, swarm.manager)
    wait_until(lambda: berth.status()["State"] == "running" and berth.status()["ID"] != row["ID"],
               60, "it to run elsewhere")
    again = berth.status()
    assert node_of(swarm, again) is not node
    assert row["ID"] in node.docker("ps", "-q")  # which nobody there knows better
    assert [each["ID"] for each in berth.get("get-app-status").json] == [again["ID"]]
    swarm.heal()
    swarm.wait_ready()
    wait_until(lambda: row["ID"] not in node.docker("ps", "-q"), 20, "the old one to end")
    assert berth.status()["ID"] == again["ID"]


def test_a_drained_node_is_left(swarm, berth):
    row, node = run_on_a_worker(swarm, berth)
    swarm.set_availability(node, "drain")
    wait_until(lambda: berth.status()["State"] == "running" and
               node_of(swarm, berth.status()) is not node, 40, "it to run elsewhere")


def test_a_manager_that_is_gone_and_comes_back(swarm, berth):
    berth.run()
    swarm.nodes[0].stop()
    wait_until(lambda: berth.get("get-app-status").status == 503, 5, "the loss to be seen")
    stale = berth.get("get-app-status", stale="ok")
    assert stale.status == 200 and "Warning" in stale.headers
    assert berth.client.get("/readyz").status == 503
    swarm.nodes[0].start()
    wait_until(lambda: berth.get("get-app-status").status == 200, 30, "it to be back")
    berth.wait("running", timeout_s=60)


def test_without_a_quorum_reads_are_refused_with_the_reason(engine_version, gateway):
    with Swarm(engine_version, nodes=2, managers=2, tls=True) as swarm:
        swarm.import_image(f"{DEMO}:latest")
        berth = Berth(gateway({"demo": facility(swarm)}))
        berth.run()
        swarm.nodes[1].power_off()
        wait_until(lambda: berth.get("get-app-status").status == 503, 40, "the loss to be seen")
        assert "leader" in berth.get("get-app-status").text
        stale = berth.get("get-app-status", stale="ok")
        assert stale.status == 200 and stale.json[0]["Names"] == ANA
        created = berth.post("create-app", image=DEMO, user="ben")
        assert created.status in (503, 504), created


def test_two_nodes_of_one_name(swarm, gateway, berth):
    wait_until(lambda: berth.client.get("/readyz").status == 200, 10, "it to be ready")
    twin = swarm.add("node2")
    try:
        wait_until(lambda: berth.client.get("/readyz").status == 503, 10, "readyz to show it")
        reason = berth.client.get("/readyz").json["facilities"]["demo"]["reason"]
        assert "are both called node2" in reason
        refused = gateway({"demo": facility(swarm)}, start=False)
        done = refused.run("serve")
        assert done.returncode == 1 and "are both called node2" in done.stderr
        assert "are both called node2" in refused.run("check-config").stderr
    finally:
        swarm.remove(twin)
    wait_until(lambda: berth.client.get("/readyz").status == 200, 10, "it to be over")


def test_a_renamed_node_is_followed_by_its_id_and_asked_by_its_name(swarm, gateway, berth):
    row, node = run_on_a_worker(swarm, berth)
    before = facility(swarm, swarm_mode="service")  # as the running gateway has it
    old = node.name
    for other in swarm.nodes:  # what ran there comes back there
        swarm.set_availability(other, "active" if other is node else "pause")
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
    assert again.get("get-app-info", name=ANA, fresh="yes").json["Id"].startswith(
        again.status()["ID"])
    assert again.post("kill-app", name=ANA).status == 200
    wait_until(lambda: berth.get("get-app-names").json == [], 5, "the other gateway to see it")


def test_an_engine_that_is_no_manager(swarm, gateway):
    keys = {**facility(swarm), "engine": swarm.nodes[1].url}
    berth = gateway({"demo": keys})
    answer = berth.anyone.get("/demo/get-app-names")
    assert answer.status == 503 and "not a swarm manager" in answer.text
    done = berth.run("check-config")
    assert done.returncode == 1 and "not a swarm manager" in done.stderr
