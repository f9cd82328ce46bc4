# SPDX-License-Identifier: MIT
"""Watching a real engine: what happens behind berth's back, its silence, and a real pull."""

import itertools
import secrets
import time

import pytest

WATCH = "/demo/watch"


@pytest.fixture
def berth(engine, gateway):
    berth = gateway({"demo": {"engine": engine.url}})
    assert berth.admin.post("/demo/approve-image", image="berth/demo", wait="yes").status == 200
    return berth


def running(berth, user):
    assert berth.admin.post("/demo/create-app", image="berth/demo", user=user).status == 200
    assert berth.admin.post("/demo/start-app", name=f"berth_demo--{user}").status == 200
    return f"berth_demo--{user}"


def test_what_the_docker_command_does_shows_within_a_second(engine, berth):
    name = running(berth, "ana")
    took = []
    with berth.admin.watch(WATCH) as watcher:
        watcher.until("ready")
        for verb, state in (("stop", "exited"), ("start", "running"), ("stop", "exited")):
            engine.docker(verb, name)
            done = time.monotonic()
            event = watcher.next()
            took.append(time.monotonic() - done)
            assert (event.data["change"], event.data["name"], event.data["app"]["State"]) == \
                ("changed", name, state)
        last_id = watcher.last_id
    assert min(took) < 1, took  # a busy machine may hold up one or the other
    engine.docker("rm", name)
    with berth.admin.watch(WATCH, last_id=last_id) as watcher:
        event = watcher.next()
        assert (event.data["change"], event.data["app"]) == ("removed", None)


def test_an_engine_that_falls_silent_and_comes_back(engine, berth):
    name = running(berth, "ana")
    with berth.admin.watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
        engine.freeze()
        try:
            event = watcher.next(8)  # a watcher counts as traffic; without, it takes 11 s
            assert event.name == "lost" and event.data["reason"]
            with berth.admin.watch(WATCH) as late:
                assert late.until("lost")[0].data == event.data
                with berth.admin.watch(WATCH, last_id=last_id) as resumed:
                    assert resumed.next() == event
                    with berth.admin.watch(WATCH, last_id=event.id) as knowing:
                        assert knowing.quiet_for(0.6)
                        engine.thaw()
                        for each in (watcher, late, resumed, knowing):
                            first, app, *_, ready = each.until("ready")
                            assert first.data == {"reason": "contact with the engine is back"}
                            assert (app.data["name"], app.data["app"]["State"]) == (name, "running")
                            assert ready.data == {"apps": 1}
        finally:
            engine.thaw()


def test_a_real_pull_shows_its_progress(engine, berth):
    engine.import_image("local/big:latest", files={"big": secrets.token_hex(8_000_000)})
    engine.push("local/big:latest", "big:1")
    engine.docker("rmi", "--force", "local/big:latest")
    with berth.admin.watch(WATCH) as watcher:
        watcher.until("ready")
        begin = time.monotonic()
        assert berth.admin.post("/demo/approve-image", image="big:1").status == 202
        events = []
        while not events or events[-1].data["state"] == "pulling":
            events.append(watcher.next(60))
        took = time.monotonic() - begin
    engine.docker("rmi", "--force", "big:1")
    assert [event.name for event in events] == ["image"] * len(events)
    assert [state for state, _ in itertools.groupby(event.data["state"] for event in events)] == \
        ["pulling", "approved"]
    percents = [event.data["percent"] for event in events]
    assert percents == sorted(percents) and percents[0] == 0 and percents[-1] == 100
    assert 3 <= len(events) <= 2 * took + 3
    assert events[-1].data["digest"].startswith("sha256:")
