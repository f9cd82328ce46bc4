# SPDX-License-Identifier: MIT
"""Idempotency-Key: asking again does nothing again."""

import threading

import pytest

MEMORY = {"backend": "memory", "image_policy": "open"}


@pytest.fixture
def berth(gateway):
    return gateway(facilities={"demo": MEMORY, "other": MEMORY})


@pytest.fixture
def ana(berth):
    return berth.user("ana", demo="researcher", other="researcher")


def post(client, key, verb, facility="demo", **params):
    return client.post(f"/{facility}/{verb}", headers={"Idempotency-Key": key}, **params)


def is_replay(answer):
    return answer.headers["Idempotency-Replayed"] == "true"


def test_the_first_answer_comes_again(berth, ana):
    first = post(ana, "k1", "create-app", image="demo", user="ana")
    again = post(ana, "k1", "create-app", user="ana", image="demo")  # in any order
    assert (first.status, first.text) == (again.status, again.text) == (200, "Success")
    assert is_replay(again) and not is_replay(first) and again.type == first.type
    assert ana.post("/demo/create-app", image="demo", user="ana").status == 400  # it exists
    post(ana, "k2", "delete-app", name="demo--ana")
    assert is_replay(post(ana, "k1", "create-app", image="demo", user="ana"))
    assert ana.get("/demo/get-app-names").json == []
    berth.stop()
    berth.start()
    ana = berth.as_user("ana")
    assert is_replay(post(ana, "k1", "create-app", image="demo", user="ana"))
    assert ana.get("/demo/get-app-names").json == []


def test_a_refusal_comes_again_and_another_request_is_told(berth, ana):
    missing = post(ana, "k", "start-app", name="demo--ana")
    assert missing.status == 400
    ana.post("/demo/create-app", image="demo", user="ana")
    again = post(ana, "k", "start-app", name="demo--ana")
    assert is_replay(again) and (again.status, again.text) == (400, missing.text)
    for verb, name in (("start-app", "demo--bob"), ("stop-app", "demo--ana")):
        other = post(ana, "k", verb, name=name)
        assert other.status == 422 and "another request" in other.text
        assert not is_replay(other)


def test_a_key_is_its_callers_in_its_facility(berth, ana):
    operator = berth.user("olga", demo="operator")
    assert post(ana, "k", "create-app", image="demo", user="ana").status == 200
    assert post(ana, "k", "create-app", "other", image="demo", user="ana").text == "Success"
    assert not is_replay(post(operator, "k", "stop-app", name="demo--ana"))
    token = berth.cli("token", "create", "ana", "--facility", "demo", "--role", "viewer").strip()
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    refused = berth.anyone.post("/demo/create-app", headers=headers, image="demo", user="ana")
    assert refused.status == 403  # what may be asked is decided first


def test_while_the_first_is_under_way(gateway):
    berth = gateway(facilities={"demo": {**MEMORY, "memory_delay_ms": 3000}})
    ana = berth.user("ana", demo="researcher")
    assert ana.get("/demo/get-app-names").status == 200  # its password is known from now on
    answers = []
    both = [threading.Thread(target=lambda: answers.append(
        post(ana, "k", "create-app", image="demo", user="ana"))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    refused, first = answers  # in the order of their ends
    assert refused.status == 409 and "still under way" in refused.text
    assert first.text == "Success" and not is_replay(first)
    assert is_replay(post(ana, "k", "create-app", image="demo", user="ana"))


@pytest.mark.parametrize("key, status", [
    ("x", 200), ("~" * 255, 200), ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', 200),
    ("x" * 256, 400), ("a b", 400), ("é", 400)])
def test_keys(ana, key, status):
    answer = post(ana, key.encode("utf-8"), "create-app", image="demo", user="ana")
    assert answer.status == status
    if status == 400:
        assert "Idempotency-Key must be 1 to 255 visible ASCII characters" in answer.text


def test_a_read_has_no_key(ana):
    for _ in range(2):
        assert not is_replay(ana.get("/demo/get-app-names", headers={"Idempotency-Key": "k"}))


def test_a_failure_is_not_kept(gateway):
    berth = gateway(facilities={"demo": {"engine": "unix:///nowhere.sock"}})
    ana = berth.user("ana", demo="researcher")
    for _ in range(2):
        failed = post(ana, "k", "start-app", name="demo--ana")
        assert failed.status == 503 and not is_replay(failed)
