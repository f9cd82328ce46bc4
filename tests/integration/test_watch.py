# SPDX-License-Identifier: MIT
"""Watching a facility: the state, each change once, and an end that is told of."""

import itertools
import re
import signal
import threading
import time

import pytest

from harness import wait_until

WATCH = "/demo/watch"
IMAGES = ("demo", "httpd", "jupyter", "python")
SOON_S = 10  # for what takes half a second: far less than the 15 s after which a sign of life comes


@pytest.fixture(scope="module")
def berth(module_gateway):
    """demo: users, four images approved."""
    berth = module_gateway({"demo": {"backend": "memory", "memory_delay_ms": 1}},
                           settings={"gateway": {"worker_threads": 128}})
    for image in IMAGES:
        assert berth.admin.post("/demo/approve-image", image=image, wait="yes").status == 200
    return berth


@pytest.fixture(scope="module")
def users(berth):
    roles = {"vera": "viewer", "ana": "researcher", "bob": "researcher", "oli": "operator",
             "ada": "admin"}
    return {name: berth.user(name, demo=role) for name, role in roles.items()}


@pytest.fixture(autouse=True)
def clean(berth):
    yield
    names = berth.admin.get("/demo/get-app-names").json
    for i in range(0, len(names), 100):
        berth.admin.post("/demo/delete-app", name=",".join(names[i:i + 100]))


def create(client, user, image="demo"):
    assert client.post("/demo/create-app", image=image, user=user).text == "Success"
    return f"{image}--{user}"


def act(client, verb, name):
    assert client.post(f"/demo/{verb}-app", name=name).text == "Success"


def apps_of(events):
    return [event for event in events if event.name == "app"]


def brief(event):
    """change, name, state of an app event."""
    app = event.data["app"]
    return event.data["change"], event.data["name"], app and app["State"]


# The state


def test_the_beginning_is_the_whole_state(users):
    oli = users["oli"]
    for user in ("ana", "bob"):
        create(oli, user)
    act(oli, "start", "demo--bob")
    with oli.watch(WATCH) as watcher:
        assert watcher.status == 200
        assert watcher.headers["Content-Type"] == "text/event-stream"
        assert watcher.headers["Cache-Control"] == "no-store"
        assert watcher.headers["X-Accel-Buffering"] == "no"
        assert watcher.headers["X-Request-Id"]
        assert watcher.headers["Content-Length"] is None
        first, *events = watcher.until("ready")
        assert (first.name, first.data) == ("reset", {"reason": "this is the beginning"})
        assert first.id is None  # who breaks off before ready begins anew
        assert watcher.retry == 2000
        assert [brief(event) for event in apps_of(events)] == \
            [("present", "demo--bob", "running"), ("present", "demo--ana", "created")]
        assert events[-1].data == {"apps": 2}
        assert re.fullmatch("[0-9a-f]{16}:[0-9]+", events[-1].id)
        listed = {app["ID"]: app for app in oli.get("/demo/get-app-status").json}
        for event in apps_of(events):
            shown = dict(event.data["app"])
            same = listed[event.data["id"]]
            shown.update(Status=same["Status"], RunningFor=same["RunningFor"])  # of the clock
            assert shown == same


def test_each_change_is_an_event(users):
    oli = users["oli"]
    with oli.watch(WATCH) as watcher:
        watcher.until("ready")
        create(oli, "ana")
        for verb in ("start", "pause", "unpause", "stop", "delete"):
            act(oli, verb, "demo--ana")
        events = [watcher.next() for _ in range(6)]
        assert [brief(event) for event in events] == [
            ("created", "demo--ana", "created"), ("changed", "demo--ana", "running"),
            ("changed", "demo--ana", "paused"), ("changed", "demo--ana", "running"),
            ("changed", "demo--ana", "exited"), ("removed", "demo--ana", None)]
        assert all(event.data["user"] == "ana" for event in events)
        assert len({event.data["id"] for event in events}) == 1
        numbers = [int(event.id.split(":")[1]) for event in events]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("POST", 405), ("DELETE", 405),
                                            ("OPTIONS", 204)])
def test_other_methods(users, method, status):
    answer = users["ana"].request(method, WATCH)
    assert answer.status == status
    assert answer.body == b"" or status == 405
    if status == 200:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["X-Accel-Buffering"] == "no"
    else:
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_who_may_not_watch(berth):
    assert berth.anyone.get(WATCH).status == 401
    assert berth.user("nils").get(WATCH).status == 403


# Views


def test_what_others_do_is_not_seen(users):
    ana, oli = users["ana"], users["oli"]
    create(oli, "bob")
    with ana.watch(WATCH) as watcher:
        events = watcher.until("ready")
        assert apps_of(events) == []
        before = watcher.last_id
        act(oli, "start", "demo--bob")
        assert ana.post("/demo/request-image", image="postgres").status == 202
        event = watcher.next()
        assert (event.name, event.data["image"], event.data["state"]) == \
            ("image", "postgres", "pending")
        act(oli, "stop", "demo--bob")
        assert watcher.quiet_for(1.5)

        def has_moved():  # the id, with what is not seen
            assert watcher.quiet_for(0.1)
            return watcher.last_id not in (before, event.id)
        wait_until(has_moved)
        create(ana, "ana")
        assert brief(watcher.next()) == ("created", "demo--ana", "created")


def test_an_id_that_moved_unseen_resumes(users):
    ana, oli = users["ana"], users["oli"]
    with ana.watch(WATCH) as watcher:
        watcher.until("ready")
        create(oli, "bob")
        before = watcher.last_id
        wait_until(lambda: watcher.quiet_for(0.2) and watcher.last_id != before)
        last_id = watcher.last_id
    create(ana, "ana")
    with ana.watch(WATCH, last_id=last_id) as watcher:
        assert brief(watcher.next()) == ("created", "demo--ana", "created")


def test_an_id_of_another_view_begins_anew(users):
    with users["oli"].watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
    with users["ana"].watch(WATCH, last_id=last_id) as watcher:
        assert "another view" in watcher.until("ready")[0].data["reason"]
    with users["ada"].watch(WATCH, last_id=last_id) as watcher:  # sees what oli sees
        create(users["oli"], "ana")
        assert brief(watcher.next()) == ("created", "demo--ana", "created")


# Resuming


@pytest.mark.parametrize("by", ["header", "parameter"])
def test_resuming_gives_what_was_missed(users, by):
    oli = users["oli"]
    with oli.watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
    create(oli, "ana")
    act(oli, "start", "demo--ana")
    options = {"last_id": last_id} if by == "header" else {"last_event_id": last_id}
    with oli.watch(WATCH, **options) as watcher:
        assert [brief(watcher.next()) for _ in range(2)] == \
            [("created", "demo--ana", "created"), ("changed", "demo--ana", "running")]
        assert watcher.quiet_for(0.6)
        last_id = watcher.last_id
    with oli.watch(WATCH, last_id=last_id) as watcher:
        assert watcher.quiet_for(0.6)
        act(oli, "stop", "demo--ana")
        assert brief(watcher.next()) == ("changed", "demo--ana", "exited")


def test_the_header_wins_over_the_parameter(users):
    with users["oli"].watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
    with users["oli"].watch(WATCH, last_id=last_id, last_event_id="old") as watcher:
        assert watcher.quiet_for(0.6)


@pytest.mark.parametrize("change, reason", [
    (lambda last_id: "", "this is the beginning"),
    (lambda last_id: "7", "is not one of"),
    (lambda last_id: "x" * 300, "is not one of"),
    (lambda last_id: last_id + "0" * 30, "is not one of"),
    (lambda last_id: last_id.replace(":", ":-"), "is not one of"),
    (lambda last_id: last_id + " 1", "is not one of"),
    (lambda last_id: f"{'0' * 16}:{last_id.split(':')[1]}", "another time"),
    (lambda last_id: last_id + "000", "too old"),  # of the future: not one that was given out
])
def test_an_id_that_cannot_be_resumed_begins_anew(users, change, reason):
    oli = users["oli"]
    create(oli, "ana")
    with oli.watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
    with oli.watch(WATCH, last_id=change(last_id)) as watcher:
        first, *events = watcher.until("ready")
        assert first.name == "reset" and reason in first.data["reason"]
        assert [brief(event) for event in apps_of(events)] == \
            [("present", "demo--ana", "created")]


def test_another_start_of_the_gateway_begins_anew(gateway):
    berth = gateway({"demo": {"backend": "memory", "auth": "open"}})
    with berth.anyone.watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
    berth.stop()
    berth.start()
    with berth.anyone.watch(WATCH, last_id=last_id) as watcher:
        assert "another time" in watcher.until("ready")[0].data["reason"]


def test_an_id_that_is_too_old_begins_anew(users):
    oli = users["oli"]
    names = [create(oli, f"u{i}") for i in range(100)]
    with oli.watch(WATCH) as watcher:
        last_id = watcher.until("ready")[-1].id
    for _ in range(21):  # 4200 changes, and 4096 are kept
        for verb in ("start", "stop"):
            assert oli.post(f"/demo/{verb}-app", name=",".join(names)).status == 200
    with oli.watch(WATCH, last_id=last_id) as watcher:
        events = watcher.until("ready")
        assert "too old" in events[0].data["reason"]
        assert len(apps_of(events)) == 100


class Book:
    """What a client knows from events alone; each id may be met once."""

    def __init__(self):
        self.apps = {}
        self.seen = []

    def take(self, event):
        if event.name == "reset":
            self.apps.clear()
        if event.name != "app":
            return
        if event.data["change"] != "present":
            self.seen.append((event.id, event.data["change"], event.data["name"],
                              event.data["app"] and event.data["app"]["State"]))
        if event.data["app"]:
            self.apps[event.data["id"]] = event.data["app"]["State"]
        else:
            del self.apps[event.data["id"]]


def test_nothing_is_lost_or_doubled_over_many_connections(users):
    oli = users["oli"]
    ends = threading.Event()

    def change(user):
        client = oli.again()
        while not ends.is_set():
            name = create(client, user)
            for verb in ("start", "stop", "delete"):
                act(client, verb, name)

    steady = Book()
    broken = Book()
    threads = [threading.Thread(target=change, args=(f"u{i}",)) for i in range(3)]
    with oli.watch(WATCH) as watcher:
        for event in watcher.until("ready"):
            steady.take(event)
        last_id = watcher.last_id
        for thread in threads:
            thread.start()
        for take in itertools.cycle((1, 7, 0, 3, 29)):
            if len(broken.seen) > 400:
                break
            with oli.watch(WATCH, last_id=last_id) as again:
                for _ in range(take):
                    broken.take(again.next())
                last_id = again.last_id
        ends.set()
        for thread in threads:
            thread.join()
        create(oli, "last")
        with oli.watch(WATCH, last_id=last_id) as again:
            for book, source in ((steady, watcher), (broken, again)):
                while not book.seen or book.seen[-1][2] != "demo--last":
                    book.take(source.next())
    assert broken.seen == steady.seen
    assert len({entry[0] for entry in steady.seen}) == len(steady.seen)
    assert broken.apps == steady.apps == \
        {app["ID"]: app["State"] for app in oli.get("/demo/get-app-status").json}


def test_a_state_taken_among_changes_goes_on_without_a_gap(users):
    oli = users["oli"]
    ends = threading.Event()

    def change():
        client = oli.again()
        names = ",".join(create(client, f"u{i}") for i in range(40))
        while not ends.is_set():
            for verb in ("start", "stop"):
                assert client.post(f"/demo/{verb}-app", name=names).status == 200

    thread = threading.Thread(target=change)
    thread.start()
    watchers = []
    try:
        for _ in range(12):
            watcher = oli.watch(WATCH)
            book = Book()
            for event in watcher.until("ready"):
                book.take(event)
            watchers.append((watcher, book))
            for _ in range(25):
                book.take(watcher.next())
    finally:
        ends.set()
        thread.join()
    create(oli, "last")
    truth = {app["ID"]: app["State"] for app in oli.get("/demo/get-app-status").json}
    for watcher, book in watchers:
        while not book.seen or book.seen[-1][2] != "demo--last":
            book.take(watcher.next())
        assert book.apps == truth
        numbers = [int(entry[0].split(":")[1]) for entry in book.seen]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        watcher.close()


# Images


def test_a_request_and_its_pull(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_delay_ms": 400}})
    ana = berth.user("ana", demo="researcher")
    bob = berth.user("bob", demo="researcher")
    vera = berth.user("vera", demo="viewer")
    with ana.watch(WATCH) as own, bob.watch(WATCH) as other, vera.watch(WATCH) as viewer, \
            berth.admin.watch(WATCH) as admin:
        for watcher in (own, other, viewer, admin):
            watcher.until("ready")
        assert ana.post("/demo/request-image", image="jupyter").status == 202
        begin = time.monotonic()
        assert berth.admin.post("/demo/approve-image", image="jupyter").status == 202
        shown = wait_until(lambda: next(
            (request["percent"] for request in ana.get("/demo/get-image-requests").json
             if 0 < request["percent"] < 100), None))
        assert shown % 10 == 0
        for watcher in (own, admin):
            events = []
            while not events or events[-1].data["state"] != "approved":
                events.append(watcher.next())
            took = time.monotonic() - begin
            assert {event.name for event in events} == {"image"}
            states = [event.data["state"] for event in events]
            assert [state for state, _ in itertools.groupby(states)] == \
                ["pending", "pulling", "approved"]
            percents = [event.data["percent"] for event in events]
            assert percents == sorted(percents) and percents[-1] == 100
            assert 1 < states.count("pulling") <= 2 * took + 2  # twice a second, and the first
            listed = ana.get("/demo/get-image-requests").json[0]
            assert events[-1].data == listed
        event = other.next()  # what is approved is for all to see
        assert (event.data["image"], event.data["state"]) == ("jupyter", "approved")
        assert berth.admin.post("/demo/remove-image", image="jupyter").status == 200
        for watcher in (own, other, admin):
            assert watcher.next().data["state"] == "removed"
        assert ana.post("/demo/request-image", image="python").status == 202
        assert berth.admin.post("/demo/reject-image", image="python", reason="no").status == 200
        assert [own.next().data["state"] for _ in range(2)] == ["pending", "rejected"]
        assert other.quiet_for(0.3) and viewer.quiet_for(0.3)
    with bob.watch(WATCH) as watcher:
        assert [event.data["image"] for event in watcher.until("ready")
                if event.name == "image"] == []
    with ana.watch(WATCH) as watcher:
        assert [event.data["state"] for event in watcher.until("ready")
                if event.name == "image"] == ["rejected", "removed"]


def test_a_pull_that_fails(users, berth):
    with users["ana"].watch(WATCH) as watcher:
        watcher.until("ready")
        assert users["ana"].post("/demo/request-image", image="nothing").status == 202
        berth.admin.post("/demo/approve-image", image="nothing", wait="yes")
        events = [watcher.next() for _ in range(3)]
        assert [event.data["state"] for event in events] == ["pending", "pulling", "failed"]
        assert "pull access denied" in events[-1].data["error"]


# Ends


def test_a_change_of_role_ends_the_watch(berth):
    eva = berth.user("eva", demo="operator")
    took = []
    for role in ("viewer", "operator", "viewer"):
        with eva.watch(WATCH) as watcher:
            last_id = watcher.until("ready")[-1].id
            berth.cli("user", "grant", "eva", "demo", role)
            begun = time.monotonic()
            assert watcher.next(SOON_S).data == {"reason": "the role was changed"}
            took.append(time.monotonic() - begun)
            assert watcher.next() is None
    assert min(took) < 1  # a busy machine may hold up one or the other
    create(berth.admin, "ana")
    with eva.watch(WATCH, last_id=last_id) as watcher:
        assert apps_of(watcher.until("ready")) == []  # the view of a viewer


@pytest.mark.parametrize("command, reason", [
    (["user", "revoke", "fay", "demo"], "the role was changed"),
    (["user", "passwd", "fay"], "the user was removed or has another password"),
    (["user", "remove", "fay"], "the user was removed or has another password"),
])
def test_a_user_that_may_no_more(gateway, command, reason):
    berth = gateway({"demo": {"backend": "memory"}})
    fay = berth.user("fay", demo="researcher")
    with fay.watch(WATCH) as watcher, berth.admin.watch(WATCH) as other:
        watcher.until("ready")
        other.until("ready")
        berth.cli(*command, input="another word\n")
        assert [(event.name, event.data["reason"]) for event in watcher.rest(SOON_S)] == \
            [("bye", reason)]
        assert other.quiet_for(0.6)  # who is not meant goes on


def test_a_token_that_is_revoked_or_expires(berth, users):
    def bearer(*options):
        text = berth.cli("token", "create", "ana", *options).strip()
        return {"Authorization": f"Bearer {text}"}

    with berth.anyone.watch(WATCH, headers=bearer()) as watcher:
        watcher.until("ready")
        number = berth.cli("token", "list", "ana").splitlines()[-1].split()[0]
        berth.cli("token", "revoke", number)
        assert watcher.next(SOON_S).data == {"reason": "the token was revoked"}
    with berth.anyone.watch(WATCH, headers=bearer("--facility", "demo", "--role", "viewer")) \
            as watcher:
        watcher.until("ready")
        berth.cli("user", "add", "someone", input="another word\n")
        assert watcher.quiet_for(1)  # other people's changes do not end it


def test_the_end_of_the_gateway_is_told(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_apps": 10, "auth": "open"}})
    with berth.anyone.watch(WATCH) as watcher:
        watcher.until("ready")
        berth.process.send_signal(signal.SIGTERM)
        assert [(event.name, event.data["reason"]) for event in watcher.rest()] == \
            [("bye", "the gateway is stopping")]
        assert berth.process.wait(60) == 0


def test_a_client_that_reads_nothing_does_not_hold_up_the_end(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_apps": 20000, "auth": "open"}},
                    settings={"limits": {"request_timeout_s": 600}})
    with berth.anyone.watch(WATCH, receive_buffer=4096):
        time.sleep(1)
        berth.process.send_signal(signal.SIGTERM)
        assert berth.process.wait(60) == 0


# Slow and gone


def test_a_client_that_reads_nothing_is_cut(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_apps": 20000, "auth": "open"}},
                    settings={"limits": {"request_timeout_s": 1}})
    with berth.anyone.watch(WATCH, receive_buffer=4096) as watcher:
        last = wait_until(lambda: [line for line in berth.actions() if line["action"] == "watch"])[-1]
        assert last["error"] == "the client took nothing for 1 s"
        assert last["duration_ms"] >= 1000
        assert watcher.rest()[-1].name == "app"  # half of the state, and no ready


def test_a_client_that_falls_behind_is_cut_and_resumes(gateway):
    """On a unix socket, which holds little: what is not read stays with the gateway."""
    berth = gateway({"demo": {"backend": "memory", "image_policy": "open"}}, start=False)
    berth.configure({"demo": {"backend": "memory", "image_policy": "open", "auth": "open"}},
                    {"gateway": {"data_dir": berth.data, "worker_threads": 32,
                                 "listen": f"unix:{berth.directory}/sock"},
                     "limits": {"request_timeout_s": 600}})  # which is no matter of the time
    berth._listen = [f"unix:{berth.directory}/sock"]
    berth.start()
    client = berth.anyone
    names = []
    for i in range(100):
        names.append(create(client, f"u{i}"))
    names = ",".join(names)

    with client.watch(WATCH) as slow, client.watch(WATCH) as quick:
        slow.until("ready")
        quick.until("ready")
        for _ in range(25):  # 5000 changes
            for verb, state in (("start", "running"), ("stop", "exited")):
                assert client.post(f"/demo/{verb}-app", name=names).status == 200
                assert {brief(quick.next())[2] for _ in range(100)} == {state}
        events = slow.rest()
        assert (events[-1].name, events[-1].data) == \
            ("bye", {"reason": "more than 4096 changes behind"})
        assert len(apps_of(events)) > 100  # what the socket held
        numbers = [int(event.id.split(":")[1]) for event in apps_of(events)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        lines = wait_until(lambda: [line for line in berth.actions() if line["action"] == "watch"])
        assert [line["error"] for line in lines] == ["more than 4096 changes behind"]
        last_id = slow.last_id
    with client.watch(WATCH, last_id=last_id) as again:
        assert "too old" in again.until("ready")[0].data["reason"]


def test_a_client_that_is_gone_frees_its_place(gateway):
    berth = gateway({"demo": {"backend": "memory", "auth": "open"}},
                    settings={"gateway": {"worker_threads": 4}})
    first = berth.anyone.watch(WATCH)
    first.until("ready")
    second = berth.anyone.watch(WATCH)
    assert second.status == 503
    assert second.headers["Retry-After"] == "5"
    assert b"this facility has 1 long answers under way, the most that may be" in second.read_body()
    first.close()

    def watches():
        with berth.anyone.watch(WATCH) as watcher:
            return watcher.status == 200
    wait_until(watches, SOON_S, "the place of the first")


def test_how_many_may_watch_in_all(gateway):
    berth = gateway({name: {"backend": "memory", "auth": "open"} for name in ("a", "b", "c")},
                    settings={"gateway": {"worker_threads": 4}})
    with berth.anyone.watch("/a/watch") as first, berth.anyone.watch("/b/watch") as second:
        assert (first.status, second.status) == (200, 200)
        with berth.anyone.watch("/c/watch") as third:
            assert third.status == 503
            assert b"the gateway has 2 long answers under way" in third.read_body()
        assert berth.anyone.get("/c/get-app-names").status == 200


def test_how_many_may_be_one_users(gateway):
    """Of 16 workers four are for a facility's long answers, and two of these for one user's."""
    berth = gateway({"demo": {"backend": "memory"}}, settings={"gateway": {"worker_threads": 16}})
    ana, bob = (berth.user(name, demo="researcher") for name in ("ana", "bob"))
    with ana.watch(WATCH) as first, ana.watch(WATCH) as second:
        assert (first.status, second.status) == (200, 200)
        with ana.watch(WATCH) as third:
            assert third.status == 503
            assert b"you have 2 long answers under way, the most that may be" in third.read_body()
        with bob.watch(WATCH) as other:
            assert other.status == 200


def test_the_log_of_actions_has_the_duration(berth, users):
    begun = time.monotonic()
    with users["ana"].watch(WATCH, headers={"X-Request-Id": "watch-me"}) as watcher:
        assert watcher.headers["X-Request-Id"] == "watch-me"
        watcher.until("ready")
        time.sleep(0.3)
    line = wait_until(lambda: [line for line in berth.actions()
                               if line["request_id"] == "watch-me"])[0]
    assert (line["action"], line["status"], line["user"]) == ("watch", 200, "ana")
    assert 300 <= line["duration_ms"] <= (time.monotonic() - begun) * 1000
    assert "error" not in line
