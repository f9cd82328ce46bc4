# SPDX-License-Identifier: MIT
"""ws/APP: terminals in apps."""

import json
import threading
import time

import pytest

from conftest import DEMO
from harness import PLAIN, wait_until
from harness.terminal import Refused, Terminal
from harness.websocket import WebSocket
from lab import compose
from test_reload import reload


# On the memory backend


@pytest.fixture(scope="module")
def berth(module_gateway):
    berth = module_gateway({"demo": {"backend": "memory"}},
                           settings={"gateway": {"worker_threads": 16}})
    assert berth.admin.post("/demo/approve-image", image="demo", wait="yes").status == 200
    return berth


@pytest.fixture
def connect(users, app):
    def connect(user="ana", **options):
        return Terminal(users[user], f"/demo/ws/{app}", **options)
    return connect


def refusal(*args, **options):
    with pytest.raises(Refused) as refused:
        Terminal(*args, **options)
    return refused.value.status


def test_a_shell(connect):
    with connect(cols=100, rows=40) as terminal:
        terminal.type("stty size\n")
        terminal.until(b"40 100\r\n")
        terminal.send(type="resize", cols=132, rows=43)
        terminal.type("stty size\n")
        terminal.until(b"43 132\r\n")
        terminal.type("exit 7\n")
        assert terminal.rest() == (1000, "exit 7")
        assert (terminal.exit, terminal.messages[-1]["type"]) == (7, "exit")


def test_output_that_is_no_text(connect):
    with connect(tty="no") as terminal:
        terminal.type("bytes ff00fe\n")
        terminal.until(b"\xff\x00\xfe")
        assert terminal.messages[-1]["encoding"] == "base64"
        terminal.type(b"echo caf\xc3\xa9\n")
        terminal.until("café\n".encode())
        assert terminal.messages[-1]["encoding"] == "utf8"


def test_a_character_waits_for_its_rest(connect):
    with connect(tty="no") as terminal:
        terminal.type("bytes c3\nbytes a9\n")
        assert terminal.next("stdout")["data"] == "é"
        terminal.type("bytes c3\n")
        assert terminal.next("stdout")["encoding"] == "base64"  # none came


def test_streams_are_kept_apart(connect):
    with connect(tty="no") as terminal:
        terminal.type("echo one\necho two >&2\n")
        terminal.until(b"one\n")
        wait_until(lambda: terminal.errors or terminal.receive() and False, 30, "stderr")
        assert terminal.errors == b"two\n"


def test_signals(connect):
    with connect() as terminal:
        for name in ("INT", "TERM", "KILL"):
            terminal.type("sleep\n")
            terminal.until(b"sleep\r\n")
            terminal.send(type="signal", name=name)
            terminal.until(b"$ ")
        terminal.type("exit\n")
        assert terminal.rest()[0] == 1000


@pytest.mark.parametrize("text", [
    "", "{", "[]", "7", '{"type": "what"}', '{"type": "stdin"}', '{"type": "resize", "cols": 0, "rows": 5}',
    '{"type": "resize", "cols": 70000, "rows": 5}', '{"type": "signal", "name": "STOP"}',
    '{"type": "stdin", "data": "a", "encoding": "rot13"}',
    '{"type": "stdin", "data": "?", "encoding": "base64"}'])
def test_what_is_not_understood_is_said(connect, text):
    with connect() as terminal:
        terminal.send_text(text)
        error = terminal.next("error")["error"]
        assert (error["error"], error["status"]) == ("validation_error", 400)
        assert set(error) == {"error", "code", "message", "status", "request_id", "timestamp",
                              "details"}
        terminal.type("echo goes on\n")
        terminal.until(b"\r\ngoes on\r\n")


@pytest.mark.parametrize("size, code", [(256 * 1024, None), (256 * 1024 + 1, 1009)])
def test_a_message_has_a_limit(connect, size, code):
    with connect() as terminal:
        text = json.dumps({"type": "ping", "more": ""})
        terminal.send_text(text.replace('""', '"' + "x" * (size - len(text)) + '"'))
        if code:
            assert terminal.rest()[0] == code
        else:
            terminal.next("pong")


def test_what_is_wrong_is_said_before_the_upgrade(users, app):
    ana = users["ana"]
    for params in ({"cols": 0}, {"rows": "x"}, {"cols": 65536}, {"tty": "maybe"},
                   {"session": "none"}):
        assert refusal(ana, f"/demo/ws/{app}", **params) == 400, params
    assert refusal(ana, "/demo/ws/demo--nobody") == 400
    assert refusal(ana, "/demo/ws/") == 400
    assert ana.get(f"/demo/ws/{app}").status == 426
    assert ana.post(f"/demo/ws/{app}").status == 405
    assert ana.post("/demo/stop-app", name=app).status == 200
    assert refusal(ana, f"/demo/ws/{app}") == 409


def test_who_may_have_one(berth, users, app):
    path = f"/demo/ws/{app}"
    assert refusal(berth.anyone, path) == 401
    assert refusal(users["vic"], path) == 403
    assert refusal(users["bob"], path) == 400  # to him it does not exist
    Terminal(users["oli"], path).close()
    assert refusal(users["ana"], path, headers={"Origin": "https://elsewhere.example"}) == 403
    Terminal(users["ana"], path, headers={"Origin": f"http://127.0.0.1:{berth.port}"}).close()


def test_they_are_counted(berth, users, app, connect):
    """Of 16 workers a quarter in one facility, and half of those by one user."""
    def is_busy(user):
        with pytest.raises(Refused) as refused:
            Terminal(user, f"/demo/ws/{app}")
        return refused.value.status == 503 and int(refused.value.headers["Retry-After"]) > 0

    held = connect(session="new")
    session = held.receive()["id"]
    opened = [connect(), connect("oli"), connect("oli")]
    assert is_busy(users["ana"]) and is_busy(berth.admin)
    opened.pop().close()
    Terminal(berth.admin, f"/demo/ws/{app}").close()
    again = connect(session=session)  # takes the place of its own
    assert held.rest()[0] == 4001
    again.drop()
    assert is_busy(users["ana"])  # one of hers waits to be resumed
    connect(session=session).close()
    for terminal in opened:
        terminal.close()
    def is_free():
        try:
            connect().close()
            return True
        except Refused:
            return False
    wait_until(is_free, 30, "a place")


def test_pings_overtake_output(connect):
    with connect() as terminal:
        terminal.until(b"$ ")
        terminal.type("flood 100000\n")
        terminal.until(b"7777")
        assert terminal.ping() < 20
        terminal.send(type="close")
        assert terminal.rest()[0] == 1000


def test_a_slow_reader_holds_its_app_alone(berth, connect):
    with connect(max_queue=1) as slow:
        slow.until(b"$ ")
        slow.type("flood 300000\n")  # 19 MB
        with connect() as other:
            other.type("echo here\n")
            other.until(b"\r\nhere\r\n")
        time.sleep(0.5)
        resident = int(open(f"/proc/{berth.process.pid}/statm").read().split()[1]) * 4096
        assert resident < 200 << 20
        assert slow.until(b"$ ", 300).count(b"7" * 63 + b"\r\n") == 300000


def test_who_floods_is_held(connect):
    with connect() as terminal:
        terminal.until(b"$ ")
        terminal.type("sleep\n")
        terminal.until(b"sleep\r\n")
        flood = threading.Thread(target=lambda: [terminal.type("x" * 1000) for _ in range(20)])
        flood.start()
        flood.join(20)
        terminal.send(type="signal", name="INT")
        terminal.type("\necho back\n")
        terminal.until(b"back\r\n")


def test_what_is_typed_ahead_is_not_lost(connect):
    """Of a long message behind what the app has taken in part."""
    with connect(tty="no") as terminal:
        terminal.type("\n" * 30000 + "flood 50000\n" + "\n" * 60000)
        terminal.type(("echo " + "x" * 2000 + "\n") * 125)
        terminal.type("echo end\n")
        terminal.until(b"\nend\n", 60)


def test_nothing_goes_before_the_head(users, app):
    """Whatever a client sends that does not wait for it."""
    with WebSocket(users["ana"], f"/demo/ws/{app}", early=WebSocket.frame(type="ping")) as early:
        early.until(b"pong")


def test_a_dropped_connection_is_taken_up_again(connect):
    terminal = connect(session="new")
    assert terminal.receive() == {"type": "session", "id": terminal.session}
    terminal.type("echo before\n")
    terminal.until(b"\r\nbefore\r\n$ ")
    terminal.drop()
    with connect(session=terminal.session) as again:
        again.until(b"\r\nbefore\r\n$ ")
        again.type("echo after\n")
        again.until(b"\r\nafter\r\n")
        with connect(session=terminal.session) as newer:
            assert again.rest() == (4001, "the terminal goes on elsewhere")
            newer.until(b"\r\nafter\r\n")
            newer.type("exit 3\n")
            newer.rest()
            assert newer.exit == 3
    with pytest.raises(Refused):
        connect(session=terminal.session)


def test_a_session_is_its_callers_alone(users, app, connect):
    with connect(session="new") as terminal:
        terminal.receive()
        assert refusal(users["oli"], f"/demo/ws/{app}", session=terminal.session) == 400
    with pytest.raises(Refused):
        connect(session=terminal.session)  # closed, not dropped


def test_it_ends_with_the_app(users, app, connect):
    for verb in ("restart-app", "stop-app"):
        with connect() as terminal:
            assert users["ana"].post(f"/demo/{verb}", name=app).status == 200
            assert terminal.rest() == (1001, "the app has ended")
            assert terminal.messages[-1]["error"]["error"] == "state_error"


def test_it_ends_with_the_right_to_it(berth, app):
    user = berth.user("eve", demo="operator")
    with Terminal(user, f"/demo/ws/{app}") as terminal:
        terminal.until(b"$ ")
        berth.cli("user", "revoke", "eve", "demo")
        revoked = time.monotonic()
        assert terminal.rest()[0] == 1008
        assert time.monotonic() - revoked < 10  # a sign of life would be asked for after 20


def test_it_is_logged(berth, connect):
    with connect() as terminal:
        terminal.type("exit\n")
        terminal.rest()
    def lines():
        return [line for line in berth.actions() if line["action"] == "ws/*"]
    wait_until(lambda: lines() and lines()[-1]["status"] == 101, 30, "a line")
    assert lines()[-1]["target"] == "demo--ana"


def test_stopping_the_gateway_ends_them(gateway):
    berth = gateway({"demo": {"backend": "memory", "image_policy": "open", "auth": "open"}})
    anyone = berth.anyone
    assert anyone.post("/demo/request-image", image="demo").status == 200
    assert anyone.post("/demo/create-app", image="demo", user="ana").status == 200
    assert anyone.post("/demo/start-app", name="demo--ana").status == 200
    with Terminal(anyone, "/demo/ws/demo--ana", session="new") as terminal:
        stopping = threading.Thread(target=berth.stop)
        stopping.start()
        assert terminal.rest() == (1001, "the gateway is stopping")
        stopping.join(60)
        assert not stopping.is_alive() and not berth.process


def test_five_hundred_at_once(gateway):
    """One that floods and is not read, and one that floods and is: they delay nobody."""
    berth = gateway({"demo": {"backend": "memory", "image_policy": "open", "auth": "open"}},
                    settings={"gateway": {"worker_threads": 2016}}, binary=PLAIN)
    anyone = berth.anyone
    assert anyone.post("/demo/request-image", image="demo").status == 200
    assert anyone.post("/demo/create-app", image="demo", user="ana").status == 200
    assert anyone.post("/demo/start-app", name="demo--ana").status == 200
    opened = [WebSocket(anyone, "/demo/ws/demo--ana") for _ in range(502)]
    for flooding in opened[:2]:
        flooding.send(type="stdin", data="flood 2000000000\n")
    reader = threading.Thread(target=lambda: [opened[1].receive() for _ in range(500)])
    reader.start()
    took = []
    for number, terminal in enumerate(opened[2:]):
        begun = time.monotonic()
        terminal.send(type="stdin", data=f"echo n{number}\n")
        terminal.until(b"\\nn%d\\r" % number)
        took.append(time.monotonic() - begun)
    reader.join(30)
    resident = int(open(f"/proc/{berth.process.pid}/statm").read().split()[1]) * 4096
    # Who waited for one of the two would wait as long as that floods. A busy machine may delay some.
    usual, slowest = sorted(took)[len(took) * 9 // 10], max(took)
    assert usual < 0.5 and slowest < 10 and resident < 150 << 20, (usual, slowest, resident)
    opened[0].send(type="close")  # is heard, though nothing is read
    opened[1].send(type="ping")
    opened[1].until(b"pong")
    for terminal in opened[2:]:
        terminal.close()
    berth.stop()


def test_it_ends_with_the_facility(gateway):
    demo = {"backend": "memory", "image_policy": "open", "auth": "open"}
    berth = gateway({"demo": demo, "other": demo})
    anyone = berth.anyone
    assert anyone.post("/demo/request-image", image="demo").status == 200
    assert anyone.post("/demo/create-app", image="demo", user="ana").status == 200
    assert anyone.post("/demo/start-app", name="demo--ana").status == 200
    with Terminal(anyone, "/demo/ws/demo--ana") as terminal:
        reload(berth, {"other": demo})
        assert terminal.rest() == (1001, "the facility was closed")


# On an engine


@pytest.fixture
def solo(gateway, engine):
    engine.docker("run", "-d", "--name", "box--ana", "berth/demo")
    berth = gateway({"demo": {"engine": engine.url, "image_policy": "open", "auth": "open",
                              "adopt": "yes", "max_inflight": 64}},
                    settings={"gateway": {"worker_threads": 256}})
    wait_until(lambda: "box--ana" in berth.anyone.get("/demo/get-app-names").json, 30, "the app")
    return berth


def processes(engine):
    return engine.docker("exec", "box--ana", "ps", "-o", "args")


def test_nothing_is_left_in_the_app(solo, engine):
    path = "/demo/ws/box--ana"
    for end in (Terminal.close, Terminal.drop, lambda terminal: solo.kill()):
        terminal = Terminal(solo.anyone, path)
        terminal.type("(setsid sleep 1111 &); env -i sleep 2222 & sleep 3333 &\n")
        terminal.type("echo do''ne\n")
        terminal.until(b"done\r\n")
        wait_until(lambda: all(f"sleep {n}" in processes(engine) for n in (1111, 2222, 3333)),
                   what="them to run")
        end(terminal)
        wait_until(lambda: "sleep" not in processes(engine) and
                   "berth-keeper" not in processes(engine), what="the end of all")


def test_ctrl_c_and_signals_on_an_engine(solo, engine):
    with Terminal(solo.anyone, "/demo/ws/box--ana", cols=111, rows=22) as terminal:
        terminal.type("stty size; sleep 1000; echo after=$?\n")
        terminal.until(b"22 111\r\n")
        wait_until(lambda: "sleep 1000" in processes(engine), what="the sleep")
        terminal.type("\x03")
        terminal.type("sh -c 'echo up; exec sleep 1000'; echo co''de=$?\n")
        terminal.until(b"\nup\r\n")
        terminal.send(type="signal", name="TERM")
        terminal.until(b"code=143")
        terminal.type("exit 9\n")
        assert terminal.rest() == (1000, "exit 9")


def test_a_big_file_to_a_slow_reader(solo, engine):
    engine.docker("exec", "box--ana", "dd", "if=/dev/urandom", "of=/tmp/big", "bs=1M", "count=20")
    with Terminal(solo.anyone, "/demo/ws/box--ana", tty="no", max_queue=1,
                  cmd="exec cat /tmp/big") as terminal:
        wait_until(lambda: "cat /tmp/big" in processes(engine), what="the reader")
        time.sleep(1)
        assert "cat /tmp/big" in processes(engine), "it waits for its reader"
        terminal.rest(300)
        assert (len(terminal.output), terminal.exit) == (20 << 20, 0)


def test_many_at_once(solo, engine):
    opened = [None] * 12
    def open_one(i):
        opened[i] = Terminal(solo.anyone, "/demo/ws/box--ana")
        opened[i].type(f"echo n''umber {i}\n")
        opened[i].until(f"\nnumber {i}\r\n".encode(), 60)
    threads = [threading.Thread(target=open_one, args=(i,)) for i in range(len(opened))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert all(opened)
    for terminal in opened:
        terminal.close()
    wait_until(lambda: "berth-keeper" not in processes(engine), 60, "the end of all")


def test_an_image_without_a_shell(solo, engine):
    import io, tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("busy")
        data = open("/bin/busybox", "rb").read()
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
    engine.docker("import", "--change", 'ENTRYPOINT ["/busy"]', "-", "bare:latest",
                  input=out.getvalue())
    engine.docker("run", "-d", "--name", "bare--ana", "bare", "sleep", "1000")
    wait_until(lambda: "bare--ana" in solo.anyone.get("/demo/get-app-names").json, 30, "the app")
    assert refusal(solo.anyone, "/demo/ws/bare--ana") == 409


# In containers of the containers API


@pytest.fixture
def projects(gateway, engine):
    """A facility of Compose projects, with the cuid of one that runs."""
    berth = gateway({"demo": {"backend": "compose", "engine": engine.url, "compose": compose(),
                              "image_policy": "open", "auth": "open"}},
                    settings={"gateway": {"root_facility": "demo"}})
    assert berth.anyone.post("/demo/create-app", image=DEMO, user="ana").status == 200
    yield berth
    berth.anyone.post("/demo/delete-app", name="berth_demo--ana")


def cuid_of(berth):
    row = berth.anyone.get("/demo/get-app-status", name="berth_demo--ana").json
    labels = dict(label.split("=", 1) for label in row["Labels"].split(","))
    return labels["com.docker.compose.project"]


def said(terminal):
    """The only message of a terminal that is closed at once, and the close."""
    closed = terminal.rest()
    [message] = terminal.messages
    assert message["type"] == "error"
    return message["error"], closed


def test_a_container_by_its_cuid(projects):
    cuid = cuid_of(projects)
    with Terminal(projects.anyone, f"/demo/ws/{cuid}") as terminal:
        error, closed = said(terminal)
        assert (error["error"], error["code"], error["status"]) == \
            ("state_error", "INVALID_STATE", 422)
        assert closed == (1008, error["message"])
    projects.anyone.post("/demo/start-app", name="berth_demo--ana")
    for path in (f"/demo/ws/{cuid}", f"/ws/{cuid}", "/demo/ws/berth_demo--ana"):
        with Terminal(projects.anyone, path, cols=100, rows=40) as terminal:
            terminal.type("pwd; stty size; exit 3\n")
            terminal.until(b"/app\r\n40 100\r\n")
            assert terminal.rest() == (1000, "exit 3")
            assert terminal.messages[-1] == {"type": "exit", "code": 3}
    for _ in range(8):  # which stream comes first is the engine's choice
        with Terminal(projects.anyone, f"/ws/{cuid}", tty="false",
                      cmd="echo $CONTAINER_UID; echo two >&2; exit 4") as terminal:
            terminal.rest()
            assert (terminal.output, terminal.errors, terminal.exit) == \
                (f"{cuid}\n".encode(), b"two\n", 4)
    with Terminal(projects.anyone, f"/ws/{cuid}") as terminal:
        terminal.send_text("{")
        error = terminal.next("error")["error"]
        assert (error["error"], error["code"], error["status"]) == \
            ("validation_error", "INVALID_REQUEST", 400)
        projects.anyone.post("/demo/kill-app", name="berth_demo--ana")
        assert terminal.rest() == (1001, "the app has ended")
        assert terminal.messages[-1]["error"]["error"] == "state_error"


def test_what_is_wrong_with_a_container(projects):
    nobody = "c00000000-0000-4000-8000-000000000000"
    with Terminal(projects.anyone, f"/ws/{nobody}") as terminal:
        error, closed = said(terminal)
        assert (error["error"], error["code"], error["status"]) == \
            ("not_found", "CONTAINER_NOT_FOUND", 404)
        assert closed == (1008, f"container {nobody} does not exist")
    answer = projects.anyone.get(f"/ws/{nobody}", cols=0)
    assert (answer.status, answer.json["error"], answer.json["status"]) == \
        (400, "validation_error", 400)
    assert projects.anyone.get(f"/ws/{nobody}").json["status"] == 426
    assert refusal(projects.anyone, f"/ws/{nobody}", rows="x") == 400
    assert refusal(projects.anyone, "/demo/ws/demo--nobody") == 404
