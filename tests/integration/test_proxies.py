# SPDX-License-Identifier: MIT
"""trusted_proxies: whose word about the client is believed, and what it changes."""

import pytest

from harness import wait_until

MEMORY = {"backend": "memory", "memory_apps": 1}


@pytest.fixture
def behind(gateway):
    """behind("127.0.0.1", ...): a gateway that trusts these peers, which the tests themselves are."""
    def make(*trusted, **settings):
        return gateway({"demo": MEMORY}, settings={
            **settings, "gateway": {"trusted_proxies": list(trusted),
                                    **settings.get("gateway", {})}})
    return make


def logged_address(berth, **headers):
    """The address that the log of actions gives for a request with these headers."""
    mark = f"mark-{len(headers)}-{hash(tuple(headers.items())) & 0xffffff:x}"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    berth.anyone.get("/livez", {**sent, "X-Request-Id": mark})
    rows = wait_until(lambda: [row for row in berth.actions() if row["request_id"] == mark])
    return rows[0]["address"]


def test_the_address_in_the_log(behind):
    berth = behind("127.0.0.1/32", "10.0.0.0/8")
    for headers, address in [
            ({}, "127.0.0.1"),
            ({"X_Forwarded_For": "198.51.100.1"}, "198.51.100.1"),
            ({"X_Forwarded_For": "1.2.3.4, 198.51.100.1, 10.0.0.1"}, "198.51.100.1"),
            ({"X_Forwarded_For": "[2001:db8::1]:443"}, "2001:db8::1"),
            ({"X_Forwarded_For": "nonsense"}, "127.0.0.1"),
            ({"Forwarded": 'for="[2001:db8::2]:1";proto=https'}, "2001:db8::2"),
            ({"Forwarded": "for=1.2.3.4", "X_Forwarded_For": "198.51.100.1"}, "127.0.0.1"),
    ]:
        assert logged_address(berth, **headers) == address, headers


def test_header_lines_belong_together(behind):
    berth = behind("127.0.0.1")
    with berth.anyone.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: lines\r\n"
                           b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    rows = wait_until(lambda: [r for r in berth.actions() if r["request_id"] == "lines"])
    assert rows[0]["address"] == "198.51.100.9"


def test_others_are_not_believed(behind):
    berth = behind("10.0.0.0/8", "unix")
    assert logged_address(berth, X_Forwarded_For="198.51.100.1") == "127.0.0.1"
    assert logged_address(berth, Forwarded="for=198.51.100.1") == "127.0.0.1"


@pytest.mark.parametrize("trusted, address", [("unix", "198.51.100.1"), ("127.0.0.1", "unix")])
def test_a_proxy_on_a_unix_socket(behind, tmp_path, trusted, address):
    berth = behind(trusted, gateway={"listen": f"unix:{tmp_path}/berth.sock"})
    assert logged_address(berth, X_Forwarded_For="198.51.100.1") == address


def from_address(address):
    return {"X-Forwarded-For": address}


def test_logins_are_throttled_by_the_clients_address(behind):
    berth = behind("127.0.0.1")
    berth.user("ana", demo="viewer")
    wrong = berth.client("ana", "wrong password")
    for _ in range(10):
        assert wrong.get("/demo/get-users", from_address("198.51.100.1")).status == 401
    assert wrong.get("/demo/get-users", from_address("198.51.100.1")).status == 429
    assert wrong.get("/demo/get-users", from_address("198.51.100.2")).status == 401
    untrusted = behind("10.0.0.1")
    untrusted.user("ana", demo="viewer")
    wrong = untrusted.client("ana", "wrong password")
    statuses = [wrong.get("/demo/get-users", from_address(f"198.51.100.{i}")).status
                for i in range(11)]
    assert statuses == [401] * 10 + [429]


def test_requests_are_counted_by_the_clients_address(behind):
    def ask(berth, number):
        return berth.anyone.get("/demo/get-users", from_address(f"198.51.100.{number}")).status

    limits = {"requests_per_second": 1, "burst": 1}
    trusting = behind("127.0.0.1", limits=limits)
    assert [ask(trusting, number) for number in range(1, 6)] == [401] * 5
    untrusting = behind("10.0.0.1", limits=limits)
    assert ask(untrusting, 1) == 401
    wait_until(lambda: ask(untrusting, 2) == 429)  # within a second of the one before


def change(berth, **headers):
    """The status of a change that a page asks for; 400 is for the app it names."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return berth.admin.post("/demo/stop-app", sent, name="nothing--ana").status


def test_the_name_a_page_knows_us_by(behind):
    berth = behind("127.0.0.1")
    for headers, status in [
            ({"Origin": "https://berth.example", "Host": "berth.example"}, 400),
            ({"Origin": "https://berth.example", "Host": "berth.example:443"}, 400),
            ({"Origin": "https://berth.example", "Host": "berth.example:8443"}, 403),
            ({"Origin": "https://other.example", "Host": "berth.example"}, 403),
            # The proxy asks by another name, and says by which it was asked itself.
            ({"Origin": "https://berth.example", "Host": "inner"}, 403),
            ({"Origin": "https://berth.example", "Host": "inner", "X_Forwarded_For": "192.0.2.1",
              "X_Forwarded_Host": "berth.example", "X_Forwarded_Proto": "https"}, 400),
            ({"Origin": "http://berth.example", "Host": "inner", "X_Forwarded_For": "192.0.2.1",
              "X_Forwarded_Host": "berth.example", "X_Forwarded_Proto": "https"}, 403),
            ({"Origin": "https://berth.example", "Host": "inner",
              "Forwarded": "for=192.0.2.1;host=berth.example;proto=https"}, 400),
    ]:
        assert change(berth, **headers) == status, headers
    untrusted = behind("10.0.0.1")
    assert change(untrusted, Origin="https://berth.example", Host="inner",
                  X_Forwarded_For="192.0.2.1", X_Forwarded_Host="berth.example") == 403


def test_an_open_facility_behind_a_proxy_is_asked_by_its_own_name(gateway):
    berth = gateway({"demo": {**MEMORY, "auth": "open"}},
                    settings={"gateway": {"trusted_proxies": "127.0.0.1"}})
    outside = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "berth.example"}
    assert berth.anyone.get("/demo/get-users").status == 200
    assert berth.anyone.get("/demo/get-users", outside).status == 403


@pytest.mark.parametrize("value", ["localhost", "10.0.0.0/33", "[::1]", "unix:/run/x"])
def test_what_is_no_proxy(gateway, value):
    berth = gateway({"demo": MEMORY}, start=False,
                    settings={"gateway": {"trusted_proxies": value}})
    assert "trusted_proxies must be an address" in berth.run("check-config").stderr
