# SPDX-License-Identifier: MIT
"""The command line: starting, stopping, users, and what is said when something is wrong."""

import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import termios
import threading
import time

import pytest

from harness import BINARY, Gateway, free_port, wait_until

MEMORY = {"demo": {"backend": "memory"}}
STRANGER = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


@pytest.fixture
def offline(gateway):
    """A configuration with no gateway running."""
    return gateway(MEMORY, start=False)


def refused(done, code=1):
    """The one line on stderr of a command that must have failed so."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("berth: "), done.stderr
    return done.stderr.removeprefix("berth: ").rstrip("\n")


def status(client):
    return client.again().get("/demo/get-users").status


# The first administrator


def test_first_start_prints_an_administrator_once(gateway):
    berth = gateway(MEMORY)
    assert berth.output.count("Its password is") == 1
    assert berth.admin.get("/demo/get-users").status == 200
    berth.stop()
    berth.start()
    assert berth.output.count("Its password is") == 1
    assert berth.admin.get("/demo/get-users").status == 200
    assert "password" not in berth.errors


def test_no_administrator_is_made_where_there_are_users(offline):
    offline.cli("user", "add", "ana", input="correct horse\n")
    offline.start()
    assert offline.output == ""


@pytest.fixture
def with_admin(gateway):
    def make(**environment):
        berth = gateway(MEMORY, environment=environment)
        assert berth.output == ""
        return berth

    return make


def test_app_user_wins_at_every_start(with_admin):
    berth = with_admin(APP_USER="root", APP_PASS="first secret")
    root = berth.client("root", "first secret")
    assert status(root) == 200
    berth.cli("user", "passwd", "root", input="another secret\n")
    assert status(root) == 401
    berth.stop()
    berth.start()
    assert status(berth.client("root", "first secret")) == 200
    assert status(berth.client("root", "another secret")) == 401


def test_app_user_comes_back_when_removed(with_admin):
    berth = with_admin(APP_USER="root", APP_PASS="first secret")
    berth.user("second", gateway_admin=True)
    berth.cli("user", "remove", "root")
    berth.stop()
    berth.start()
    assert status(berth.client("root", "first secret")) == 200


def test_app_pass_from_a_file(gateway):
    berth = gateway(MEMORY, start=False, environment={"APP_USER": "root"})
    secret = berth.directory / "secret"
    berth.environment["APP_PASS_FILE"] = str(secret)
    assert "APP_PASS_FILE" in refused(berth.run("serve"))
    secret.write_text(" spaces are kept \n")
    berth.start()
    assert status(berth.client("root", " spaces are kept ")) == 200


def test_dot_env(gateway):
    berth = gateway(MEMORY, start=False)
    (berth.directory / ".env").write_text(
        "# a comment\n\nexport APP_USER=root\nAPP_PASS=\"from the file\"\n")
    berth.start()
    assert status(berth.client("root", "from the file")) == 200
    berth.stop()
    berth.environment = {"APP_PASS": "from the process"}
    berth.start()
    assert status(berth.client("root", "from the process")) == 200


@pytest.mark.parametrize("text, said", [
    ("APP_USER=root\n", "APP_USER and APP_PASS must be set together"),
    ("APP_USER=ro--ot\nAPP_PASS=long enough\n", "APP_USER must not contain --"),
    ("APP_USER=root\nAPP_PASS=short\n", "must have 8 to 256"),
    ("APP_USER\n", ".env:1: the line must be NAME=VALUE"),
])
def test_dot_env_refusals(offline, text, said):
    (offline.directory / ".env").write_text(text)
    assert said in refused(offline.run("serve"))


# The configuration


@pytest.mark.parametrize("text, line, said", [
    ("[gatway]\n", 1, "unknown section gatway; did you mean gateway?"),
    ("[gateway]\nlisten = 127.0.0.1:1\nlisen = 127.0.0.1:2\n", 3,
     "unknown key lisen; did you mean listen?"),
    ("[facility demo]\nbackend = memory\nimage_polcy = open\n", 3,
     "unknown key image_polcy; did you mean image_policy?"),
    ("[facility demo]\nauth = closed\n", 2, "auth must be one of users, open"),
    ("[facility demo]\nbackend = memry\n", 2, "backend must be one of"),
    ("[facility demo]\ndefault_user_uid = ana\n", 2, "default_user_uid must be UID or UID:GID"),
    ("[facility Demo]\n", 1, "a facility id must consist of"),
    ("[facility admin]\n", 1, "reserved"),
    ("[facility]\n", 1, "[facility ID]"),
    ("[facility demo\nbackend = memory\n", 1, "must end with ]"),
    ("[facility demo]\n\n[facility demo]\n", 3, "facility demo is defined twice"),
    ("[gateway]\nworker_threads = 1\n", 2, "worker_threads must be a whole number from 2 to 4096"),
    ("[gateway]\nworker_threads = many\n", 2, "worker_threads must be a whole number"),
    ("[gateway]\nallow_open = perhaps\n", 2, "allow_open must be yes or no"),
    ("[gateway]\ndata_dir\n", 2, "the line is no [section], key = value or comment"),
    ("[gateway]\ndata_dir = /a\ndata_dir = /b\n", 3, "data_dir is given twice"),
    ("[gateway]\nlisten = 127.0.0.1:8080,0.0.0.0:8081\n", 2, "listen must be"),
    ("[gateway]\nlisten = 8080\n", 2, "listen must be"),
    ("listen = 127.0.0.1:8080\n", 1, "before the first section"),
    ("[limits]\nmax_body_bytes = 1023\n", 2, "max_body_bytes must be a size"),
    (f"[gateway]\ndata_dir = /{'x' * 300}\n", 2, "longer than 198 bytes"),
])
@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_what_is_not_understood_stops_the_start(offline, command, text, line, said):
    offline.config.write_text(text)
    message = refused(offline.run(command))
    assert message.startswith(f"{offline.config}:{line}: ")
    assert said in message
    assert not offline.data.exists()


@pytest.mark.parametrize("text, said", [
    ("[gateway]\nroot_facility = demi\n[facility demo]\n", "did you mean demo?"),
    ("[gateway]\nlisten = 0.0.0.0:8080\n[facility demo]\nauth = open\n", "allow_open = yes"),
    ("[facility demo]\ntls_cert = /x\n", "tls_cert and tls_key must be set together"),
])
def test_what_does_not_fit_together_stops_the_start(offline, text, said):
    offline.config.write_text(text)
    message = refused(offline.run("check-config"))
    assert message.startswith(f"{offline.config}: ") and said in message


def test_check_config_starts_nothing(offline):
    assert offline.cli("check-config") == f"{offline.config} is valid: 1 facility\n"
    assert not offline.data.exists()


def test_a_missing_configuration(offline):
    offline.config.unlink()
    assert refused(offline.run("serve")) == \
        f"{offline.config} cannot be read: No such file or directory"


def test_berth_config_names_the_configuration(offline):
    done = subprocess.run([BINARY, "check-config"], capture_output=True, text=True,
                          env={"BERTH_CONFIG": str(offline.config)})
    assert done.stdout == f"{offline.config} is valid: 1 facility\n", done.stderr


def test_facilities_of_a_folder(offline):
    folder = offline.directory / "facilities.d"
    folder.mkdir()
    (folder / "b.conf").write_text("[facility two]\nbackend = memory\n")
    (folder / "c.conf").write_text("[facility three]\n  backend = memory\n  title = Three\n")
    (folder / "d.conf.bak").write_text("nonsense")
    assert "3 facilities" in offline.cli("check-config")
    offline.start()
    assert offline.admin.get("/three/get-app-names").json == []
    (folder / "e.conf").write_text("[facility two]\n")
    assert refused(offline.run("check-config")) == \
        f"{folder}/e.conf:1: facility two is defined twice"


# Usage


@pytest.mark.parametrize("args, said", [
    (["sreve"], "there is no command sreve; did you mean serve?"),
    (["user", "ad", "ana"], "there is no command user ad; did you mean user add?"),
    (["user"], "user needs one of add, passwd, remove, list, grant, revoke"),
    (["user", "impersonate"], "user needs one of add, passwd, remove, list, grant, revoke"),
    (["nonsense"], "there is no command nonsense"),
    (["user", "add"], "usage: berth user add NAME [--gateway-admin]"),
    (["user", "grant", "ana", "demo"], "usage: berth user grant NAME FACILITY ROLE"),
    (["user", "list", "ana"], "ana is one argument too many"),
    (["user", "list", "--all"], "there is no option --all"),
    (["user", "list", "--config"], "--config needs a value"),
    (["image", "list", "--state", "a", "--state", "b"], "--state is given twice"),
    (["image", "list", "--facilty", "demo"], "did you mean --facility?"),
    (["image", "reject", "demo", "httpd"], "--reason is missing"),
    (["user", "add", "ana", "--gateway-admin=yes"], "--gateway-admin takes no value"),
])
def test_wrong_usage(args, said):
    done = subprocess.run([BINARY, *args], capture_output=True, text=True, input="")
    assert said in refused(done, code=2)
    assert done.stdout == ""


def test_no_command_at_all():
    done = subprocess.run([BINARY], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and "usage: berth COMMAND" in done.stderr


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], ["user", "add", "--help"]])
def test_help(args):
    done = subprocess.run([BINARY, *args], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "user add NAME [--gateway-admin]" in done.stdout


@pytest.mark.parametrize("args", [["version"], ["--version"]])
def test_version(args):
    done = subprocess.run([BINARY, *args], capture_output=True, text=True)
    assert done.returncode == 0 and re.fullmatch(r"berth \d+\.\d+\.\d+\n", done.stdout)


def test_output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARY, "version"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert refused(done.returncode and done) == "stdout cannot be written"


def test_options_may_be_written_with_an_equals_sign(offline):
    done = subprocess.run([BINARY, "user", "list", f"--config={offline.config}"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# Users


def test_each_change_counts_at_once(gateway):
    berth = gateway({**MEMORY, "other": {"backend": "memory"}})
    ana = berth.user("ana")
    assert ana.get("/demo/get-users").status == 403
    berth.cli("user", "grant", "ana", "demo", "viewer")
    assert ana.get("/demo/get-users").status == 200
    assert ana.get("/other/get-users").status == 403
    assert ana.post("/demo/create-app", image="demo", user="ana").status == 403
    berth.cli("user", "grant", "ana", "demo", "researcher")
    assert ana.post("/demo/create-app", image="demo", user="ana").text.endswith("asks for it")
    berth.cli("user", "revoke", "ana", "demo")
    assert ana.get("/demo/get-users").status == 403
    berth.cli("user", "grant", "ana", "demo", "viewer")

    old, berth.passwords["ana"] = ana, "a new password"
    berth.cli("user", "passwd", "ana", input="a new password\n")
    ana = berth.as_user("ana")
    assert (old.get("/demo/get-users").status, ana.get("/demo/get-users").status) == (401, 200)

    berth.cli("user", "remove", "ana")
    assert ana.get("/demo/get-users").status == 401
    assert "ana" not in berth.cli("user", "list")
    assert "ana" in refused(berth.run("user", "add", "ana", input="a new password\n"))


def lifecycle(berth):
    """Commands on users, right and wrong, as (code, stdout, stderr)."""
    password = "correct horse\n"
    commands = [
        (["user", "add", "ana"], password),
        (["user", "add", "ana"], password),
        (["user", "add", "bob", "--gateway-admin"], password),
        (["user", "add", "c--d"], password),
        (["user", "add", "short"], "short\n"),
        (["user", "add", "none"], ""),
        (["user", "grant", "ana", "demo", "researcher"], ""),
        (["user", "grant", "ana", "demo", "operator"], ""),
        (["user", "grant", "ana", "dmeo", "viewer"], ""),
        (["user", "grant", "ana", "demo", "king"], ""),
        (["user", "grant", "nobody", "demo", "viewer"], ""),
        (["user", "list"], ""),
        (["user", "revoke", "ana", "demo"], ""),
        (["user", "revoke", "ana", "demo"], ""),
        (["user", "passwd", "ana"], "battery staple\n"),
        (["user", "passwd", "nobody"], password),
        (["user", "remove", "ana"], ""),
        (["user", "remove", "ana"], ""),
        (["user", "add", "ana"], password),
        (["user", "list"], ""),
        (["image", "list"], ""),
        (["image", "approve", "demo", "demo:1.0"], ""),
        (["image", "approve", "demo", "no/such:1"], ""),
        (["image", "approve", "nowhere", "demo"], ""),
        (["image", "reject", "demo", "jupyter", "--reason", "too big"], ""),
        (["image", "list", "--facility", "demo", "--state", "approved"], ""),
        (["image", "list", "--state", "lost"], ""),
    ]
    results = []
    for args, text in commands:
        done = berth.run(*args, input=text)
        assert "Sanitizer" not in done.stderr, done.stderr
        results.append((args, done.returncode, done.stdout, done.stderr))
    return results


def test_commands_say_the_same_without_a_gateway(gateway):
    offline = gateway(MEMORY, start=False)
    # What the first start does of itself:
    offline.cli("user", "add", "admin", "--gateway-admin", input="correct horse\n")
    running = gateway(MEMORY, start=False)
    running.cli("user", "add", "admin", "--gateway-admin", input="correct horse\n")
    running.start()
    here, there = lifecycle(offline), lifecycle(running)
    for one, other in zip(here, there):
        assert one == other
    codes = [code for _, code, _, _ in here]
    assert codes == [0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0,  # users
                     0, 0, 1, 1, 1, 0, 1]  # images
    offline.start()
    assert status(offline.client("bob", "correct horse")) == 200


def test_the_last_administrator_stays(offline):
    offline.cli("user", "add", "ana", "--gateway-admin", input="correct horse\n")
    refused(offline.run("user", "remove", "ana"))
    assert "ana" in offline.cli("user", "list")


@pytest.mark.parametrize("text, said", [
    ("", "no password was given"),
    ("\n", "must have 8 to 256"),
    ("seven77\n", "must have 8 to 256"),
    ("eight888\n", None),
    ("no newline", None),
    ("x" * 256 + "\n", None),
    ("x" * 257 + "\n", "must have 8 to 256"),
    ("x" * 257, "must have 8 to 256"),
    ("x" * 5000, "must have 8 to 256"),
    ("a\0password\n", "control"),
    ("a\tpassword\n", "control"),
])
def test_passwords_from_standard_input(offline, text, said):
    done = offline.run("user", "add", "ana", input=text)
    if said:
        assert said in refused(done)
    else:
        assert done.returncode == 0, done.stderr
        offline.start()
        berth = offline
        berth.cli("user", "grant", "ana", "demo", "viewer")
        assert status(berth.client("ana", text.rstrip("\n"))) == 200


# The control socket


def test_the_control_socket_is_the_owners(gateway):
    berth = gateway(MEMORY)
    path = berth.data / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(berth.data.stat().st_mode) == 0o700
    os.chmod(berth.directory, 0o755)
    done = berth.run("user", "list", program=STRANGER)
    assert "Permission denied" in refused(done)

    # And where the file's mode does not stop it, the gateway does.
    os.chmod(berth.data, 0o755)
    os.chmod(path, 0o666)
    assert refused(berth.run("user", "list", program=STRANGER)) == \
        "the control socket is for root and the gateway's own user"


@pytest.mark.parametrize("line", [
    b"\n", b"{}\n", b"[]\n", b"nonsense\n", b'{"command":"user-list"', b'{"command":5}\n',
    b'{"command":"no-such"}\n', b'{"command":"user-add","name":"x"}\n', b"\xff\xfe\n",
    b'{"command":"user-add","name":["x"],"password":{}}\n', b"[" * 60000 + b"\n",
    b'{"command":"' + b"x" * 70000 + b'"}\n', b"",
], ids=range(13))
def test_strange_requests_on_the_control_socket(gateway_for_control, line):
    berth = gateway_for_control
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(berth.data / "control.sock"))
        try:
            connection.sendall(line)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert b'"output"' not in answer
    assert berth.run("user", "list").returncode == 0


@pytest.fixture(scope="module")
def gateway_for_control(module_gateway):
    return module_gateway(MEMORY)


def test_the_engine_that_is_away_is_no_gateway_that_is_away(gateway):
    berth = gateway({"demo": {"engine": "unix:///nowhere/docker.sock"}})
    message = refused(berth.run("image", "approve", "demo", "httpd"))
    assert "/nowhere/docker.sock" in message or "engine" in message
    assert "data" not in message


# One gateway on a data directory, one program on a port


def test_a_second_gateway_on_the_same_data(gateway):
    berth = gateway(MEMORY)
    second = gateway(MEMORY, start=False, settings={"gateway": {"data_dir": berth.data}})
    message = refused(second.run("serve"))
    assert str(berth.data) in message and "another" in message
    assert status(berth.admin) == 200
    assert "admin" in berth.cli("user", "list")  # its control socket is still its own


def test_a_port_in_use(gateway):
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        berth = gateway(MEMORY, start=False,
                        settings={"gateway": {"listen": f"127.0.0.1:{port}"}})
        done = berth.run("serve")
        message = refused(done)
        assert f"127.0.0.1:{port}" in message and "in use" in message
        assert not (berth.data / "control.sock").exists()
    berth.passwords["admin"] = re.search(r"Its password is (\S+)", done.stdout)[1]
    berth.start()
    assert status(berth.admin) == 200


def test_an_address_that_is_not_ours(gateway):
    berth = gateway(MEMORY, start=False, settings={"gateway": {"listen": "192.0.2.1:8080"}})
    assert "192.0.2.1:8080" in refused(berth.run("serve"))


def test_a_data_directory_that_cannot_be_made(gateway):
    berth = gateway(MEMORY, start=False, settings={"gateway": {"data_dir": "/proc/nowhere"}})
    assert "/proc/nowhere" in refused(berth.run("serve"))
    assert "/proc/nowhere" in refused(berth.run("user", "list"))


# Listeners


def test_a_unix_listener(gateway, tmp_path):
    path = tmp_path / "berth.sock"
    berth = gateway(MEMORY, settings={"gateway": {"listen": f"unix:{path}"}})
    assert berth.anyone.get("/livez").text == "ok"
    assert status(berth.admin) == 200
    berth.stop()
    assert not path.exists()


def test_a_socket_that_a_killed_gateway_left(gateway, tmp_path):
    path = tmp_path / "berth.sock"
    berth = gateway(MEMORY, settings={"gateway": {"listen": f"unix:{path}"}})
    other = gateway(MEMORY, start=False, settings={"gateway": {"listen": f"unix:{path}"}})
    assert f"{path} is in use" in refused(other.run("serve"))
    assert berth.anyone.get("/livez").text == "ok"
    berth.kill()
    assert path.exists()
    berth.start()
    assert status(berth.admin) == 200


def test_a_file_in_the_listeners_place(gateway, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    berth = gateway(MEMORY, start=False, settings={"gateway": {"listen": f"unix:{path}"}})
    assert f"{path} is there and is no socket" in refused(berth.run("serve"))
    assert path.read_text() == "data"


def test_several_listeners(gateway, tmp_path):
    first, second, path = free_port(), free_port(), tmp_path / "berth.sock"
    berth = gateway(MEMORY, settings={"gateway": {
        "listen": [f"127.0.0.1:{first}", f"unix:{path}", f"[::1]:{second}"]}})
    assert berth.anyone.get("/livez").status == 200
    for family, address in ((socket.AF_UNIX, str(path)), (socket.AF_INET6, ("::1", second))):
        with socket.socket(family) as connection:
            connection.connect(address)
            connection.sendall(b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_order(gateway, number):
    berth = gateway(MEMORY)
    berth.admin.get("/demo/get-users")
    begun = time.monotonic()
    berth.stop(number)  # with a connection open
    assert time.monotonic() - begun < 5
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", berth.port))


def test_a_connection_that_says_nothing_does_not_hold_up_the_end(gateway):
    berth = gateway(MEMORY)
    with berth.anyone.connect(), berth.anyone.connect() as half:
        half.sendall(b"GET /livez HT")
        begun = time.monotonic()
        berth.stop()
        assert time.monotonic() - begun < 5


def test_what_is_under_way_is_answered_before_the_end(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_delay_ms": 1500, "memory_apps": 1}})
    answers = []
    admin = berth.admin
    name = admin.get("/demo/get-app-names").json[0]
    verb = threading.Thread(target=lambda: answers.append(
        admin.again().post("/demo/delete-app", name=name)))
    verb.start()
    wait_until(lambda: established(berth.port) > 1, what="the request to arrive")
    time.sleep(0.2)  # and to be read: there is no sign of that outside
    berth.process.send_signal(signal.SIGTERM)
    verb.join()
    assert [answer.text for answer in answers] == ["Success"]


def established(port):
    """How many connections to a port of 127.0.0.1 are open."""
    with open("/proc/net/tcp") as table:
        return sum(f":{port:04X} " in line.split(":", 1)[1][:20] and line.split()[3] == "01"
                   for line in list(table)[1:])


def test_a_pull_does_not_hold_up_the_end(gateway):
    berth = gateway({"demo": {"backend": "memory", "memory_delay_ms": 1000}})
    admin = berth.admin
    admin.post("/demo/approve-image", image="jupyter")
    done = []
    waiting = [threading.Thread(target=lambda: done.append(
                   berth.run("image", "approve", "demo", "jupyter"))),
               threading.Thread(target=lambda: done.append(
                   admin.again().post("/demo/approve-image", image="jupyter", wait="yes")))]
    for thread in waiting:
        thread.start()
    wait_until(lambda: established(berth.port) > 1)
    begun = time.monotonic()
    berth.stop()
    assert time.monotonic() - begun < 5
    for thread in waiting:
        thread.join()


def test_hang_up_does_not_end_it(gateway):
    berth = gateway(MEMORY)
    log = berth.data / "logs" / "actions.jsonl"
    berth.anyone.get("/livez")
    wait_until(lambda: "livez" in log.read_text())
    os.rename(log, log.with_suffix(".old"))
    berth.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "opened anew" in berth.errors)
    berth.anyone.get("/healthz")
    wait_until(lambda: log.exists() and "healthz" in log.read_text())
    assert berth.process.poll() is None


def test_nothing_answered_is_lost_when_it_is_killed(gateway):
    """Users added and images requested by several writers until the gateway is killed."""
    berth = gateway(MEMORY)
    admin = berth.admin
    answered = []
    numbers = iter(range(10**6))

    def write():
        client = admin.again()
        try:
            while True:
                image = f"image{next(numbers)}"
                answer = client.post("/demo/request-image", image=image)
                assert answer.status == 202
                answered.append(image)
        except (OSError, EOFError):
            pass
        except Exception as failure:  # http.client has many for a connection that breaks
            if not type(failure).__module__.startswith("http"):
                raise

    for round_number in range(3):
        goal = len(answered) + 40
        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        wait_until(lambda: len(answered) >= goal)
        berth.process.kill()
        for writer in writers:
            writer.join()
        berth.kill()
        berth.start()
        admin = berth.admin
        kept = {row["image"] for row in admin.get("/demo/get-image-requests").json}
        assert set(answered) <= kept


def test_a_user_answered_for_is_kept(gateway):
    berth = gateway(MEMORY)
    ana = berth.user("ana", demo="viewer")
    assert status(ana) == 200
    berth.kill()
    assert "viewer in demo" in berth.cli("user", "list")  # on what the killed one left
    berth.start()
    assert status(berth.as_user("ana")) == 200


# The terminal


class Terminal:
    """`COMMAND... --config FILE` on a terminal of its own."""

    def __init__(self, berth, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], [*command, "--config", str(berth.config)],
                       {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
        self.shown = ""
        self.code = None

    def expect(self, text):
        deadline = time.monotonic() + 20
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), self.shown
        self.shown = self.shown.split(text, 1)[1]

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        """The exit code, or minus the signal that ended it."""
        def ended():
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(code) if pid else None
            return pid

        wait_until(ended, 20, "the end of the command")
        return self.code

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self):
        if not select.select([self.fd], [], [], 20)[0]:
            return False
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False  # the other side is gone
        self.shown += data.decode()
        return True


@pytest.fixture
def terminal(offline):
    made = []

    def make(command):
        made.append(Terminal(offline, command))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_password_is_asked_for_unseen(terminal, offline):
    asked = terminal([BINARY, "user", "add", "ana"])
    keeper = os.dup(asked.fd)
    asked.expect("New password for ana: ")
    assert not asked.echoes()
    asked.send("correct horse\n")
    asked.expect("Once more")
    asked.send("correct horse\n")
    asked.expect("user ana was added")
    assert "horse" not in asked.shown
    assert asked.echoes()
    assert asked.wait() == 0
    os.close(keeper)
    offline.start()
    assert offline.client("ana", "correct horse").get("/demo/get-users").status == 403


def test_two_passwords_that_differ(terminal, offline):
    asked = terminal([BINARY, "user", "add", "ana"])
    asked.expect("New password for ana: ")
    asked.send("correct horse\n")
    asked.expect("Once more for ana: ")
    asked.send("battery staple\n")
    asked.expect("the two passwords differ")
    assert asked.wait() == 1
    assert "ana" not in offline.cli("user", "list")


@pytest.mark.parametrize("number, key", [
    (signal.SIGINT, "\x03"), (signal.SIGQUIT, "\x1c"), (signal.SIGTERM, None)])
def test_an_interrupted_prompt_restores_the_terminal(terminal, number, key):
    asked = terminal([BINARY, "user", "passwd", "ana"])
    keeper = os.open(f"/proc/{asked.pid}/fd/0", os.O_RDWR | os.O_NOCTTY)  # keeps its state
    asked.expect("New password for ana: ")
    wait_until(lambda: not asked.echoes())
    if key:
        asked.send(key)
    else:
        os.kill(asked.pid, number)
    assert asked.wait() == -number
    assert asked.echoes()
    os.close(keeper)


def test_a_stopped_prompt_asks_again(terminal):
    shell = terminal(["bash", "-mc", f'{BINARY} user add ana "$@"; echo "code $?"; fg', "-"])
    shell.expect("New password for ana: ")
    wait_until(lambda: not shell.echoes())
    shell.send("half a pass\x1a")
    shell.expect("code 148")  # stopped by SIGTSTP
    shell.expect("New password for ana: ")
    wait_until(lambda: not shell.echoes())
    shell.send("correct horse\n")
    shell.expect("Once more for ana: ")
    shell.send("correct horse\n")
    shell.expect("user ana was added")
    assert shell.wait() == 0


def test_end_of_input_at_the_prompt(terminal):
    asked = terminal([BINARY, "user", "add", "ana"])
    asked.expect("New password for ana: ")
    asked.send("\x04")
    asked.expect("no password was given")
    assert asked.wait() == 1
