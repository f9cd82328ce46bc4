# SPDX-License-Identifier: MIT
"""What the measurements are made with: load, servers to compare with, clocks."""

import http.client
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness import free_port, wait_until  # noqa: E402
from lab import docker_cli  # noqa: E402

CONNECTIONS = 32


def row(what, figure, budget, holds):
    verdict = "–" if holds is None else "holds" if holds else "**falls short**"
    print(f"| {what} | {figure} | {budget} | {verdict} |", flush=True)


def wrk_latency(url, seconds, headers=(), script=None):
    """Requests a second, and the median and the 99th percentile in ms, at 32 connections."""
    flags = [flag for header in headers for flag in ("-H", header)]
    if script:
        flags += ["-s", str(script)]
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *flags, url],
        capture_output=True, text=True, check=True, timeout=seconds + 30)
    assert "Non-2xx" not in done.stdout, done.stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])
    percentiles = re.findall(r" (50|99)%\s+([\d.]+)(us|ms|s)", done.stdout)
    p50, p99 = (float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
                for _, number, unit in percentiles)
    return rate, p50, p99


def wrk(url, seconds, headers=(), script=None):
    """Of these the requests a second and the 99th percentile."""
    rate, _, p99 = wrk_latency(url, seconds, headers, script)
    return rate, p99


def timed(call):
    begun = time.monotonic()
    result = call()
    return (time.monotonic() - begun) * 1000, result


def command_ms(url, *args, rounds=1):
    """The docker command against that engine."""
    return statistics.median(
        timed(lambda: subprocess.run([docker_cli(), "--host", url, *args], capture_output=True,
                                     check=True))[0] for _ in range(rounds))


class EngineConnection(http.client.HTTPConnection):
    """To the engine's own socket."""

    def __init__(self, url):
        super().__init__("engine")
        self._path = url.removeprefix("unix://")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)

    def post(self, path):
        self.request("POST", path)
        response = self.getresponse()
        response.read()
        assert response.status in (204, 304), (path, response.status)


class EngineExec:
    """A process on a terminal in a container, straight through the engine."""

    def __init__(self, url, container, *command):
        body = {"AttachStdin": True, "AttachStdout": True, "Tty": True, "Cmd": command}
        connection = EngineConnection(url)
        made = self._post(connection, f"/containers/{container}/exec", body)
        exec_id = json.loads(made.read())["Id"]
        started = self._post(connection, f"/exec/{exec_id}/start", {"Detach": False, "Tty": True},
                             Connection="Upgrade", Upgrade="tcp")
        assert started.status == 101, started.status
        self._socket = connection.sock

    @staticmethod
    def _post(connection, path, body, **headers):
        connection.request("POST", path, json.dumps(body),
                           {"Content-Type": "application/json", **headers})
        return connection.getresponse()

    def send(self, data):
        self._socket.sendall(data)

    def receive(self):
        """What is there; b"" at the end."""
        return self._socket.recv(65536)

    def close(self):
        self._socket.close()


def request_rate(connection, path, seconds):
    """Requests a second on one connection, one after the other."""
    count, begun = 0, time.monotonic()
    while time.monotonic() - begun < seconds:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        count += 1
    return count / (time.monotonic() - begun)


class Server:
    """A server to compare with, on a port of loopback."""

    def __init__(self, argv):
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        wait_until(self._answers, 10, argv[0])

    def _answers(self):
        assert self._process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def rate(self, path, seconds):
        return wrk(f"http://127.0.0.1:{self.port}{path}", seconds)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()


class Constant(Server):
    """civetweb answering a constant of so many bytes."""

    def __init__(self, size):
        self.port = free_port()
        super().__init__([ROOT / "build/tests/bench/constant", str(self.port), str(size)])


class SocketProxy(Server):
    """HAProxy in front of the engine's socket, as sites use it to let reads through alone."""

    CONFIG = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend engine
    bind 127.0.0.1:{port}
    http-request deny unless METH_GET
    default_backend engine
backend engine
    server engine unix@{socket}
"""

    def __init__(self, engine):
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory()
        config = pathlib.Path(self._directory.name) / "haproxy.cfg"
        config.write_text(self.CONFIG.format(
            port=self.port, socket=engine.url.removeprefix("unix://")))
        super().__init__(["haproxy", "-db", "-f", config])

    def __exit__(self, *args):
        super().__exit__(*args)
        self._directory.cleanup()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
