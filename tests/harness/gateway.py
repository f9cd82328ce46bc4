# SPDX-License-Identifier: MIT
"""One gateway: its configuration, its data, and the program while it runs."""

import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import time

from ports import free_port

from . import stores
from .client import Client

_ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BERTH_BIN") or str(_ROOT / "build" / "berth")
PLAIN = str(_ROOT / "build" / "berth")  # without a sanitizer, where memory or time is measured
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
END_S = 12  # an end that waits for nobody: an idle connection would be kept for 15 s
# Of the program's own environment, so that what the tester has set is without effect.
_VARIABLES = {"PATH": "/usr/bin:/bin", "TZ": "UTC0", "LC_ALL": "C.UTF-8"}
_SANITIZERS = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS")


class Gateway:
    """
    directory    holds berth.conf, data/, stdout and stderr
    facilities   {id: {key: value}}
    settings     {section: {key: value}}, where a list repeats its key
    environment  further variables of the program
    program      further words before the program, such as ("setpriv", "--reuid", "1000", ...)
    binary       another program to start

    start() and stop(), or `with`. stop() fails the test where the program did not end in order.
    """

    def __init__(self, directory, facilities=None, settings=None, environment=None, program=(),
                 binary=BINARY):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "berth.conf"
        self.data = self.directory / "data"
        self.environment = dict(environment or {})
        self.program = list(program)
        self.binary = binary
        self.process = None
        self.passwords = {}  # of the users made here
        self._clients = []
        settings = {section: dict(keys) for section, keys in (settings or {}).items()}
        self.database = None if "store" in settings else stores.make()
        own = settings.setdefault("gateway", {})
        own.setdefault("data_dir", self.data)
        own.setdefault("worker_threads", 32)
        self.port = None
        if "listen" not in own:
            self.port = free_port()
            own["listen"] = f"127.0.0.1:{self.port}"
        self._listen = [own["listen"]] if isinstance(own["listen"], str) else own["listen"]
        self.configure(facilities or {}, settings)

    def configure(self, facilities, settings):
        sections = {**stores.settings_of(self.database), **settings, **{f"facility {name}": keys for name, keys in facilities.items()}}
        new = self.directory / "berth.conf.new"  # nobody reads half of it
        new.write_text("\n".join(map(_section, sections, sections.values())))
        new.replace(self.config)

    # Life

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
        else:
            self.stop()

    def start(self):
        """Start the program and wait until it answers, and knows of each engine what is there or
        why it does not."""
        self.launch()
        wait_until(self._is_alive, START_TIMEOUT_S, "an answer of /livez")
        wait_until(self._has_listed, START_TIMEOUT_S, "the first listings")
        return self

    def launch(self):
        """Start the program and do not wait."""
        with open(self.directory / "stdout", "ab") as out, \
                open(self.directory / "stderr", "ab") as err:
            self.process = subprocess.Popen(
                [*self.program, self.binary, "serve", "--config", self.config], env=self._variables(),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        return self.process

    def stop(self, number=signal.SIGTERM):
        """End the program as a service manager would, and see that it ended in order."""
        self._close_clients()
        if not self.process:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the gateway did not stop:\n{self.errors}") from None
        assert code == 0, f"the gateway ended with {code}:\n{self.errors}"
        self.check_errors()
        # What it has ended may need a moment, and is listed until it has been waited for.
        deadline = time.monotonic() + 10
        while (left := members_of(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not left, f"the gateway left processes behind: {left}"
        assert not (self.data / "control.sock").exists(), "the control socket is left behind"

    def kill(self):
        """End the program without a warning."""
        self._close_clients()
        if self.process:
            process, self.process = self.process, None
            process.kill()
            process.wait()

    def check_errors(self):
        """Fails where a sanitizer has said something."""
        for sign in ("Sanitizer", "runtime error:"):
            assert sign not in self.errors, self.errors

    # What it said

    @property
    def output(self):
        return (self.directory / "stdout").read_text()

    @property
    def errors(self):
        return (self.directory / "stderr").read_text(errors="replace")

    def actions(self):
        """The lines of the log of actions, oldest first; none while there is no file.

        A line that is being written does not count yet.
        """
        try:
            text = (self.data / "logs" / "actions.jsonl").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.split("\n")[:-1]]

    # Use

    def run(self, *args, input=None, environment=None, program=()):
        """Run `berth ARGS --config ...`; returns the completed process, its output as text."""
        return subprocess.run(
            [*program, BINARY, *map(str, args), "--config", self.config], input=input or "",
            env={**self._variables(), **(environment or {})}, capture_output=True, text=True,
            timeout=60)

    def cli(self, *args, input=None):
        """As run, for what must succeed; returns its output."""
        done = self.run(*args, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def user(self, name, gateway_admin=False, password=None, **roles):
        """Make a user with a role in each facility (demo="researcher"); returns a client."""
        self.passwords[name] = password or secrets.token_urlsafe(12)
        flags = ["--gateway-admin"] if gateway_admin else []
        self.cli("user", "add", name, *flags, input=self.passwords[name] + "\n")
        for facility, role in roles.items():
            self.cli("user", "grant", name, facility.replace("_", "-"), role)
        return self.as_user(name)

    def as_user(self, name):
        return self.client(name, self.passwords[name])

    @property
    def admin(self):
        """A client of the gateway administrator whose password the first start has printed."""
        if "admin" not in self.passwords:
            self.passwords["admin"] = re.search(r"Its password is (\S+)", self.output)[1]
        return self.as_user("admin")

    @property
    def anyone(self):
        """A client without credentials."""
        return self.client()

    def client(self, user=None, password=None):
        known = [c for c in self._clients if (c.user, c.password) == (user, password)]
        if known:
            return known[0]
        address = self._listen[0]
        if address.startswith("unix:"):
            address = address.removeprefix("unix:")
        else:
            address = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
        client = Client(address, user, password)
        self._clients.append(client)
        return client

    def _is_alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway did not start:\n{self.errors}")
        try:
            return self.anyone.get("/livez").status == 200
        except OSError:
            return False

    def _has_listed(self):
        return "has not listed its apps yet" not in self.anyone.get("/readyz").text

    def _variables(self):
        sanitizers = {name: os.environ[name] for name in _SANITIZERS if name in os.environ}
        return {**_VARIABLES, **sanitizers, **self.environment}

    def _close_clients(self):
        for client in self._clients:
            client.close()
        self._clients.clear()


def _section(name, keys):
    lines = [f"[{name}]"]
    for key, value in keys.items():
        lines += [f"{key} = {item}" for item in (value if isinstance(value, list) else [value])]
    return "\n".join(lines) + "\n"


def members_of(session):
    """The ids and commands of the processes of a session."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if int(text.rsplit(")", 1)[1].split()[3]) == session:
            found.append(text.rsplit(")", 1)[0])
    return found


def refused(done, code=1):
    """The one line that a command which must have failed so says, without `berth: `."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("berth: "), done.stderr
    return done.stderr.removeprefix("berth: ").rstrip("\n")


def wait_until(condition, timeout_s=30, what="the condition"):
    """Returns the first true value of condition(); it is asked again and again.

    The last time is when timeout_s have passed, however long a turn takes.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        is_last = time.monotonic() > deadline
        if value := condition():
            return value
        if is_last:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.01)


def clear_engine(engine):
    """Remove every container of a lab engine."""
    containers = engine.docker("ps", "--all", "--quiet").split()
    if containers:
        engine.docker("rm", "--force", "--volumes", *containers)
