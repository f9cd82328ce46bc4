# SPDX-License-Identifier: MIT
"""The command line: configuration, usage, users, the control socket and the terminal."""

import os
import pathlib
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import termios
import time

import pytest

from harness import BINARY, refused, wait_until

MEMORY = {"demo": {"backend": "memory"}}
STRANGER = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")

def status(client):
    return client.again().get("/demo/get-users").status


# The configuration


def test_what_is_without_effect_is_told_to_who_serves_alone(gateway):
    berth = gateway({"demo": {"backend": "memory"}}, start=False,
                    settings={"store": {"fallback": "yes"}}, environment={"DB_PASSWORD": "secret"})
    checked = berth.run("check-config")
    assert checked.returncode == 0 and checked.stderr.count("DB_PASSWORD are without effect") == 1
    assert berth.run("user", "list").stderr == ""
    berth.start()
    assert berth.run("user", "list").stderr == ""
    assert berth.errors.count("DB_PASSWORD are without effect") == 1


def test_a_key_without_effect_is_told(offline):
    for backend, warnings in (("rootfs", 1), ("memory", 0)):
        offline.config.write_text(offline.config.read_text() +
                                  f"[facility {backend}]\nbackend = {backend}\napp_gpus = 1\n"
                                  f"rootfs_roots = {offline.directory}\n")
        said = offline.run("check-config").stderr
        assert said.count(f"[facility {backend}] app_gpus is without effect") == warnings, said


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
    (f"[gateway]\ndata_dir = /{'x' * 8200}\n", 2, "longer than 8192 bytes"),
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
    assert offline.cli("check-config").splitlines()[-1] == f"{offline.config} is valid: 1 facility"
    assert not offline.data.exists()


def test_a_missing_configuration(offline):
    offline.config.unlink()
    assert refused(offline.run("serve")) == \
        f"{offline.config} cannot be read: No such file or directory"


def test_berth_config_names_the_configuration(offline):
    done = subprocess.run([BINARY, "check-config"], capture_output=True, text=True,
                          env={"BERTH_CONFIG": str(offline.config)})
    assert done.stdout.endswith(f"{offline.config} is valid: 1 facility\n"), done.stderr


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
        connection.settimeout(60)
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


def test_many_commands_at_once(gateway_for_control):
    """More than the gateway works at together: the others wait for their turn."""
    path = str(gateway_for_control.data / "control.sock")
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for connection in waiting:
        connection.settimeout(60)
        connection.connect(path)
    tasks = pathlib.Path(f"/proc/{gateway_for_control.process.pid}/task")

    def name(task):
        try:
            return task.read_text()
        except OSError:  # of a command before: it has ended
            return ""
    wait_until(lambda: sum("control" in name(task) for task in tasks.glob("*/comm")) > 16)
    for connection in reversed(waiting):
        connection.sendall(b'{"command":"user-list"}\n')
    for connection in waiting:
        assert b'"output"' in connection.recv(65536)
        connection.close()


def test_the_engine_that_is_away_is_no_gateway_that_is_away(gateway):
    berth = gateway({"demo": {"engine": "unix:///nowhere/docker.sock"}})
    message = refused(berth.run("image", "approve", "demo", "httpd"))
    assert "/nowhere/docker.sock" in message or "engine" in message
    assert "data" not in message


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
        deadline = time.monotonic() + 60
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

        wait_until(ended, 60, "the end of the command")
        return self.code

    def echoes(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def close(self):
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def _read(self):
        if not select.select([self.fd], [], [], 60)[0]:
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
