# SPDX-License-Identifier: MIT
"""Hostile input: what must be refused, and what must leave the connection in step."""

import concurrent.futures
import contextlib
import re
import socket
import time

import pytest

from harness import Client, Gateway, wait_until

PROMPT_S = 12  # for an answer that waits for nothing: the gateway would wait for 30 s
OPEN = {"backend": "memory", "auth": "open", "image_policy": "open"}
FACILITIES = {
    "free": {**OPEN, "memory_apps": "10"},
    "slow": {**OPEN, "memory_delay_ms": "20", "max_apps_per_user": "2"},
    "closed": {"backend": "memory"},
    "gated": {"backend": "memory", "memory_delay_ms": "500"},
}


@pytest.fixture(scope="module")
def berth(tmp_path_factory):
    with Gateway(tmp_path_factory.mktemp("berth"), FACILITIES) as berth:
        yield berth


def request(line, *headers, close=True):
    """One request, to localhost and with an end to the connection unless the headers say so."""
    lines = [line, "Host: localhost", *headers]
    if close:
        lines.append("Connection: close")
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def split(received):
    """The answers in what was received: [(status, head, body)], and that nothing is left over."""
    answers = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        assert end, received
        status = int(re.match(rb"HTTP/1\.1 (\d{3}) ", head)[1])
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        assert len(rest) >= size, received
        answers.append((status, head.decode(), rest[:size]))
        received = rest[size:]
    return answers


POST = "POST /free/start-app?name=x HTTP/1.1"
LIVEZ = "GET /livez HTTP/1.1"


@pytest.mark.parametrize("status, data", [
    (400, b"GET /livez\r\n\r\n"),
    (505, b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n"),
    (400, b"GET /livez HTTP/1.1\r\n\r\n"),
    (400, request("GET /livez HTTP/1.1", "Host: elsewhere")),
    (400, request("BREW /livez HTTP/1.1")),
    (400, request("GET /li\0vez HTTP/1.1")),
    (404, request("GET /free//livez HTTP/1.1")),
    (404, request("GET /free/../livez HTTP/1.1")),
    (404, request("GET /free%2fget-users HTTP/1.1")),
    (404, request("GET /free/get-users/ HTTP/1.1")),
    (414, request("GET /" + "a" * 9000 + " HTTP/1.1")),
    (414, request("GET /free/get-users?" + "a" * 9000 + " HTTP/1.1")),
    (431, request("GET /livez HTTP/1.1", *(f"X-{i}: a" for i in range(100)))),
    (400, request(POST, "Content-Length: -1")),
    (400, request(POST, "Content-Length: +5") + b"hello"),
    (400, request(POST, "Content-Length: 5x") + b"hello"),
    (400, request(POST, "Content-Length: 5", "Content-Length: 9") + b"hello"),
    (400, request(POST, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    (411, request(POST, "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    (400, request(LIVEZ, "Content-Length: 5 ") + b"hello"),
    (400, request(LIVEZ, "Content-Length: 0x5") + b"hello"),
    (400, request(LIVEZ, "Content-Length: 5, 5") + b"hello"),
    (400, request(LIVEZ, "Content-Length : 5") + b"hello"),
    (400, request(LIVEZ, "Content-Length:", "\t5") + b"hello"),
    (400, request(LIVEZ, "X: a", " folded", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, "X: a", "\tfolded", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, " X: a", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, "\x80: a", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, ": a", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, "X: a\n", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, "X: a\rY: b", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, "X: a\0", "Content-Length: 5") + b"hello"),
    (400, request(LIVEZ, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    (400, request(LIVEZ, "Transfer-Encoding:", " chunked") + b"0\r\n\r\n"),
    (400, request(LIVEZ, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")),
    (411, request(POST, "Transfer-Encoding: identity", close=False) + b"hello"),
    (411, request(POST, "Transfer-Encoding: chunked") + b"ffffffffffffffff\r\nhello"),
    (411, request(POST, "Transfer-Encoding: chunked") + b"-5\r\nhello"),
    (431, request("GET /livez HTTP/1.1", "X: " + "a" * 20000)),
    (431, request("GET /livez HTTP/1.1", *(f"X-{i}: {'a' * 1000}" for i in range(20)))),
    (400, request("GET http:///livez HTTP/1.1")),
    (400, request("GET http://localhost HTTP/1.1")),
    (400, request("GET http://localhost?a=/livez HTTP/1.1")),
    (400, request("GET http://localhost#/livez HTTP/1.1")),
    (400, request("GET http://ana:secret@localhost/livez HTTP/1.1")),
    (400, request("GET ftp://localhost/livez HTTP/1.1")),
    (400, b"GET http://localhost/livez HTTP/1.1\r\nConnection: close\r\n\r\n"),
    (400, b"GET livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (404, request("GET * HTTP/1.1")),
    (413, request(POST, "Content-Length: 65537")),
    (413, request(POST, "Content-Length: 99999999999999999999")),
    (400, request("GET /free/get-users HTTP/1.1", "Authorization: a", "Authorization: b")),
], ids=lambda value: None if isinstance(value, int) else value[:60].decode(errors="replace"))
def test_refused_and_closed(berth, status, data):
    begun = time.monotonic()
    (answer,) = split(berth.anyone.raw(data))
    assert answer[0] == status, answer
    assert answer[1].count("Connection: close") == 1
    assert time.monotonic() - begun < PROMPT_S, "it waited for more than it needed"


@pytest.mark.parametrize("status, line, host", [
    (200, "GET http://elsewhere.example/livez HTTP/1.1", "localhost"),
    (200, "GET https://127.0.0.1:1/livez HTTP/1.0", "localhost"),
    (200, "GET HTTP://localhost:8080/free/get-app-names?x=http://a:1/ HTTP/1.1",
     "elsewhere.example"),
    (200, "GET http://[::1]:8080/free/get-users HTTP/1.1", "elsewhere.example"),
    (204, "OPTIONS http://localhost/free/start-app HTTP/1.1", "localhost"),
    # The target counts, not the header: auth = open answers to loopback names.
    (403, "GET http://elsewhere.example/free/get-users HTTP/1.1", "localhost"),
    (403, "GET http://localhost.elsewhere.example:8080/free/get-users HTTP/1.1", "localhost"),
])
def test_absolute_targets(berth, status, line, host):
    data = f"{line}\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    (answer,) = split(berth.anyone.raw(data))
    assert answer[0] == status, answer


@pytest.mark.parametrize("first", [
    request(POST, "Content-Length: 5", close=False) + b"hello",
    request("GET http://localhost/free/get-users HTTP/1.1", close=False),
    request("GET /free/get-users HTTP/1.1", "Content-Length: 5", close=False) + b"hello",
    request("HEAD /free/get-app-status HTTP/1.1", close=False),
    request("HEAD /nothing HTTP/1.1", close=False),
    request("OPTIONS /free/start-app HTTP/1.1", close=False),
    request("GET /free/get-users HTTP/1.1", "If-None-Match: *", close=False),
    request("PUT /free/start-app HTTP/1.1", "Content-Length: 5", close=False) + b"hello",
], ids=lambda data: data[:40].decode())
def test_keeps_in_step(berth, first):
    received = berth.anyone.raw(first + request("GET /livez HTTP/1.1"))
    if first.startswith(b"HEAD"):
        head, _, rest = received.partition(b"\r\n\r\n")
        assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 0
    else:
        first_answer, *others = split(received)
        assert len(others) == 1, received
        rest = received[received.index(b"HTTP/1.1", 1):]
    ((status, _, body),) = split(rest)
    assert (status, body) == (200, b"ok")


def test_what_the_server_takes(berth):
    received = berth.anyone.raw(request("OPTIONS * HTTP/1.1", close=False)
                                + request("GET /livez HTTP/1.1"))
    assert received.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"\r\nAllow: GET, HEAD, POST, OPTIONS\r\n" in received
    assert received.endswith(b"\r\n\r\nok")


def test_body_in_two_parts(berth):
    with berth.anyone.connect() as connection:
        connection.sendall(request(POST, "Content-Length: 5", close=False) + b"he")
        time.sleep(0.1)
        connection.sendall(b"llo" + request("GET /livez HTTP/1.1"))
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert [answer[0] for answer in split(received)] == [400, 200]


def test_expectation_is_not_waited_for(berth):
    """A client that asks leave to send its body is answered at once, and sends none."""
    begun = time.monotonic()
    data = request(POST, "Content-Length: 5", "Expect: 100-continue", close=False)
    ((status, head, _),) = split(berth.anyone.raw(data))
    assert status == 400 and "Connection: close" in head
    assert time.monotonic() - begun < PROMPT_S


@pytest.mark.parametrize("wish, kept", [
    ("keep-alive", True), ("Keep-Alive", True), ("close", False), ("keep-alive, close", False),
    ("TE", False), ("xkeep-alive", False),
])
def test_says_what_becomes_of_the_connection(berth, wish, kept):
    data = request("GET /livez HTTP/1.1", f"Connection: {wish}", close=False)
    answers = split(berth.anyone.raw(data, half_close=True))
    assert ("Connection: close" not in answers[0][1]) == kept


def test_slow_bodies_end(gateway):
    """A byte now and then does not hold a worker for as long as its sender likes."""
    berth = gateway(FACILITIES, settings={"limits": {"request_timeout_s": 1}})
    with berth.anyone.connect() as connection:
        connection.sendall(request(POST, "Content-Length: 50"))
        connection.settimeout(0.3)
        received = b""
        for _ in range(49):
            try:
                with contextlib.suppress(ConnectionError):  # what was said before is there still
                    connection.sendall(b"x")
                received = connection.recv(65536)
                break
            except socket.timeout:
                continue
    assert split(received)[0][0] == 400


@pytest.mark.parametrize("accept, kind", [
    ("*/*", "text/plain"), ("application/*", "text/plain"),
    ("application/json", "application/problem+json"),
    ("application/problem+json", "application/problem+json"),
    ("application/json;q=0", "text/plain"), ("application/json-seq", "text/plain"),
    ("text/plain, application/json;q=0.5", "text/plain"),
    ("application/json, text/plain, */*", "text/plain"),
])
@pytest.mark.parametrize("path, status", [
    ("/free/get-app-info?name=x--y", 400), ("/free/start-app", 405), ("/free/nothing", 404),
])
def test_errors_are_said_as_asked(berth, accept, kind, path, status):
    answer = berth.anyone.get(path, headers={"Accept": accept})
    assert (answer.status, answer.type) == (status, kind)
    if answer.type == "application/problem+json":
        assert answer.json["status"] == status


def logged(berth, request_id):
    """The line of actions.jsonl about that request."""
    def lines():
        return [line for line in berth.actions() if line["request_id"] == request_id]

    wait_until(lines, what=f"a line about {request_id}")
    (line,) = lines()
    return line


@pytest.mark.parametrize("request_id, name, sent", [
    ("backslashes", "\\" * 4000, "\\" * 4000),
    ("snowmen", "\N{SNOWMAN}" * 800, "%E2%98%83" * 800),
], ids=["backslashes", "snowmen"])
def test_long_names_are_logged(berth, request_id, name, sent):
    answer = berth.anyone.post(f"/free/start-app?name={sent}", headers={"X-Request-Id": request_id})
    assert answer.status == 400
    target = logged(berth, request_id)["target"]
    assert name.startswith(target) and len(target.encode()) > 1000


def test_failed_logins_are_logged_with_the_name_and_nothing_secret(berth):
    for request_id, user in (("named", "ana"), ("unnamed", "pass word!")):
        client = Client(berth.anyone.address, user, "not-the-password")
        answer = client.get("/closed/get-users", headers={"X-Request-Id": request_id})
        client.close()
        assert (answer.status, answer.text) == (401, "wrong user or password")
    assert logged(berth, "named")["detail"] == "login as ana"
    assert "detail" not in logged(berth, "unnamed")
    log = (berth.data / "logs" / "actions.jsonl").read_text()
    assert not re.search("Basic|not-the-password|pass word", log)


def test_the_bound_of_apps_holds_in_a_burst(berth):
    """Creations that come together see each other."""
    images = ["demo", "jupyter", "httpd", "rstudio", "python", "postgres"]
    for image in images:
        assert berth.anyone.post("/slow/request-image", image=image).status == 200
    with concurrent.futures.ThreadPoolExecutor(len(images)) as pool:
        answers = list(pool.map(
            lambda image: berth.anyone.post("/slow/create-app", image=image, user="ana").status,
            images))
    assert sorted(answers) == [200, 200, 403, 403, 403, 403]


def test_an_image_rejected_while_it_is_pulled(berth):
    """Who waits for the approval is not told that the image is approved."""
    admin = berth.admin
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        approval = pool.submit(
            admin.again().post, "/gated/approve-image", image="httpd", wait="yes")
        wait_until(lambda: admin.get("/gated/get-image-requests", state="pulling").json)
        assert admin.post("/gated/reject-image", image="httpd").status == 200
        answer = approval.result()
    assert (answer.status, answer.text) == (
        409, "image httpd:latest was rejected while it was pulled")
    assert admin.post("/gated/create-app", image="httpd", user="ana").status == 403
