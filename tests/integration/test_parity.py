# SPDX-License-Identifier: MIT
"""What berth prints and what docker 26.1 prints of the same zoo, on both engines, are the same.

Normalised is what docker prints in random order: labels, networks and mounts within a row, and the
repositories of one image. Text that moves with the clock is compared where docker prints the same
before and after berth was asked.
"""

import json
import re
import time

import pytest

import zoo
from harness import Gateway, wait_until
from lab import Engine

IMAGE = "berth/demo"
ZONE = "America/St_Johns"  # half hours, daylight saving, and local mean time in year 1
PATIENCE_S = 30


class Pair:
    """The gateway and the docker command over the same engine."""

    def __init__(self, engine, gateway):
        self.engine = engine
        self.client = gateway.anyone

    def docker(self, *args):
        return [json.loads(line) for line in
                self.engine.docker(*args, "--format", "json").split("\n")]

    def berth(self, verb, **params):
        answer = self.client.get(f"/zoo/{verb}", **params)
        assert answer.status == 200, answer
        assert answer.type == "application/json"
        return answer.json

    def compare(self, ask_docker, ask_berth):
        """Both must be equal at a moment at which docker's own answer stands still."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            before, ours, after = ask_docker(), ask_berth(), ask_docker()
            if before == ours or ours == after:
                return
            if before == after and time.monotonic() > deadline - PATIENCE_S / 2 \
                    or time.monotonic() > deadline:
                assert ours == after


@pytest.fixture(scope="module")
def pair(engine_version, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, Engine(engine_version, registry=True) as engine:
        patch.setenv("TZ", ZONE)
        engine.import_image(IMAGE)
        zoo.add_images(engine)
        zoo.add_aged_containers(engine, IMAGE)
        zoo.add_containers(engine, IMAGE)
        facility = {"engine": engine.url, "auth": "open", "adopt": "yes", "image_policy": "open"}
        with Gateway(tmp_path_factory.mktemp("gateway"), {"zoo": facility},
                     environment={"TZ": ZONE}) as gateway:
            yield Pair(engine, gateway)


def sorted_row(row):
    return {key: sorted(value.split(",")) if key in ("Labels", "Networks", "Mounts") else value
            for key, value in row.items()}


def test_status_of_all_apps(pair):
    pair.compare(lambda: [sorted_row(row) for row in pair.docker("ps", "--all")],
                 lambda: [sorted_row(row) for row in pair.berth("get-app-status")])


def test_status_has_what_docker_prints_at_random_in_order(pair):
    rows = {row["Names"]: row for row in pair.berth("get-app-status")}
    assert rows["networks"]["Networks"] == "net-a,net-b,net-c"
    assert rows["labels"]["Labels"] == ",".join(sorted(zoo.LABELS, key=lambda x: x.split("=")[0]))
    mounts = rows["mounts"]["Mounts"].split(",")
    assert mounts == sorted(mounts)


def test_status_of_each_app(pair):
    for name in [row["Names"] for row in pair.docker("ps", "--all")]:
        pair.compare(
            lambda: sorted_row(pair.docker("ps", "--all", "--filter", f"name=^{name}$")[0]),
            lambda: sorted_row(pair.berth("get-app-status", name=name)))


def test_status_moves_with_the_clock(pair):
    """Answers are kept until their text changes: docker's next second is berth's too."""
    begun = time.monotonic()
    while time.monotonic() - begun < 3:
        test_status_of_all_apps(pair)


def test_names(pair):
    assert pair.berth("get-app-names") == [row["Names"] for row in pair.docker("ps", "--all")]


def grouped(rows):
    """Images in their order, the rows of each in one of their own."""
    groups = []
    for row in rows:
        row.pop("CreatedContainerCount", None)
        if not groups or groups[-1][0]["ID"] != row["ID"]:
            groups.append([])
        groups[-1].append(row)
    return [sorted(group, key=lambda row: (row["Repository"], row["Tag"])) for group in groups]


def test_images(pair):
    pair.compare(lambda: grouped(pair.docker("images")),
                 lambda: grouped(pair.berth("get-images")))


def test_images_count_their_containers(pair):
    listed = pair.engine.api("GET", "/containers/json?all=1")[1]
    images = [container["ImageID"].split(":")[1][:12] for container in listed]
    rows = pair.berth("get-images")
    assert {row["ID"]: row["CreatedContainerCount"] for row in rows} == {
        row["ID"]: images.count(row["ID"]) for row in rows}


def still(row):
    """What does not move of a container that does nothing: its network is never silent."""
    return {key: value for key, value in row.items() if key not in ("CPUPerc", "NetIO")}


def test_statistics(pair):
    pair.engine.docker("rm", "--force", "restarting")
    pair.compare(lambda: [still(row) for row in pair.docker("stats", "--all", "--no-stream")],
                 lambda: [still(row) for row in pair.berth("get-app-stats")])
    for row in pair.berth("get-app-stats"):
        assert re.fullmatch(r"\d+\.\d\d%", row["CPUPerc"])
        assert re.fullmatch(r"[\d.e+]+[kMG]?B / [\d.e+]+[kMG]?B", row["NetIO"])


def test_statistics_of_one_app(pair):
    for name in ("limits", "paused", "killed", "network-none"):
        wait_until(lambda: still(pair.berth("get-app-stats", name=name)) == next(
            still(row) for row in pair.berth("get-app-stats") if row["Name"] == name),
            what=f"the two of {name} to agree")


def without_probes(info):
    """A health check's log may lag by one probe."""
    info["State"].pop("Health", None)
    return info


def test_info_is_the_engine_s_own(pair):
    for name in pair.berth("get-app-names"):
        pair.compare(
            lambda: without_probes(pair.engine.api("GET", f"/containers/{name}/json")[1]),
            lambda: without_probes(pair.berth("get-app-info", name=name)))


def test_node_is_the_engine_s_host(pair):
    info = pair.engine.api("GET", "/info")[1]
    node = {"Availability": "Active", "EngineVersion": info["ServerVersion"],
            "Hostname": info["Name"], "ID": info["ID"], "ManagerStatus": "", "Self": True,
            "Status": "Ready", "TLSStatus": ""}
    assert pair.berth("get-node-names") == [info["Name"]]
    assert pair.berth("get-node-status") == [node]
    assert pair.berth("get-node-status", hostname=info["Name"]) == node
