# SPDX-License-Identifier: MIT
"""What the tests rely on the lab's swarm for."""

import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from lab import GATEWAY, VERSIONS, Swarm
from lab.test_lab import left_of

DEMO = "berth/demo:latest"

OWNER = """
import sys, time
from lab import Swarm
swarm = Swarm(registry=True, tls=True).start()
swarm.import_image("berth/demo")
swarm.docker("service", "create", "-d", "--no-resolve-image", "--mode", "global", "berth/demo")
while not all(node.docker("ps", "-q") for node in swarm.nodes):
    time.sleep(0.1)
swarm.nodes[1].docker("pause", swarm.nodes[1].docker("ps", "-q"))
swarm.nodes[2].freeze()
print(swarm.network.device, swarm.network.directory, *(n.directory for n in swarm.nodes),
      flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def shared():
    with Swarm("26.1", registry=True, tls=True) as swarm:
        swarm.import_image(DEMO)
        yield swarm


@pytest.fixture
def swarm(shared):
    yield shared
    shared.reset()


def wait(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def create(swarm, *options):
    return swarm.docker("service", "create", "-d", "--no-resolve-image", *options, DEMO)


def places(swarm, service):
    """The ids of the nodes where tasks of a service run, sorted."""
    tasks = swarm.api("GET", f'/tasks?filters={{"service":["{service}"]}}')[1]
    return sorted(t["NodeID"] for t in tasks
                  if t["Status"]["State"] == t["DesiredState"] == "running")


def ask(swarm, node, *options, timeout_s=20):
    """GET /info of a node over tcp; (exit status of curl, decoded JSON)."""
    done = subprocess.run(
        ["curl", "-s", "-m", str(timeout_s), "--cacert", swarm.client.ca, *options,
         node.tls_url.replace("tcp", "https") + "/info"], capture_output=True)
    return done.returncode, json.loads(done.stdout or "null")


def certificate(swarm):
    return ["--cert", swarm.client.cert, "--key", swarm.client.key]


@pytest.mark.parametrize("versions", [*((v, v) for v in VERSIONS), ("26.1", "20.10")])
def test_spreads_a_service_over_nodes_of_each_version(versions):
    with Swarm(versions[0], workers=versions[1], registry=True) as swarm:
        swarm.manager.import_image(DEMO)
        digest = swarm.push(DEMO, "berth/spread:1")
        service = swarm.docker("service", "create", "-d", "--replicas", "3", "berth/spread:1")
        wait(lambda: places(swarm, service) == sorted(node.id for node in swarm.nodes))
        spec = swarm.api("GET", f"/services/{service}")[1]["Spec"]["TaskTemplate"]
        found = [node.api("GET", "/version")[1]["Version"][:5] for node in swarm.nodes]
    assert spec["ContainerSpec"]["Image"] == f"berth/spread:1@{digest}"
    assert [v.rstrip(".") for v in found] == [versions[0], versions[1], versions[1]]


def test_names_its_nodes(swarm):
    names = [node["Description"]["Hostname"] for node in swarm.api("GET", "/nodes")[1]]
    assert sorted(names) == [node.name for node in swarm.nodes] == ["node1", "node2", "node3"]


def test_an_engine_shows_itself_to_those_with_a_certificate(swarm):
    for node in swarm.nodes:
        assert ask(swarm, node, *certificate(swarm))[1]["Name"] == node.name
        assert ask(swarm, node)[0] == 56  # the handshake was refused


def test_moves_the_tasks_of_a_dead_node(swarm):
    service = create(swarm, "--replicas", "3", "--restart-delay", "0s")
    wait(lambda: len(set(places(swarm, service))) == 3)
    manager, dead, other = swarm.nodes
    dead.power_off()
    wait(lambda: set(places(swarm, service)) == {manager.id, other.id}
         and len(places(swarm, service)) == 3)
    assert ask(swarm, dead, *certificate(swarm), timeout_s=1)[0] in (7, 28)
    dead.boot()
    swarm.wait_status(dead, "ready")
    assert ask(swarm, dead, *certificate(swarm))[1]["Name"] == dead.name


def test_a_frozen_node_keeps_its_connections_and_containers(swarm):
    service = create(swarm, "--mode", "global")
    wait(lambda: len(places(swarm, service)) == 3)
    frozen = swarm.nodes[1]
    container = frozen.docker("ps", "-q", "--no-trunc")
    pid = frozen.docker("inspect", "--format", "{{.State.Pid}}", container)
    frozen.freeze()
    assert ask(swarm, frozen, *certificate(swarm), timeout_s=1)[0] == 28  # it timed out
    swarm.wait_status(frozen, "down")
    assert subprocess.run(frozen.inside("busybox", "kill", "-0", pid)).returncode == 0
    frozen.thaw()
    swarm.wait_status(frozen, "ready")


def test_parts_a_node_from_whom_it_is_told_to(swarm):
    manager, one, other = swarm.nodes
    swarm.partition(one, manager)
    swarm.wait_status(one, "down")
    assert ask(swarm, one, *certificate(swarm))[0] == 0
    assert reaches(one, other) and not reaches(one, manager) and not reaches(manager, one)
    swarm.heal()
    swarm.wait_status(one, "ready")

    swarm.partition(one, GATEWAY)
    assert ask(swarm, one, *certificate(swarm), timeout_s=1)[0] == 28
    assert reaches(one, manager) and reaches(one, other)
    swarm.heal()
    assert ask(swarm, one, *certificate(swarm))[0] == 0

    swarm.partition(one)
    assert not reaches(one, manager) and not reaches(other, one)
    swarm.heal()
    assert reaches(one, manager)


def reaches(node, other):
    probe = node.inside("busybox", "nc", "-w", "3", other.address, "2376", "-e", "true")
    return subprocess.run(probe, capture_output=True).returncode == 0


def test_nodes_are_renamed_drained_and_added(swarm):
    manager, one, other = swarm.nodes
    one.rename(other.name)
    swarm.wait_ready()
    names = [node["Description"]["Hostname"] for node in swarm.api("GET", "/nodes")[1]]
    assert sorted(names) == ["node1", "node3", "node3"]

    service = create(swarm, "--mode", "global")
    wait(lambda: len(places(swarm, service)) == 3)
    swarm.set_availability(other, "drain")
    wait(lambda: places(swarm, service) == sorted([manager.id, one.id]))
    fourth = swarm.add(version="20.10")
    fourth.docker("load", input=manager.save(DEMO))
    wait(lambda: fourth.id in places(swarm, service))
    swarm.reset()
    assert [node.name for node in swarm.nodes] == ["node1", "node2", "node3"]
    assert len(swarm.api("GET", "/nodes")[1]) == 3
    assert swarm.api("GET", "/services")[1] == []


def test_has_no_quorum_when_two_managers_of_three_are_dead():
    with Swarm(managers=3) as swarm:
        for node in swarm.nodes[1:]:
            node.power_off()
        with pytest.raises(RuntimeError, match="rpc error"):
            create(swarm)


def test_leaves_nothing_behind():
    tests = pathlib.Path(__file__).resolve().parents[1]
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=tests)
    device, *directories = owner.stdout.readline().split()
    directories = [pathlib.Path(directory) for directory in directories]
    assert len(directories) == 4 and all(map(pathlib.Path.is_dir, directories))
    owner.send_signal(signal.SIGKILL)
    owner.wait()

    def left():
        links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True).stdout
        found = [device] if device in links else []
        return found + [item for directory in directories for item in left_of(directory)]

    deadline = time.monotonic() + 60
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left() == []
