# SPDX-License-Identifier: MIT
"""What every endpoint does with HTTP: methods, headers, credentials, browsers, hostile input."""

import base64
import os
import re
import signal
import threading

import pytest

from harness import wait_until

READS = ["get-users", "get-app-names", "get-app-status", "get-app-stats", "get-node-names",
         "get-node-status", "get-images", "get-image-requests"]
OF_APP = ["get-app-status", "get-app-stats", "get-app-info"]
CHANGES = ["start-app", "stop-app", "pause-app", "unpause-app", "restart-app", "kill-app",
           "create-app", "delete-app", "hard-reset-app", "request-image", "approve-image",
           "reject-image", "remove-image"]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def berth(module_gateway):
    """users: with credentials; lone: open mode; 3 apps each."""
    return module_gateway(
        {"users": {"backend": "memory", "memory_apps": 3},
         "lone": {"backend": "memory", "auth": "open", "memory_apps": 3, "image_policy": "open"}},
        settings={"gateway": {"cors_origins": ["https://portal.example.org", "http://intra:8443"]}})


@pytest.fixture(scope="module")
def admin(berth):
    return berth.admin


# Methods


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/health", "/healthz",
                                  *(f"/users/{endpoint}" for endpoint in READS)])
def test_head_is_get_without_the_body(admin, path):
    def asked():  # the text may move with the clock in between
        got, head = admin.get(path), admin.request("HEAD", path)
        return got.headers["ETag"] == head.headers["ETag"] and (got, head)

    got, head = wait_until(asked)
    assert (got.status, head.status, head.body) == (200, 200, b"")
    assert got.body and got.headers["Content-Length"] == str(len(got.body))
    for name in ("Content-Type", "Cache-Control"):
        assert got.headers[name] == head.headers[name]
    # What moves between two requests may change its length.
    if "/health" not in path and "stats" not in path:
        assert got.headers["Content-Length"] == head.headers["Content-Length"]


def test_head_of_an_error(admin):
    head = admin.request("HEAD", "/users/get-app-info?name=no--such")
    assert (head.status, head.body) == (400, b"")
    assert head.headers["Content-Length"] == str(len("app no--such does not exist"))


@pytest.mark.parametrize("path", [b"/", b"/lone/get-app-status", b"/lone/get-app-info", b"/no"])
def test_nothing_follows_a_head(berth, path):
    answer = berth.anyone.raw(b"HEAD " + path + b" HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 ") and answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("path, allowed", [
    ("/livez", "GET, HEAD, OPTIONS"),
    *((f"/users/{endpoint}", "GET, HEAD, OPTIONS") for endpoint in READS),
    *((f"/users/{endpoint}", "POST, OPTIONS") for endpoint in CHANGES)])
def test_methods(berth, path, allowed):
    options = berth.anyone.request("OPTIONS", path)
    assert (options.status, options.headers["Allow"], options.body) == (204, allowed, b"")
    others = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", "))
    for method in others:
        answer = berth.anyone.request(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed), method


# Headers


@pytest.mark.parametrize("given, kept", [
    ("a", True), ("trace-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("", False),
    ("a b", False), ("a;b", False), ("<script>", False), ("\"quoted\"", False), ("é", False)])
def test_request_id(berth, given, kept):
    for path in ("/livez", "/users/get-users", "/no/such", "/users/no-such"):
        answer = berth.anyone.get(path, headers={"X-Request-Id": given})
        if kept:
            assert answer.headers["X-Request-Id"] == given
        else:
            assert re.fullmatch(UUID, answer.headers["X-Request-Id"])
    assert len(answer.headers.get_all("X-Request-Id")) == 1


def test_request_ids_are_made_anew(berth):
    ids = {berth.anyone.get("/livez").headers["X-Request-Id"] for _ in range(20)}
    assert len(ids) == 20


def test_an_answer_says_what_it_is(admin):
    names = admin.get("/users/get-app-names")
    assert names.headers["Content-Type"] == "application/json"
    assert names.headers["X-Content-Type-Options"] == "nosniff"
    assert names.headers["Cache-Control"] == "private, no-cache"
    text = admin.get("/")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Server" not in text.headers
    for endpoint in [*READS, *CHANGES, "get-app-info", "get-uptime-summary", "get-node-info"]:
        assert f"/FACILITY/{endpoint} " in text.text


@pytest.mark.parametrize("endpoint", ["get-users", "get-app-names", "get-app-status", "get-images"])
def test_an_unchanged_listing_is_not_sent_again(admin, endpoint):
    def unchanged():  # the text may move with the clock in between
        first = admin.get(f"/users/{endpoint}")
        again = admin.get(f"/users/{endpoint}", headers={"If-None-Match": first.headers["ETag"]})
        return again.status == 304 and (first, again)

    first, again = wait_until(unchanged)
    assert again.body == b"" and again.headers["ETag"] == first.headers["ETag"]
    assert "Content-Length" not in again.headers and "Content-Type" not in again.headers
    other = admin.get(f"/users/{endpoint}", headers={"If-None-Match": '"another"'})
    assert other.status == 200 and other.body
    several = f'"a", {first.headers["ETag"]}, "b"'
    assert wait_until(lambda: admin.get(
        f"/users/{endpoint}", headers={"If-None-Match": several}).status in (200, 304))


def test_unchanged_information_is_not_sent_again(berth, admin):
    name = admin.get("/users/get-app-names").json[0]
    info = f"/users/get-app-info?name={name}"
    first = admin.get(info)
    assert admin.get(info, headers={"If-None-Match": first.headers["ETag"]}).status == 304
    assert admin.get(info + "&fresh=yes").headers["ETag"] == first.headers["ETag"]
    admin.post("/users/restart-app", name=name)
    again = admin.get(info, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 200 and again.body != first.body
    other = berth.user("tom", users="viewer").get("/users/get-app-names", user="tess")
    assert (other.status, other.text) == (200, "[]") and other.headers["ETag"]


def test_a_change_changes_the_tag(admin):
    name = admin.get("/users/get-app-names").json[0]
    for change in ("kill-app", "start-app"):
        before = admin.get("/users/get-app-status").headers["ETag"]
        admin.post(f"/users/{change}", name=name)
        answer = admin.get("/users/get-app-status", headers={"If-None-Match": before})
        assert answer.status == 200 or admin.post(f"/users/{change}", name=name).status == 409


def test_no_tag_is_another_ones(berth, admin):
    """Who sees other apps has another tag: a shared cache cannot mix them up."""
    viewer = berth.user("tess", users="viewer")
    for endpoint in ("get-users", "get-app-names", "get-app-status"):
        own, all_of_them = (client.get(f"/users/{endpoint}") for client in (viewer, admin))
        assert own.headers["ETag"] != all_of_them.headers["ETag"]
        assert viewer.get(f"/users/{endpoint}", headers={
            "If-None-Match": all_of_them.headers["ETag"]}).status == 200


JSON = {"Accept": "application/json"}


@pytest.mark.parametrize("path, method, status, code", [
    ("/users/get-app-info?name=no--such", "GET", 400, "not_found"),
    ("/users/start-app", "POST", 400, "invalid"),
    ("/users/start-app?name=a&name=b", "POST", 400, "invalid"),
    ("/users/create-app?image=xterm&user=eva", "POST", 403, "forbidden"),
    ("/users/start-app?name=x", "GET", 405, "invalid"),
    ("/nowhere/get-users", "GET", 400, "invalid"),
    ("/users/no-such", "GET", 404, "not_found"),
    ("/no-such", "GET", 404, "not_found"),
    ("/livez", "POST", 405, "invalid"),
])
def test_a_problem_in_json(admin, path, method, status, code):
    answer = admin.request(method, path, headers={**JSON, "X-Request-Id": "abc"})
    assert (answer.status, answer.type) == (status, "application/problem+json")
    problem = answer.json
    assert (problem["type"], problem["status"], problem["code"], problem["request_id"]) == \
        ("about:blank", status, code, "abc")
    assert problem["title"] and problem["detail"]
    text = admin.request(method, path)
    assert text.status == status and (text.text == problem["detail"] or text.type != "text/plain")


def test_success_in_json(admin):
    name = admin.get("/users/get-app-names").json[0]
    answer = admin.post("/users/restart-app", name=name, headers=JSON)
    assert (answer.status, answer.type) == (200, "application/json")
    assert answer.json == {"result": "success", "name": name}


# Credentials


def basic(pair):
    return "Basic " + base64.b64encode(pair if isinstance(pair, bytes) else pair.encode()).decode()


@pytest.mark.parametrize("header", [
    None, "", "Basic", "Basic ", "Basic !!!", "Basic YWRtaW4", basic("admin"), basic(""),
    basic(":"), basic("admin:"), basic(":password"), basic("admin:wrong password"),
    basic("nobody:wrong password"), basic(b"admin\0:x"), basic(b"admin:a\0b"),
    basic(b"\xff\xfe:\xfd"), basic("admin:" + "x" * 300), basic("a" * 65 + ":password"),
    basic("admin--:password"), "Basic " + "A" * 1100, "Digest username=admin", "Bearer x",
    "basic"])
def test_no_or_wrong_credentials(berth, header):
    headers = {} if header is None else {"Authorization": header}
    for method, path in (("GET", "/users/get-users"), ("POST", "/users/start-app?name=x"),
                         ("HEAD", "/users/get-users")):
        answer = berth.anyone.request(method, path, headers=headers)
        if answer.status == 429:
            continue  # they come from one address
        assert answer.status == 401, answer
        assert 'Basic realm="berth"' in answer.headers["WWW-Authenticate"]


def test_wrong_user_and_wrong_password_are_told_alike(gateway):
    berth = gateway({"users": {"backend": "memory"}})
    answers = [berth.client(user, "wrong password").get("/users/get-users")
               for user in ("admin", "nobody")]
    assert answers[0].text == answers[1].text
    assert [answer.status for answer in answers] == [401, 401]


def test_the_scheme_is_of_any_case(berth, admin):
    pair = base64.b64encode(f"admin:{admin.password}".encode()).decode()
    for scheme in ("basic", "BASIC", "BaSiC"):
        answer = berth.anyone.get("/users/get-users", headers={"Authorization": f"{scheme} {pair}"})
        assert answer.status == 200


def test_passwords_of_any_letters(berth):
    odd = "pä:ss wörd:€\U0001f40b"
    berth.user("odette", password=odd, users="viewer")
    assert berth.client("odette", odd).get("/users/get-users").status == 200


def test_failed_logins_are_throttled(gateway):
    berth = gateway({"users": {"backend": "memory"}})
    admin = berth.admin
    eva = berth.user("eva", users="viewer")
    guess = berth.client("admin", "a wrong guess")
    statuses = [guess.get("/users/get-users").status for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    refused = guess.get("/users/get-users")
    assert re.fullmatch(r"[1-9]\d?", refused.headers["Retry-After"])
    assert "WWW-Authenticate" not in refused.headers
    assert eva.get("/users/get-users").status == 200  # nobody else is held up
    assert admin.post("/users/start-app", name="x").status in (400, 429)


def test_a_password_in_the_address_is_not_taken(admin):
    answer = admin.get("/users/get-users?user=admin&password=x", headers={"Authorization": ""})
    assert answer.status == 401


# Browsers


OWN = ["http://127.0.0.1:{port}", "http://localhost:{port}", "http://localhost:3000",
       "http://127.0.0.1", "http://[::1]:8080", "http://app.localhost",
       "https://portal.example.org", "http://intra:8443"]
FOREIGN = ["http://evil.example", "http://localhost:80@evil.example", "https://evil.example:8443", "null", "",
           "http://127.evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "file://",
           "http://portal.example.org", "https://portal.example.org.evil.example",
           "https://xportal.example.org", "http://intra:84433", "chrome-extension://abcdef"]


@pytest.mark.parametrize("origin", OWN)
def test_pages_that_may_change_things(berth, admin, origin):
    origin = origin.format(port=berth.port)
    answer = admin.post("/users/start-app", name="no--such", headers={"Origin": origin})
    assert answer.status == 400
    assert berth.anyone.post("/lone/start-app", name="no--such",
                             headers={"Origin": origin}).status == 400


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_that_may_not(berth, admin, origin):
    for client, facility in ((admin, "users"), (berth.anyone, "lone")):
        for endpoint in CHANGES:
            answer = client.post(f"/{facility}/{endpoint}", headers={"Origin": origin})
            assert answer.status == 403 and "origin" in answer.text, (endpoint, answer)
        assert client.get(f"/{facility}/get-users", headers={"Origin": origin}).status == 200


@pytest.mark.parametrize("site, status", [
    ("same-origin", 400), ("none", 400), ("cross-site", 403), ("same-site", 403), ("", 403)])
def test_what_a_browser_says_of_the_page(berth, admin, site, status):
    for client, facility in ((admin, "users"), (berth.anyone, "lone")):
        answer = client.post(f"/{facility}/start-app", name="no--such",
                             headers={"Sec-Fetch-Site": site})
        assert answer.status == status


@pytest.mark.parametrize("origin", FOREIGN + ["http://localhost:3000"])
def test_no_answer_lets_a_foreign_page_read(berth, origin):
    for method, path in (("GET", "/lone/get-users"), ("OPTIONS", "/lone/start-app"),
                         ("POST", "/lone/start-app"), ("OPTIONS", "/no/such")):
        answer = berth.anyone.request(method, path, headers={
            "Origin": origin, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization"})
        assert not [name for name in answer.headers if name.startswith("Access-Control-")]
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://portal.example.org", "http://intra:8443"])
def test_pages_of_the_origins_that_are_listed_may_read(berth, admin, origin):
    for path, status in (("/users/get-users", 200), ("/users/get-app-info", 400)):
        answer = admin.get(path, headers={"Origin": origin})
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    preflight = berth.anyone.request("OPTIONS", "/users/start-app", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization"})
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers
    refused = berth.anyone.get("/users/get-users", headers={"Origin": origin})
    assert refused.status == 401 and refused.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1", 200), ("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("LocalHost", 200),
    ("[::1]:{port}", 200), ("berth.localhost", 200), ("evil.example", 403),
    ("evil.example:{port}", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example", 403),
    ("[::2]", 403), ("192.0.2.1", 403), ("0.0.0.0", 403)])
def test_open_mode_answers_to_loopback_names(berth, admin, host, status):
    headers = {"Host": host.format(port=berth.port)}
    assert berth.anyone.get("/lone/get-users", headers=headers).status == status
    assert berth.anyone.post("/lone/start-app", headers=headers).status == \
        (400 if status == 200 else 403)
    assert admin.get("/users/get-users", headers=headers).status == 200


# Open mode


def test_open_mode_asks_for_nothing(berth):
    nobody = berth.anyone
    assert nobody.post("/lone/request-image", image="jupyter").text == "Success"
    assert nobody.post("/lone/create-app", image="jupyter", user="eva").text == "Success"
    assert nobody.post("/lone/delete-app", name="jupyter--eva").text == "Success"
    assert nobody.post("/lone/remove-image", image="jupyter", purge="yes").status in (200, 400)
    assert nobody.get("/users/get-users").status == 401
    # and credentials, right or wrong, make no difference
    assert berth.client("admin", "a wrong guess").get("/lone/get-users").status == 200


def test_open_mode_on_other_addresses(gateway):
    berth = gateway({"lone": {"backend": "memory", "auth": "open"}}, start=False,
                    settings={"gateway": {"listen": "0.0.0.0:18999"}})
    done = berth.run("serve")
    assert done.returncode == 1 and "allow_open = yes" in done.stderr
    berth = gateway({"lone": {"backend": "memory", "auth": "open"}},
                    settings={"gateway": {"allow_open": "yes"}})
    assert berth.anyone.get("/lone/get-users", headers={"Host": "evil.example"}).status == 200


# Hostile input


NO_TEXT = "parameter name must be valid UTF-8 without control characters"


@pytest.mark.parametrize("query, said", [
    ("name=a&name=b", "parameter name is given twice"),
    ("name=a&n%61me=b", "parameter name is given twice"),
    ("name=%", "parameter name has a broken percent-escape"),
    ("name=%zz", "parameter name has a broken percent-escape"),
    ("name=a%00b", NO_TEXT),
    ("name=a%0d%0aSet-Cookie:%20x", NO_TEXT),
    ("name=%ff", NO_TEXT),
    ("name=%c0%ae", NO_TEXT),
    ("name=" + "x" * 4097, "parameter name must not exceed 4096 bytes"),
    ("name=x&" + "&".join(f"p{i}=" for i in range(32)), "more than 32 parameters"),
    ("name=" + "x" * 322, "parameter name must not be longer than 321 characters"),
    ("name=..", "parameter name must begin with a letter or digit"),
    ("name=../../etc/passwd", "parameter name must"),
    ("name=demo--ana/json", "parameter name must"),
    ("name=$(reboot)", "parameter name must"),
    ("name=a;reboot", "parameter name must"),
    ("name=%60id%60", "parameter name must"),
    ("name=a|b", "parameter name must"),
    ("name=%27%20OR%201=1--", "parameter name must"),
    ("name=%3Cscript%3E", "parameter name must"),
    ("name=%c3%a4", "parameter name must"),
])
def test_hostile_names(admin, query, said):
    path = "/users/{}?" + query
    for endpoint in OF_APP:
        answer = admin.get(path.format(endpoint))
        assert answer.status == 400 and said in answer.text, answer
        assert answer.type == "text/plain"
    for endpoint in CHANGES[:6]:
        answer = admin.post(path.format(endpoint))
        assert answer.status == 400 and said in answer.text, answer


def test_a_list_of_ten_thousand(berth, admin):
    answer = admin.post("/users/start-app?name=" + "a," * 10000)
    assert answer.status in (400, 413, 414, 431), answer
    assert admin.post("/users/start-app?name=" + "a," * 2000).text == "0/1 succeeded"


@pytest.mark.parametrize("data", [
    b"", b"\r\n", b"G", b"GET", b"GET / HTTP/1.1\r\nHost: localhost",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
    b"\xff" * 3000, b"\0" * 3000, b"GET " + b"/" * 20000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /users/get-users HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
], ids=range(12))
def test_half_requests_and_noise(berth, data):
    answer = berth.anyone.raw(data, half_close=True)
    assert answer == b"" or re.match(rb"HTTP/1\.1 [45]\d\d ", answer), answer[:200]
    assert berth.anyone.get("/livez").text == "ok"


def test_a_request_that_overwrites_the_one_before(berth):
    first = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = berth.anyone.raw(first + b"GET " + b"/" * 20000)
    assert re.findall(rb"HTTP/1\.1 (\d+) ", answers)[0] == b"200"
    assert berth.anyone.get("/livez").text == "ok"
    berth.check_errors()


def test_clients_that_go_away(berth, admin):
    """In the middle of what they ask for, many of them at once."""
    request = b"GET /lone/get-app-status HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def leave():
        for _ in range(20):
            with berth.anyone.connect() as connection:
                connection.sendall(request * 5)

    threads = [threading.Thread(target=leave) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert berth.anyone.get("/livez").text == "ok"
    assert berth.process.poll() is None


def test_nothing_secret_is_written_down(berth, admin):
    admin.get("/users/get-users")
    wait_until(lambda: any(line["path"] == "/users/get-users" and line["user"] == "admin"
                           for line in berth.actions()))
    secret = [admin.password, base64.b64encode(f"admin:{admin.password}".encode()).decode()]
    for path in berth.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [text for text in secret if text.encode() in content], path
    assert not [text for text in secret if text in berth.errors]


def test_the_log_of_actions(berth, admin):
    admin.post("/users/start-app", name="no--such", headers={"X-Request-Id": "find-me"})
    line = wait_until(lambda: [line for line in berth.actions() if line["request_id"] == "find-me"])
    assert {name: line[0][name] for name in ("facility", "user", "address", "method", "path",
                                             "status", "action", "target", "error")} == {
        "facility": "users", "user": "admin", "address": "127.0.0.1", "method": "POST",
        "path": "/users/start-app", "status": 400, "action": "start-app", "target": "no--such",
        "error": "app no--such does not exist"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line[0]["time"])
    assert isinstance(line[0]["duration_ms"], int)


def test_health(berth):
    ready = berth.anyone.get("/readyz")
    assert (ready.status, ready.json) == (200, {
        "facilities": {"lone": {"status": "ok"}, "users": {"status": "ok"}}, "status": "ok"})
    health = berth.anyone.get("/healthz").json
    assert health["status"] == "ok" and re.fullmatch(r"\d+\.\d+\.\d+", health["version"])
    told = berth.anyone.get("/health").json
    assert told["status"] == "healthy" and told["version"] == health["version"]
    assert re.fullmatch(r"(\d+h)?(\d+m)?\d+s", told["uptime"])


def test_an_answer_in_the_middle_of_a_hang_up(berth):
    """SIGHUP while requests are under way disturbs none of them."""
    for _ in range(5):
        os.kill(berth.process.pid, signal.SIGHUP)
        assert berth.anyone.get("/lone/get-app-names").status == 200
