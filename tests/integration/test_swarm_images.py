# SPDX-License-Identifier: MIT
"""Approved images on every node of a swarm, with real engines and a real registry."""

import pytest

from harness import wait_until
from test_swarm import DEMO, Berth, facility, node_of

TOOL = "tool:1"
LABEL = "berth.pull"
PATIENCE_S = 150  # what a busy node or manager refuses at first is tried again after a minute


@pytest.fixture
def open_berth(swarm, gateway):
    return lambda **keys: Berth(gateway({"demo": facility(swarm, image_policy="approval", **keys)}))


@pytest.fixture
def digest(swarm):
    """An image that only the registry has."""
    local = swarm.manager.import_image("local/made:latest", files={"www/index.html": "tool"})
    yield swarm.push("local/made:latest", TOOL)
    swarm.manager.docker("rmi", "--force", local)
    for node in swarm.nodes:
        clear(node)


def clear(node):
    keep = node.docker("images", "--quiet", "--no-trunc", DEMO)
    for image in set(node.docker("images", "--quiet", "--no-trunc").split()) - {keep}:
        node.docker("rmi", "--force", image)


def has(node, digest):
    return node.api("GET", f"/images/tool@{digest}/json")[0] == 200


def request_of(berth, **params):
    return berth.get("get-image-requests", **params).json[0]


def states(berth):
    return {row["node"]: row["state"] for row in request_of(berth).get("nodes", [])}


def everywhere(swarm):
    return {node.name: "present" for node in swarm.nodes}


def approve(swarm, berth):
    begun = berth.post("approve-image", image=TOOL)
    assert begun.status == 202 and begun.json["state"] == "pulling", begun
    wait_until(lambda: request_of(berth)["state"] == "approved", PATIENCE_S, "the pull's end")
    wait_until(lambda: states(berth) == everywhere(swarm), PATIENCE_S, f"all nodes: {request_of(berth)}")


def helpers(swarm):
    return [each["Spec"]["Name"] for each in swarm.api("GET", "/services")[1]
            if LABEL in each["Spec"]["Labels"]]


def check_nothing_is_left(swarm):
    def is_clean():
        return not helpers(swarm) and not any(
            node.api("GET", "/containers/json?all=1")[1] for node in swarm.nodes)

    wait_until(is_clean, PATIENCE_S, "what brought the images to be gone")


@pytest.mark.parametrize("nodes", [True, False], ids=["by endpoints", "by swarm alone"])
def test_approval_brings_the_image_to_every_node(swarm, open_berth, digest, nodes):
    berth = open_berth(nodes=nodes)
    clear(swarm.manager)
    with berth.client.watch("/demo/watch") as watcher:
        approve(swarm, berth)
        told = {"state": None}
        while told["state"] != "approved":
            told = watcher.until("image")[-1].data
    assert told["nodes"] == [{"node": node.name, "state": "present", "percent": 100, "error": None}
                             for node in swarm.nodes]
    assert all(has(node, digest) for node in swarm.nodes)
    if nodes:  # by its name, too
        assert all(TOOL in node.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
                   for node in swarm.nodes)
    assert berth.get("get-app-names").json == []
    check_nothing_is_left(swarm)
    node = swarm.add()
    wait_until(lambda: states(berth) == everywhere(swarm), PATIENCE_S, "the new node to have it")
    assert has(node, digest)
    check_nothing_is_left(swarm)


def test_a_node_that_dies_holds_nobody_up_and_gets_it_when_it_is_back(swarm, open_berth, digest):
    berth = open_berth(nodes=False)
    clear(swarm.manager)
    dead = swarm.nodes[2]
    dead.freeze()
    assert berth.post("approve-image", image=TOOL).status == 202

    def arrived():
        row = request_of(berth)
        return row.get("nodes") and row["nodes"][1]["state"] == "present" and row

    row = wait_until(arrived, PATIENCE_S, "the node that lives")
    if swarm.status(dead) == "ready":  # a busy machine may have taken longer than swarm waits
        assert (row["state"], row["nodes"][2]["state"]) == ("pulling", "pulling"), row
    dead.power_off()
    wait_until(lambda: request_of(berth)["state"] == "approved" and request_of(berth)["nodes"][2] == {
        "node": "node3", "state": "waiting", "percent": 0, "error": "node node3 is down"},
        PATIENCE_S, "the others to be enough")
    assert berth.post("create-app", image="tool", version="1", user="ana").status == 200
    dead.boot()
    wait_until(lambda: states(berth) == everywhere(swarm), PATIENCE_S, "the node to have it")
    assert has(dead, digest)
    assert berth.post("kill-app", name="tool--ana").status == 200
    check_nothing_is_left(swarm)


def test_an_endpoint_that_does_not_answer_is_got_around(swarm, open_berth, digest):
    berth = open_berth()
    clear(swarm.manager)
    swarm.partition(swarm.nodes[1], "gateway")
    approve(swarm, berth)
    assert has(swarm.nodes[1], digest)


def test_a_node_that_cannot_get_it_is_named(swarm, open_berth, digest):
    berth = open_berth(nodes=False)
    clear(swarm.manager)
    swarm.nodes[1].cut(f"{swarm.network.prefix}2")  # the registry
    assert berth.post("approve-image", image=TOOL).status == 202
    wait_until(lambda: request_of(berth)["state"] == "approved", PATIENCE_S, "the pull's end")
    failed = request_of(berth)["nodes"][1]
    assert failed["state"] == "failed" and failed["error"].startswith("No such image: tool:1@")
    check_nothing_is_left(swarm)


def test_a_purge_deletes_it_where_nothing_uses_it(swarm, open_berth, digest):
    berth = open_berth()
    clear(swarm.manager)
    approve(swarm, berth)
    assert berth.post("create-app", image="tool", version="1", user="ana").status == 200
    row = berth.wait("running", "tool--ana")
    using = node_of(swarm, row)
    kept = berth.post("remove-image", image=TOOL, purge="yes")
    name = "the manager" if using is swarm.manager else using.name
    assert kept.status == 409 and kept.text.startswith(
        "approval is withdrawn, but the image stays: "
        f"it is in use on {name}, and gone from the others: conflict: "), kept
    assert request_of(berth)["state"] == "removed" and "nodes" not in request_of(berth)
    assert [node for node in swarm.nodes if has(node, digest)] == [using]
    assert "tool" in [image["Repository"] for image in berth.get("get-images").json]
    assert berth.post("kill-app", name="tool--ana").status == 200
    wait_until(lambda: berth.post("remove-image", image=TOOL, purge="yes").status == 200, 60,
               "swarm to have removed the container")
    assert not has(using, digest)
    assert "tool" not in [image["Repository"] for image in berth.get("get-images").json]


def test_what_an_earlier_run_left_behind_is_removed(swarm, open_berth):
    body = {"Name": "berth-pull-left-1", "Labels": {LABEL: "demo"},
            "TaskTemplate": {"ContainerSpec": {"Image": DEMO, "Labels": {LABEL: "demo"}}}}
    assert swarm.api("POST", "/services/create", body)[0] == 201
    other = {**body, "Name": "berth-pull-other-1", "Labels": {LABEL: "other"}}
    assert swarm.api("POST", "/services/create", other)[0] == 201
    berth = open_berth(adopt="yes")
    wait_until(lambda: helpers(swarm) == ["berth-pull-other-1"], 30, "it to be gone")
    assert berth.get("get-app-names").json == []  # with adopt, others' services are apps; not this


def test_an_image_of_no_registry(swarm, open_berth):
    berth = open_berth()
    approved = berth.post("approve-image", image=DEMO)
    assert approved.status == 200 and approved.json["state"] == "approved"
    wait_until(lambda: states(berth) == everywhere(swarm), 30, "the nodes to be asked")
    node = swarm.add()
    wait_until(lambda: states(berth).get(node.name) == "failed", 60, "the new node to lack it")
    assert request_of(berth)["nodes"][3]["error"] == \
        f"image {DEMO}:latest is of no registry, and node {node.name} has no endpoint"
