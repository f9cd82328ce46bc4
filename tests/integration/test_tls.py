# SPDX-License-Identifier: MIT
"""HTTPS: what is served, what is refused, and certificates that change under a running gateway."""

import asyncio
import http.client
import json
import pathlib
import ssl
import subprocess

import pytest
import websockets

from harness import free_port, wait_until
from lab.tls import Authority

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = {"demo": {"backend": "memory", "auth": "open", "image_policy": "open"}}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def pair(authority):
    return authority.server("localhost", "127.0.0.1")


@pytest.fixture
def secure(gateway, pair):
    """secure(**gateway_keys): a gateway with HTTPS at its attribute tls_port."""
    def make(facilities=None, start=True, **keys):
        port = free_port()
        berth = gateway(facilities or DEMO, start=start, settings={"gateway": {
            "listen_tls": f"127.0.0.1:{port}", "tls_cert": pair.cert, "tls_key": pair.key, **keys}})
        berth.tls_port = port
        return berth
    return make


def trusting(pair, client=None):
    context = ssl.create_default_context(cafile=pair.ca)
    if client:
        context.load_cert_chain(client.cert, client.key)
    return context


def connect(berth, context):
    return http.client.HTTPSConnection("127.0.0.1", berth.tls_port, context=context, timeout=60)


def ask(connection, path="/demo/get-app-names"):
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def answers(berth, pair):
    try:
        return ask(connect(berth, trusting(pair)), "/livez")[0] == 200
    except ConnectionRefusedError:
        return False


def refusal(berth):
    """What the gateway says when it does not start, and check-config of the same."""
    said = berth.run("check-config")
    assert said.returncode == 1
    assert berth.launch().wait(60) == 1
    berth.process = None
    return said.stderr


def test_https_is_served_beside_http_and_says_that_it_stays(secure, pair):
    berth = secure()
    status, headers, body = ask(connect(berth, trusting(pair)))
    assert (status, body) == (200, b"[]")
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    plain = berth.client().get("/demo/get-app-names")
    assert plain.status == 200
    assert "Strict-Transport-Security" not in plain.headers


def test_an_empty_listen_switches_http_off(secure, gateway, pair):
    berth = secure(listen="", start=False)
    berth.launch()
    wait_until(lambda: answers(berth, pair), 30, "an answer by HTTPS")
    wait_until(lambda: "data in" in berth.errors)  # what is said last of the start
    assert " with TLS" in berth.errors
    assert berth.errors.count("listening on") == 1
    berth.stop()
    nothing = gateway(DEMO, start=False, settings={"gateway": {"listen": ""}})
    assert "listen is empty" in refusal(nothing)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize("version, is_good", [
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)])
def test_old_versions_of_tls_are_refused(secure, pair, version, is_good):
    context = trusting(pair)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    connection = connect(secure(), context)
    if is_good:
        assert ask(connection)[0] == 200
    else:
        with pytest.raises(ssl.SSLError):
            ask(connection)


def test_a_scanner_finds_nothing_weak(secure):
    berth = secure()
    found = subprocess.run(["sslscan", "--no-colour", "--no-failed", "--timeout=60",
                            f"127.0.0.1:{berth.tls_port}"],
                           capture_output=True, text=True, check=True).stdout
    offered = [line.split() for line in found.splitlines()
               if line.startswith(("Accepted", "Preferred"))]
    assert offered
    for _, version, bits, _, cipher, *_ in offered:
        assert version in ("TLSv1.2", "TLSv1.3")
        assert int(bits) >= 128
        assert "GCM" in cipher or "CHACHA20" in cipher, cipher
        assert cipher.startswith(("ECDHE-", "TLS_")), cipher
    assert "vulnerable to heartbleed" not in found.replace("not vulnerable to heartbleed", "")


def test_clients_show_a_certificate_where_an_authority_is_named(secure, pair, authority, tmp_path):
    berth = secure(tls_client_ca=authority.ca)
    assert ask(connect(berth, trusting(pair, authority.client())))[0] == 200
    stranger = Authority(tmp_path / "other").client()
    for client in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(connect(berth, trusting(pair, client)))


def test_a_renewed_certificate_counts_from_the_next_connection_on(secure, pair, tmp_path):
    berth = secure()
    kept = connect(berth, trusting(pair))
    assert ask(kept)[0] == 200
    renewed = Authority(tmp_path / "other").server("localhost", "127.0.0.1")
    for new, old in ((renewed.key, pair.key), (renewed.cert, pair.cert)):
        new.replace(old)
    assert ask(connect(berth, ssl.create_default_context(cafile=renewed.ca)))[0] == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(connect(berth, trusting(pair)))
    assert ask(kept)[0] == 200, "a connection that is there goes on"


def test_a_new_certificate_that_is_no_good_changes_nothing(secure, pair):
    berth = secure()
    pair.cert.write_text("no certificate")
    assert ask(connect(berth, trusting(pair)))[0] == 200
    assert "the certificate stays what it was" in berth.errors
    assert "has no certificate in PEM" in berth.errors


def _readable(pair, _):
    pair.key.chmod(0o644)


def _of_another(pair, authority):
    pair.key.write_bytes(authority.server("other", "127.0.0.2").key.read_bytes())


def _expired(pair, _):
    # A day that has passed: openssl takes no start in the past without a CA's database.
    subprocess.run(["openssl", "x509", "-in", pair.cert, "-signkey", pair.key, "-days", "-1",
                    "-out", pair.cert], check=True, capture_output=True)


@pytest.mark.parametrize("spoil, said", [
    (_readable, "may be read by everybody"),
    (_of_another, "is not the key of the certificate"),
    (_expired, "has expired"),
    (lambda pair, _: pair.cert.unlink(), "is not there"),
    (lambda pair, _: pair.key.write_text("x"), "is no key in PEM"),
], ids=["readable", "of another", "expired", "missing", "no key"])
def test_certificates_of_no_use_are_refused_at_the_start(secure, pair, authority, spoil, said):
    berth = secure(start=False)
    spoil(pair, authority)
    assert said in refusal(berth)


@pytest.mark.parametrize("keys, said", [
    ({"tls_cert": "/nowhere"}, "must be set together"),
    ({"tls_client_ca": "/nowhere"}, "tls_client_ca needs tls_cert and tls_key"),
    ({"listen_tls": "127.0.0.1:1"}, "listen_tls needs tls_cert and tls_key"),
    ({"listen_tls": "unix:/tmp/x"}, "must be ADDRESS:PORT"),
])
def test_what_does_not_go_together_is_refused(gateway, keys, said):
    assert said in refusal(gateway(DEMO, start=False, settings={"gateway": keys}))


def test_open_facilities_need_a_local_listener_of_https_too(secure):
    assert "auth = open needs every listener" in refusal(
        secure(start=False, listen_tls="0.0.0.0:1"))


def test_the_variables_of_the_environment_name_the_files(gateway, pair):
    port = free_port()
    berth = gateway(DEMO, settings={"gateway": {"listen_tls": f"127.0.0.1:{port}"}},
                    environment={"TLS_CERT_PATH": str(pair.cert), "TLS_KEY_PATH": str(pair.key)})
    berth.tls_port = port
    assert ask(connect(berth, trusting(pair)))[0] == 200


def test_terminals_and_answers_without_end_work_over_https(secure, pair):
    berth = secure()
    client = berth.client()
    client.post("/demo/request-image", image="demo")
    assert client.post("/demo/create-app", image="demo", user="ana").status == 200
    assert client.post("/demo/start-app", name="demo--ana").status == 200
    watching = connect(berth, trusting(pair))
    watching.request("GET", "/demo/watch")
    events = watching.getresponse()
    assert events.fp.readline()

    async def talk():
        url = f"wss://localhost:{berth.tls_port}/demo/ws/demo--ana"
        async with websockets.connect(url, ssl=trusting(pair), open_timeout=60) as terminal:
            await terminal.send(json.dumps({"type": "stdin", "data": "echo over tls\n"}))
            text = ""
            while "over tls" not in text:
                text += json.loads(await asyncio.wait_for(terminal.recv(), 60)).get("data", "")
            await terminal.send(json.dumps({"type": "close"}))

    asyncio.run(talk())
    watching.close()


def test_the_script_makes_what_the_gateway_takes(gateway, tmp_path):
    made = subprocess.run([ROOT / "scripts" / "generate-certificates", "--out", tmp_path,
                           "localhost", "127.0.0.1"], capture_output=True, text=True, check=True)
    key, cert = made.stdout.split()
    port = free_port()
    berth = gateway(DEMO, settings={"gateway": {
        "listen_tls": f"127.0.0.1:{port}", "tls_cert": cert, "tls_key": key}})
    berth.tls_port = port
    assert ask(connect(berth, ssl.create_default_context(cafile=cert)))[0] == 200
    wanted = subprocess.run([ROOT / "scripts" / "generate-certificates", "--out", tmp_path,
                             "--request", "gateway.example.org"], capture_output=True, text=True,
                            check=True)
    subprocess.run(["openssl", "req", "-in", wanted.stdout.split()[1], "-noout", "-verify"],
                   check=True, capture_output=True)
    for words in ([], ["a b"], ["--days", "0", "a"], ["--request", "--days", "3", "a"]):
        refused = subprocess.run([ROOT / "scripts" / "generate-certificates", *words],
                                 capture_output=True, text=True)
        assert refused.returncode == 2
        assert refused.stderr
