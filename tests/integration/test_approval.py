# SPDX-License-Identifier: MIT
"""Approval against a real registry: pulls, pinned digests, failures."""

import pytest

from harness import clear_engine, wait_until


@pytest.fixture
def berth(engine, gateway):
    return gateway(facilities={"demo": {"engine": engine.url},
                               "free": {"engine": engine.url, "image_policy": "open"}})


@pytest.fixture
def ana(berth):
    return berth.user("ana", demo="researcher", free="researcher")


@pytest.fixture
def publish(engine):
    """publish(name, text): an image that only the registry has; returns its digest."""
    def do(name, text):
        local = engine.import_image("local/made:latest", files={"www/index.html": text})
        digest = engine.push("local/made:latest", name)
        engine.docker("rmi", "--force", local)
        return digest

    yield do
    clear_engine(engine)
    for image in engine.docker("images", "--quiet", "--no-trunc").split():
        if image != engine.docker("inspect", "--format", "{{.Id}}", "berth/demo"):
            engine.docker("rmi", "--force", image)


def request_of(client, **params):
    return client.get("/demo/get-image-requests", **params).json


def test_a_plain_name_is_pulled_and_pinned(engine, berth, ana, publish):
    admin = berth.admin
    first = publish("tool:1", "first")
    asked = ana.post("/demo/request-image", image="tool", version="1")
    assert asked.status == 202
    assert (asked.json["state"], asked.json["image"], asked.json["tag"]) == ("pending", "tool", "1")
    assert asked.json["requested_by"] == "ana" and asked.json["decided_at"] is None
    assert ana.post("/demo/request-image", image="tool:1").json["id"] == asked.json["id"]

    refused = ana.post("/demo/create-app", image="tool", user="ana", version="1")
    assert refused.status == 403 and "not approved" in refused.text
    assert ana.post("/demo/approve-image", image="tool:1").status == 403

    begun = admin.post("/demo/approve-image", id=asked.json["id"])
    assert begun.status == 202 and begun.json["state"] == "pulling"
    wait_until(lambda: request_of(ana)[0]["state"] == "approved", 30, "the pull's end")
    approved = request_of(ana, state="approved")[0]
    assert approved["digest"] == first and approved["percent"] == 100
    assert approved["decided_by"] == "admin"

    # The tag moves; what was approved does not.
    publish("tool:1", "second")
    assert ana.post("/demo/create-app", image="tool", user="ana", version="1").text == "Success"
    info = ana.get("/demo/get-app-info", name="tool--ana").json
    digests = engine.docker("inspect", "--format", "{{json .RepoDigests}}", info["Image"])
    assert first in digests
    assert ana.get("/demo/get-app-status", name="tool--ana").json["Image"] == "tool:1"


def test_an_image_that_is_there_is_approved_at_once(engine, berth, ana):
    approved = berth.admin.post("/demo/approve-image", image="berth/demo")
    assert approved.status == 200 and approved.json["state"] == "approved"
    assert ana.post("/demo/create-app", image="berth/demo", user="ana").text == "Success"


def test_a_missing_image_fails_with_the_engines_words(berth, ana):
    admin = berth.admin
    ana.post("/demo/request-image", image="nowhere")
    answer = admin.post("/demo/approve-image", image="nowhere", wait="yes")
    assert answer.status == 502 and "nowhere" in answer.text
    failed = request_of(ana)[0]
    assert failed["state"] == "failed" and "nowhere" in failed["error"]
    assert ana.post("/demo/request-image", image="nowhere").json["state"] == "pending"


def test_a_rejected_image_says_why(berth, ana):
    admin = berth.admin
    ana.post("/demo/request-image", image="shady")
    assert admin.post("/demo/reject-image", image="shady", reason="not from us").status == 200
    rejected = request_of(ana)[0]
    assert (rejected["state"], rejected["reason"]) == ("rejected", "not from us")
    assert ana.post("/demo/create-app", image="shady", user="ana").status == 403


def test_a_withdrawn_image_stays_with_its_apps(engine, berth, ana, publish):
    admin = berth.admin
    publish("withdrawn:1", "x")
    admin.post("/demo/approve-image", image="withdrawn:1", wait="yes")
    assert ana.post("/demo/create-app", image="withdrawn:1", user="ana").status == 200
    assert ana.post("/demo/start-app", name="withdrawn--ana").status == 200
    assert admin.post("/demo/remove-image", image="withdrawn:1", purge="yes").status == 409
    assert ana.get("/demo/get-app-status", name="withdrawn--ana").json["State"] == "running"
    assert ana.post("/demo/create-app", image="withdrawn:1", user="ana").status in (400, 403)
    assert ana.post("/demo/delete-app", name="withdrawn--ana").status == 200
    assert admin.post("/demo/remove-image", image="withdrawn:1", purge="yes").status == 200
    names = [image["Repository"] for image in admin.get("/demo/get-images").json]
    assert "withdrawn" not in names


def test_a_pull_is_taken_up_again_after_a_kill(engine, berth, ana, publish):
    digest = publish("later:1", "later")
    admin = berth.admin
    admin.post("/demo/approve-image", image="later:1")
    berth.kill()
    berth.start()
    wait_until(lambda: request_of(admin)[0]["state"] == "approved", 30, "the pull's end")
    assert request_of(admin)[0]["digest"] == digest


def test_an_open_facility_pulls_at_once(berth, ana, publish):
    publish("open:2", "open")
    assert ana.post("/free/request-image", image="open", version="2").text == "Success"
    assert ana.post("/free/create-app", image="open", user="ana", version="2").text == "Success"
    missing = ana.post("/free/request-image", image="nowhere")
    assert missing.status == 400 and "nowhere" in missing.text


def test_two_facilities_share_an_engine_and_see_nothing_of_each_other(berth, ana):
    berth.admin.post("/demo/approve-image", image="berth/demo")
    for facility in ("demo", "free"):
        assert ana.post(f"/{facility}/create-app", image="berth/demo", user="ana").text == "Success"
    assert ana.post("/free/start-app", name="berth_demo--ana").text == "Success"
    states = [ana.get(f"/{facility}/get-app-status", name="berth_demo--ana").json["State"]
              for facility in ("demo", "free")]
    assert states == ["created", "running"]
    assert ana.post("/free/delete-app", name="berth_demo--ana").text == "Success"
    assert ana.get("/demo/get-app-names").json == ["berth_demo--ana"]
