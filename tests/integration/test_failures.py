# SPDX-License-Identifier: MIT
"""The engine stopped, killed, frozen, absent; the gateway killed; changes behind its back."""

import calendar
import re
import threading
import time

import pytest

from harness import Gateway, wait_until
from lab import Engine

DEMO = "berth/demo:latest"
APP = "berth_demo--ana"


@pytest.fixture(scope="module")
def own_engine(engine_version):
    """An engine that tests may end and must leave running; its containers live on meanwhile."""
    with Engine(engine_version, args=["--live-restore"]) as engine:
        engine.import_image(DEMO)
        yield engine


@pytest.fixture
def patience_s():
    """For how long the engine may say nothing."""
    return 30


@pytest.fixture
def berth(own_engine, gateway, patience_s):
    """A gateway over the engine, and over one in memory; the app runs."""
    berth = gateway(
        facilities={
            "demo": {"engine": own_engine.url, "image_policy": "open"},
            "other": {"backend": "memory", "image_policy": "open", "memory_apps": "10"},
        },
        settings={"limits": {"request_timeout_s": patience_s}, "uptime": {"sample_interval_s": "1"}})
    admin = berth.admin
    assert admin.post("/demo/create-app", image="berth/demo", user="ana").text == "Success"
    assert admin.post("/demo/start-app", name=APP).text == "Success"
    yield berth
    own_engine.docker("rm", "--force", APP)


def state(client, **params):
    answer = client.get("/demo/get-app-status", name=APP, **params)
    return answer.json["State"] if answer.status == 200 else answer.status


def test_a_change_behind_its_back_shows_within_a_second(berth, own_engine):
    admin = berth.admin
    for command, expected in (("stop", "exited"), ("start", "running"), ("pause", "paused"),
                              ("unpause", "running"), ("kill", "exited")):
        own_engine.docker(command, *(["-t", "1"] if command == "stop" else []), APP)
        wait_until(lambda: state(admin) == expected, 1, f"{expected} after {command}")
    own_engine.docker("rm", APP)
    wait_until(lambda: state(admin) == 400, 1, "the app to be gone")
    admin.post("/demo/create-app", image="berth/demo", user="ana")


def test_a_killed_engine_is_said_and_its_return_is_noticed(berth, own_engine):
    admin = berth.admin
    own_engine.kill()
    try:
        wait_until(lambda: state(admin) == 503, what="503 while the engine is away")
        refused = admin.get("/demo/get-app-status", name=APP)
        assert int(refused.headers["Retry-After"]) >= 1
        assert "cannot be reached" in refused.text or "engine" in refused.text

        stale = admin.get("/demo/get-app-status", name=APP, stale="ok")
        assert stale.status == 200 and stale.json["Names"] == APP
        assert int(stale.headers["Age"]) >= 0 and stale.headers["Warning"].startswith("110 ")

        assert admin.post("/demo/stop-app", name=APP).status == 503
        assert berth.anyone.get("/readyz").status == 503
        assert admin.get("/other/get-app-names").status == 200
    finally:
        own_engine.start()
    wait_until(lambda: state(admin) == "running", 2, "the app to show again")
    assert berth.anyone.get("/readyz").status == 200
    assert admin.post("/demo/stop-app", name=APP).text == "Success"


@pytest.mark.parametrize("patience_s", [5])
def test_a_frozen_engine_holds_up_nobody_else(berth, own_engine):
    admin = berth.admin
    assert state(admin) == "running"
    own_engine.freeze()
    try:
        # While nobody reads, it would take ten seconds.
        wait_until(lambda: state(admin) == 503, 9, "503 while the engine is frozen")
        waiting = [threading.Thread(target=lambda: admin.again().get("/demo/get-node-status"))
                   for _ in range(8)]
        for thread in waiting:
            thread.start()
        begun = time.monotonic()
        assert admin.again().get("/other/get-app-status").status == 200
        assert admin.again().post("/other/create-app", image="demo", user="eva").status == 200
        assert time.monotonic() - begun < 4  # an engine may be silent for 5
        for thread in waiting:
            thread.join(60)
            assert not thread.is_alive()
    finally:
        own_engine.thaw()
    wait_until(lambda: state(admin) == "running", 2, "the app to show again")


@pytest.mark.parametrize("patience_s", [5])
def test_a_silent_engine_is_cut_after_the_configured_time(berth, own_engine):
    admin = berth.admin
    own_engine.freeze()
    try:
        begun = time.monotonic()
        answer = admin.get("/demo/get-node-status")
        took = time.monotonic() - begun
        assert answer.status in (503, 504), answer
        assert took < 12, f"request_timeout_s is 5, it took {took:.1f} s"
    finally:
        own_engine.thaw()
    wait_until(lambda: state(admin) == "running", what="the app to show again")


def test_an_engine_that_comes_later_is_found(own_engine, gateway, tmp_path):
    own_engine.stop()
    try:
        berth = gateway(facilities={"demo": {"engine": own_engine.url, "image_policy": "open"}})
        answer = berth.admin.get("/demo/get-app-names")
        assert answer.status == 503 and "Retry-After" in answer.headers
        assert berth.anyone.get("/livez").status == 200
    finally:
        own_engine.start()
    wait_until(lambda: berth.admin.get("/demo/get-app-names").status == 200, 2, "the engine")


def samples(client):
    return client.get("/demo/get-uptime-summary", name=APP, duration="hour").json


def moments(client):
    """When the samples were, by the gateway's clock, which is that of Greenwich."""
    return [calendar.timegm(time.strptime(key, "%Y-%m-%dT%H:%M:%S")) for key in samples(client)]


def test_an_outage_is_a_gap_in_the_uptime(berth, own_engine):
    admin = berth.admin
    wait_until(lambda: list(samples(admin).values())[-2:] == [True, True], what="two samples")
    own_engine.kill()
    try:
        wait_until(lambda: state(admin) == 503, what="503 while the engine is away")
        lost = time.time()
        time.sleep(3)
        assert moments(admin)[-1] <= lost, "samples were invented during the outage"
    finally:
        own_engine.start()
    wait_until(lambda: state(admin) == "running", what="the app to show again")
    wait_until(lambda: moments(admin)[-1] > lost, what="samples after the outage")
    found = moments(admin)
    gaps = [later - earlier for earlier, later in zip(found, found[1:])]
    assert max(gaps) >= 3, gaps


def test_an_app_outlives_a_killed_gateway_and_is_found_again(berth):
    berth.kill()
    berth.start()
    admin = berth.admin
    assert state(admin) == "running"
    assert samples(admin), "uptime survives"
    assert admin.post("/demo/stop-app", name=APP).text == "Success"


def test_what_was_answered_survives_kill_9(tmp_path):
    """Image requests from several clients at once, and the gateway killed among them."""
    berth = Gateway(tmp_path, facilities={"demo": {"backend": "memory"}})
    berth.start()
    answered, lock = [], threading.Lock()
    done = threading.Event()

    def ask(number):
        client = berth.admin.again()
        for i in range(10000):
            if done.is_set():
                return
            image = f"team{number}/tool{i}"
            try:
                if client.post("/demo/request-image", image=image).status == 202:
                    with lock:
                        answered.append(image)
            except OSError:
                return
            except Exception as failure:  # http.client's own, when the answer breaks off
                assert re.search("Disconnected|IncompleteRead|BadStatus", repr(failure))
                return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answered) > 300, 30, "300 answers")
    berth.kill()
    done.set()
    for thread in threads:
        thread.join()
    kept = len(answered)
    with berth:
        listed = {item["image"] for item in berth.admin.get("/demo/get-image-requests").json}
    missing = [image for image in answered if image not in listed]
    assert kept > 300 and not missing, f"{len(missing)} of {kept} answered requests are lost"
