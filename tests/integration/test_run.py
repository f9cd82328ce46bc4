# SPDX-License-Identifier: MIT
"""berth run: the terminal of a container of a rootfs facility, on a real pty and on pipes."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import BINARY, wait_until
from lab import Rootfs

DETACH = b"\x10\x11"
PROMPT = rb"/ # "
PATIENCE_S = 60


@pytest.fixture(scope="module")
def rootfs():
    with Rootfs() as rootfs:
        yield rootfs


@pytest.fixture(scope="module")
def berth(module_gateway, rootfs):
    return module_gateway({
        "lab": {"backend": "rootfs", "auth": "open", "rootfs": rootfs.path,
                "rootfs_roots": rootfs.root, "command": "/bin/sh"},
        "other": {"backend": "memory", "auth": "open"},
    })


@pytest.fixture
def app(berth):
    """The name of a container that has a shell, not started."""
    name = f"app-{time.monotonic_ns()}"
    make(berth, name)
    yield name
    if berth.process:
        berth.client().post(f"/lab/kill-app?name={name}")
        berth.client().post(f"/lab/delete-app?name={name}")


def make(berth, name, command="/bin/sh"):
    made = berth.client().request("POST", "/lab/containers", body=json.dumps(
        {"name": name, "command": command}).encode(), headers={"Content-Type": "application/json"})
    assert made.status == 200, made.text


def state(berth, name):
    return berth.client().get(f"/lab/get-app-status?name={name}").json["State"]


class Console:
    """berth run on a terminal of its own, as a person has it."""

    def __init__(self, berth, name, size=(24, 80)):
        self.master, slave = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(slave)
        self.said = b""
        self.process = subprocess.Popen(
            [BINARY, "run", "lab", name, "--config", berth.config], stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True, env={"PATH": "/usr/bin:/bin"},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.slave = slave

    def resize(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, keys):
        os.write(self.master, keys)

    def expect(self, pattern):
        """What the pattern matches of what is shown; what is before it is dropped."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.said)):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], \
                f"no {pattern} in {self.said}"
            try:
                self.said += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(f"the terminal is closed: no {pattern} in {self.said}") from None
        self.said = self.said[found.end():]
        return found

    def run(self, line, pattern):
        self.type(line + b"\r")
        return self.expect(pattern)

    def end(self, code):
        assert self.process.wait(PATIENCE_S) == code
        assert termios.tcgetattr(self.slave) == self.before
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(fd)
        self.master = self.slave = -1


@pytest.fixture
def console(berth):
    consoles = []

    def start(name, **options):
        consoles.append(Console(berth, name, **options))
        return consoles[-1]

    yield start
    for each in consoles:
        each.close()


def piped(berth, name, text=b""):
    return subprocess.run([BINARY, "run", "lab", name, "--config", berth.config], input=text,
                          capture_output=True, timeout=PATIENCE_S, env={"PATH": "/usr/bin:/bin"})


def test_a_terminal_from_the_prompt_to_the_exit_code(berth, app, console):
    shell = console(app, size=(31, 97))
    shell.expect(PROMPT)  # printed before anybody could be attached
    assert state(berth, app) == "running"
    shell.run(b"stty size", rb"\r\n31 97\r\n")
    shell.resize(40, 120)  # which goes another way than what is typed
    wait_until(lambda: shell.run(b"stty size", rb"\r\n(31 97|40 120)\r\n")[1] == b"40 120")
    shell.run(b"sh -c 'echo begun; exec sleep 600'", rb"\r\nbegun\r\n")
    shell.type(b"\x03")
    shell.run(b"echo $((40 + 2)) $?", rb"\r\n42 130\r\n")
    shell.type(b"exit 17\r")
    shell.end(17)
    wait_until(lambda: state(berth, app) == "exited")
    assert berth.client().get(f"/lab/get-app-info?name={app}").status == 200


def test_who_detaches_leaves_it_running_and_comes_back(berth, app, console):
    shell = console(app)
    shell.expect(PROMPT)
    shell.run(b"word=kept; echo set", rb"\r\nset\r\n")
    shell.type(DETACH)
    shell.expect(rb"berth: detached; app-[0-9]+ runs on")
    shell.end(0)
    assert state(berth, app) == "running"
    again = console(app)
    again.run(b"echo $word", rb"\r\nkept\r\n")
    again.process.send_signal(signal.SIGHUP)
    again.end(0)
    assert state(berth, app) == "running"


def test_the_gateway_may_be_restarted_meanwhile(berth, app, console):
    shell = console(app)
    shell.expect(PROMPT)
    berth.stop()
    shell.run(b"echo still $((1 + 1))", rb"\r\nstill 2\r\n")
    berth.start()
    wait_until(lambda: state(berth, app) == "running")
    shell.run(b"echo there $((1 + 2))", rb"\r\nthere 3\r\n")
    shell.type(b"exit 3\r")
    shell.end(3)


def test_without_a_gateway_it_starts_the_container_itself(berth, app, console):
    berth.stop()
    shell = console(app)
    shell.expect(PROMPT)
    shell.type(DETACH)
    shell.end(0)
    berth.start()
    wait_until(lambda: state(berth, app) == "running")


def test_a_signal_reaches_the_foreground(app, console):
    shell = console(app)
    shell.expect(PROMPT)
    shell.run(b"trap 'echo caught' TERM; echo set", rb"\r\nset\r\n")
    shell.process.send_signal(signal.SIGTERM)
    # It goes another way than what is typed; the shell looks for it when it has read a line.
    wait_until(lambda: shell.run(b"", rb"caught\r\n|" + PROMPT)[0] != PROMPT, what="the trap")
    shell.type(b"exit 0\r")
    shell.end(0)


def test_a_killed_container_has_its_code(berth, app, console):
    shell = console(app)
    shell.expect(PROMPT)
    assert berth.client().post(f"/lab/kill-app?name={app}").status == 200
    shell.end(137)


def test_pipes(berth, app):
    done = piped(berth, app, b"stty -echo; echo $((6 * 7))\nexit 5\n")
    assert b"\r\n42\r\n" in done.stdout and done.returncode == 5, done
    done = piped(berth, app, b"echo $((6 * 8))")  # neither a line's end nor an exit
    assert done.returncode == 0, done


def test_an_end_that_comes_before_the_shell(berth):
    """A shell that edits its lines takes that key for none that was typed before it did."""
    name = f"late-{time.monotonic_ns()}"
    make(berth, name, "/bin/sh -c 'echo up; sleep 1; exec /bin/sh'")
    done = piped(berth, name, b"echo $((6 * 8))\n")
    assert b"48\r\n" in done.stdout and done.returncode == 0, done
    assert berth.client().post(f"/lab/delete-app?name={name}").status == 200


def test_one_that_ends_at_once_is_told_all_the_same(berth):
    name = f"short-{time.monotonic_ns()}"
    make(berth, name, "/bin/sh -c 'echo short; exit 9'")
    done = piped(berth, name)
    assert (done.stdout, done.returncode) == (b"short\r\n", 9), done
    assert berth.client().post(f"/lab/delete-app?name={name}").status == 200


@pytest.mark.parametrize("words, code, said", [
    (("lab", "nobody"), 125, "Container 'nobody' not found"),
    (("lap", "x"), 125, "there is no facility lap; did you mean lab?"),
    (("other", "x"), 125, "backend is memory, not rootfs"),
    (("lab",), 2, "usage: berth run FACILITY NAME"),
])
def test_what_cannot_be_run_is_one_line(berth, words, code, said):
    done = subprocess.run([BINARY, "run", *words, "--config", berth.config], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == code and done.stdout == ""
    assert done.stderr.startswith("berth: ") and done.stderr.count("\n") == 1 and said in done.stderr


def test_it_is_for_root_alone(berth):
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", BINARY, "run", "lab",
         "x", "--config", berth.config], capture_output=True, text=True)
    assert done.returncode == 125 and "root" in done.stderr
