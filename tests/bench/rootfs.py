# SPDX-License-Identifier: MIT
"""Root file systems: their life against the runtime alone, and the MiniRun API on both stores."""

import json
import os
import pathlib
import select
import signal
import statistics
import subprocess
import tempfile

from tools import Constant, row, timed, wrk, wrk_latency

from harness import Gateway
from lab import Rootfs
from lab.postgres import Postgres

ROUNDS = 10
APPS = 100
COMMAND = "/bin/sh -c 'trap \"exit 0\" TERM; sleep 600 & wait'"
NAME = "bench"


class Straight:
    """A container of the same bundle, by the runtime's own commands."""

    def __init__(self, directory, config, root, mount):
        self._bundle = directory / "bundle"
        self._bundle.mkdir()
        config["root"]["path"] = str(root)
        config["process"]["terminal"] = False
        config["process"].pop("consoleSize")
        config["linux"]["cgroupsPath"] += "-straight"
        for each in config["mounts"]:
            if each["destination"] == "/app":
                each["source"] = str(mount)
        (self._bundle / "config.json").write_text(json.dumps(config))
        self._pid = None

    def start(self):
        pid_file = self._bundle / "pid"
        subprocess.run(["crun", "run", "--detach", "--pid-file", pid_file, "--bundle", self._bundle,
                        "berth-bench"], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._pid = os.pidfd_open(int(pid_file.read_text()))

    def pause(self):
        subprocess.run(["crun", "pause", "berth-bench"], check=True)

    def unpause(self):
        subprocess.run(["crun", "resume", "berth-bench"], check=True)

    def kill(self):
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def _end(self, number):
        subprocess.run(["crun", "kill", "berth-bench", str(int(number))], check=True)
        select.select([self._pid], [], [])

    def clear(self):
        """What is left of one that has ended."""
        subprocess.run(["crun", "delete", "--force", "berth-bench"], check=True)
        os.close(self._pid)


def gateway(directory, rootfs, **settings):
    return Gateway(directory, settings={"gateway": {"worker_threads": "256"}, **settings},
                   facilities={"lab": {
                       "backend": "rootfs", "auth": "open", "rootfs": rootfs.path,
                       "rootfs_roots": rootfs.root, "command": "/bin/sh"}})


def create(client, name):
    made = client.request(
        "POST", "/lab/containers", body=json.dumps({"name": name, "command": COMMAND}).encode(),
        headers={"Content-Type": "application/json"})
    assert made.status == 200, made


def act(client, verb):
    answer = client.post(f"/lab/{verb}-app", name=NAME)
    assert answer.status == 200, answer


def bench_life(berth, rootfs, directory):
    client = berth.anyone
    create(client, NAME)
    act(client, "start")
    (folder,) = (path for path in (berth.data / "lab").iterdir() if len(path.name) == 64)
    config = json.loads((folder / "config.json").read_text())
    act(client, "kill")
    (directory / "mount").mkdir()
    straight = Straight(directory, config, rootfs.add("straight"), directory / "mount")
    verbs = ("start", "pause", "unpause", "kill", "start", "stop")
    own = {verb: [] for verb in verbs}
    gate = {verb: [] for verb in (*verbs, "create and start")}
    for _ in range(ROUNDS):
        for verb in verbs:
            own[verb].append(timed(getattr(straight, verb))[0])
            if verb in ("kill", "stop"):
                straight.clear()
        for verb in verbs:
            gate[verb].append(timed(lambda v=verb: act(client, v))[0])
        act(client, "delete")
        gate["create and start"].append(
            timed(lambda: (create(client, NAME), act(client, "start")))[0])
        act(client, "kill")
    act(client, "delete")
    own["create and start"] = own["start"]
    for verb, budget in (("create and start", None), *((verb, 1.1) for verb in dict.fromkeys(verbs))):
        own_ms, gate_ms = statistics.median(own[verb]), statistics.median(gate[verb])
        against = {"create and start": "run", "start": "run", "unpause": "resume",
                   "stop": "kill TERM"}.get(verb, verb)
        row(f"a root file system, {verb}, median of {len(gate[verb])}, against crun {against}"
            f" ({own_ms:.1f} ms)", f"{gate_ms / own_ms:.2f} × ({gate_ms:.1f} ms)",
            f"{budget} ×" if budget else "none", gate_ms <= budget * own_ms if budget else None)


def bench_reads(berth, store, budget_ms, seconds):
    for number in range(APPS):
        create(berth.anyone, f"app{number}")
    for what, path in (("one container", "/lab/containers/app1"),
                       (f"a list of {APPS}", "/lab/containers")):
        url = f"http://127.0.0.1:{berth.port}{path}"
        size = len(berth.anyone.get(path).body)
        with Constant(size) as constant:
            floor = constant.rate("/", seconds)
            wrk(url, 1)
            rate, p50, p99 = wrk_latency(url, seconds)
        row(f"MiniRun API, {what}, store in {store}, against a constant of {size} bytes"
            f" ({floor:.0f}/s)", f"{rate / floor:.2f} × ({rate:.0f}/s), p50 {p50:.1f} ms,"
            f" p99 {p99:.1f} ms", f"0.8 ×, {budget_ms} ms", rate >= 0.8 * floor and p99 < budget_ms)
    for number in range(APPS):
        answer = berth.anyone.request("DELETE", f"/lab/containers/app{number}")
        assert answer.status == 200, answer


def bench_rootfs(seconds):
    """The original claims to answer in 5 ms from files, and in 10 ms from a database."""
    with Rootfs() as rootfs, Postgres() as postgres, tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        with gateway(directory / "files", rootfs) as berth:
            bench_life(berth, rootfs, directory)
            bench_reads(berth, "SQLite", 5, seconds)
        with gateway(directory / "database", rootfs,
                     store={"postgres": postgres.of(postgres.create())}) as berth:
            bench_reads(berth, "PostgreSQL", 10, seconds)
