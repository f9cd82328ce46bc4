# SPDX-License-Identifier: MIT
"""get-app-logs: what apps have printed, whole or as it comes."""

import http.client
import re
import subprocess
import threading

import pytest

from harness import Following, wait_until
from lab import docker_cli

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) ")


# On the memory backend


@pytest.fixture(scope="module")
def berth(module_gateway):
    berth = module_gateway({"demo": {"backend": "memory"}},
                           settings={"gateway": {"worker_threads": 8}})
    assert berth.admin.post("/demo/approve-image", image="demo", wait="yes").status == 200
    return berth


# An app has printed two lines once it runs.


def test_a_log_is_text(users, app):
    answer = users["ana"].get("/demo/get-app-logs", name=app)
    assert (answer.status, answer.type, answer.text) == (200, "text/plain", "ready\nup\n")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert users["ana"].get("/livez").status == 200  # on the same connection


@pytest.mark.parametrize("params, lines", [
    ({"tail": "1"}, ["up"]), ({"tail": "0"}, []), ({"tail": "all"}, ["ready", "up"]),
    ({"tail": "5"}, ["ready", "up"]), ({"stream": "stdout"}, ["ready"]),
    ({"stream": "stderr"}, ["up"]), ({"stream": "both"}, ["ready", "up"]),
    ({"since": "1h"}, ["ready", "up"]), ({"since": "2020-01-01T00:00:00Z"}, ["ready", "up"]),
    ({"since": "2199-01-01T00:00:00Z"}, []), ({"follow": "no"}, ["ready", "up"])])
def test_what_of_it(users, app, params, lines):
    answer = users["ana"].get("/demo/get-app-logs", name=app, **params)
    assert (answer.status, answer.text.splitlines()) == (200, lines)


def test_timestamps(users, app):
    lines = users["ana"].get("/demo/get-app-logs", name=app, timestamps="yes").text.splitlines()
    assert [TIME.sub("", line) for line in lines] == ["ready", "up"]
    assert all(TIME.match(line) for line in lines)


@pytest.mark.parametrize("params, named", [
    ({}, "name"), ({"name": "demo--ana", "tail": "-1"}, "tail"),
    ({"name": "demo--ana", "tail": "many"}, "tail"), ({"name": "demo--ana", "tail": ""}, "tail"),
    ({"name": "demo--ana", "since": "yesterday"}, "since"),
    ({"name": "demo--ana", "since": "10"}, "since"), ({"name": "demo--ana", "since": "m"}, "since"),
    ({"name": "demo--ana", "since": "-5m"}, "since"),
    ({"name": "demo--ana", "stream": "stdin"}, "stream"),
    ({"name": "demo--ana", "follow": "maybe"}, "follow"),
    ({"name": "demo--ana", "timestamps": "2"}, "timestamps")])
def test_bad_parameters_are_named(users, app, params, named):
    answer = users["ana"].get("/demo/get-app-logs", **params)
    assert answer.status == 400
    assert f"parameter {named}" in answer.text


def test_who_may_read_it(users, app):
    for name in ("ana", "oli"):
        assert users[name].get("/demo/get-app-logs", name=app).status == 200
    others = users["bob"].get("/demo/get-app-logs", name=app)
    unknown = users["bob"].get("/demo/get-app-logs", name="demo--nobody")
    assert (others.status, unknown.status) == (400, 400)
    assert others.text.replace("ana", "nobody") == unknown.text


def test_head_and_methods(users, app):
    head = users["ana"].request("HEAD", "/demo/get-app-logs", {"name": app, "follow": "yes"})
    assert (head.status, head.type, head.body) == (200, "text/plain", b"")
    assert users["ana"].post("/demo/get-app-logs", name=app).status == 405


def test_following_shows_what_comes_and_ends_with_the_app(users, app):
    with Following(users["ana"], name=app) as following:
        assert [following.line(), following.line()] == ["ready\n", "up\n"]
        assert users["ana"].post("/demo/restart-app", name=app).status == 200
        assert following.line() == "ready\n"
        assert users["ana"].post("/demo/kill-app", name=app).status == 200
        assert following.rest() == "up\n"


def test_following_ends_with_the_right_to(berth, app):
    user = berth.user("eve", demo="operator")
    with Following(user, name=app) as following:
        assert following.line() == "ready\n"
        berth.cli("user", "revoke", "eve", "demo")
        with pytest.raises(http.client.IncompleteRead):
            following.rest()


def test_followers_are_bounded(berth, users, app):
    def follow(user):  # the place of one that has just ended may need a moment to be free
        def begun():
            following = Following(users[user], name=app)
            if following.answer.status == 200:
                return following
            following.__exit__()
            return None
        return wait_until(begun, what="a place")

    with follow("ana") as one, follow("oli") as two:
        assert one.line() == two.line() == "ready\n"
        answer = users["ana"].get("/demo/get-app-logs", name=app, follow="yes")
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert users["ana"].get("/demo/get-app-logs", name=app).status == 200
    with follow("ana") as third:
        assert third.line() == "ready\n"


def test_stopping_ends_a_log_that_is_followed(gateway):
    berth = gateway({"demo": {"backend": "memory", "image_policy": "open", "auth": "open"}})
    assert berth.anyone.post("/demo/request-image", image="demo").status == 200
    assert berth.anyone.post("/demo/create-app", image="demo", user="ana").status == 200
    assert berth.anyone.post("/demo/start-app", name="demo--ana").status == 200
    with Following(berth.anyone, name="demo--ana") as following:
        assert following.line() == "ready\n"
        stopping = threading.Thread(target=berth.stop)
        stopping.start()
        with pytest.raises(http.client.IncompleteRead):
            following.rest()
        stopping.join(60)
        assert not stopping.is_alive() and not berth.process


# On an engine


@pytest.fixture
def solo(gateway, engine):
    # A reader that takes nothing for request_timeout_s is cut off.
    return gateway({"demo": {"engine": engine.url, "image_policy": "open", "auth": "open",
                             "adopt": "yes"}}, settings={"limits": {"request_timeout_s": 600}})


def started(engine, name, *command, flags=()):
    engine.docker("run", "-d", "--name", name, *flags, "berth/demo", *command)
    return name


def printed(engine, name, *flags):
    """What `docker logs` gives."""
    return subprocess.run([docker_cli(), "--host", engine.url, "logs", *flags, name],
                          capture_output=True, check=True).stdout


def appears(client, name):
    wait_until(lambda: f'"{name}"' in client.get("/demo/get-app-names").text, what=name)


@pytest.mark.parametrize("flags", [[], ["--tty"]], ids=["pipes", "terminal"])
def test_an_engine_s_log_is_what_docker_logs_prints(solo, engine, flags):
    name = started(engine, "talker--ana", "sh", "-c",
                   "seq 1 5000; printf 'caf\\303\\251 \\000\\377'; exec sleep 1000", flags=flags)
    wait_until(lambda: b"5000" in printed(engine, name), 30, "the output")
    appears(solo.anyone, name)
    whole = solo.anyone.get("/demo/get-app-logs", name=name)
    assert whole.body == printed(engine, name)
    assert solo.anyone.get("/demo/get-app-logs", name=name, tail=3).body \
        == printed(engine, name, "--tail", "3")


def test_an_engine_s_log_is_followed(solo, engine):
    name = started(engine, "ticker--ana", "sh", "-c",
                   "mkfifo /tmp/in; exec 3<>/tmp/in; echo waiting; while read -r line <&3; do echo got $line; done")
    appears(solo.anyone, name)
    with Following(solo.anyone, name=name) as following:
        assert following.line() == "waiting\n"
        engine.docker("exec", name, "sh", "-c", "echo one >/tmp/in")
        assert following.line() == "got one\n"
        engine.docker("kill", name)
        assert following.rest() == ""


def test_a_reader_who_does_not_read_holds_up_nobody(solo, engine):
    line, count = "7".zfill(1000), 20000  # more than the buffers of two sockets hold
    name = started(engine, "flood--ana", "sh", "-c",
                   f"yes {line} | head -n {count}; exec sleep 1000")
    appears(solo.anyone, name)
    with Following(solo.anyone, name=name) as slow:
        assert slow.line() == f"{line}\n"
        wait_until(lambda: len(solo.anyone.get("/demo/get-app-logs", name=name).body)
                   == count * (len(line) + 1), 120, "the whole log")
        assert solo.anyone.get("/demo/get-app-status", name=name).status == 200
        assert all(slow.line() == f"{line}\n" for _ in range(count - 1))
