# SPDX-License-Identifier: MIT
"""A real PostgreSQL server of the distribution's, on loopback and on a unix socket."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from ports import free_port

START_TIMEOUT_S = 60
USER = "postgres"  # the server does not run as root
MEMORY = pathlib.Path("/dev/shm")  # where fsync, which is on, costs nothing


class Postgres:
    """
    conninfo   libpq's words for its administrator, on the unix socket
    port       on 127.0.0.1, where a user needs a password

    start() and close(), or `with`; the server ends with this process in any case.
    """

    def __init__(self):
        self._directory = None
        self._process = None
        self._made = 0
        self.port = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def conninfo(self):
        return f"host={self._directory} port={self.port} user={USER} dbname=postgres"

    def start(self):
        self._directory = pathlib.Path(tempfile.mkdtemp(
            prefix="berth-postgres-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        if os.getuid() == 0:
            shutil.chown(self._directory, USER)
        self._run("initdb", "--pgdata", self._directory / "data", "--encoding", "UTF8", "--locale",
                  "C.UTF-8", "--username", USER, "--auth-local", "trust", "--auth-host",
                  "scram-sha-256", "--no-instructions")
        self.boot()
        return self

    def boot(self):
        """Start the server, at first or after kill(), and wait until it answers."""
        self.port = self.port or free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": self.port,
                    "unix_socket_directories": self._directory, "shared_buffers": "16MB",
                    "max_connections": 300, "autovacuum": "off"}
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*_as_user("--pdeathsig", "INT"), _program("postgres"), "-D",
                 self._directory / "data",
                 *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while subprocess.run([_program("pg_isready"), "-q", "-d", self.conninfo]).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log[-2000:]}")
            time.sleep(0.02)

    def kill(self):
        """End it as a power cut does: boot() recovers what was committed."""
        children = self._signal(signal.SIGKILL)
        self._process.wait()
        while any(map(_lives, children)):  # one that has the memory yet would refuse a new server
            time.sleep(0.005)

    def freeze(self):
        """Stop every process of the server in its tracks; thaw() lets them go on."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def close(self):
        if self._process and self._process.poll() is None:
            self.thaw()
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        self._process = None
        if self._directory:
            shutil.rmtree(self._directory)
            self._directory = None

    @property
    def log(self):
        return (self._directory / "log").read_text(errors="replace")

    def sql(self, *statements, database="postgres"):
        """Carry out statements as the administrator; returns what they print, unaligned."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.of(database)],
            input="".join(statement + ";\n" for statement in statements), capture_output=True,
            text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def create(self):
        """Make an empty database; returns its name."""
        self._made += 1
        name = f"lab_{self._made}"
        self.sql(f"CREATE DATABASE {name}")
        return name

    def drop(self, name):
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def of(self, database):
        """libpq's words for a database of create(), as the administrator."""
        return self.conninfo.replace("dbname=postgres", f"dbname={database}")

    def _signal(self, number):
        """To every process of the server; returns all but the first of them."""
        self._process.send_signal(signal.SIGSTOP)  # it makes no more
        children = _children(self._process.pid)
        for process in [*children, self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
        return children

    def _run(self, program, *arguments):
        done = subprocess.run([*_as_user(), _program(program), *arguments], cwd="/",
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip() or done.stdout.strip()}")


def _as_user(*words):
    if os.getuid() != 0:
        return ["setpriv", *words] if words else []
    account = pwd.getpwnam(USER)
    return ["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid),
            "--init-groups", *words]


def _program(name):
    """Of the newest version there is; only some are on the path."""
    found = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(found, key=lambda path: float(path.parts[4]), default=None)
    if not newest:
        raise RuntimeError("PostgreSQL is not installed: scripts/setup --test does it")
    return newest


def _children(pid):
    return [*map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def _lives(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"
