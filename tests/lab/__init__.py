# SPDX-License-Identifier: MIT
"""Real Docker engines for tests, each in a network of its own, that end when the test ends.

    from lab import GATEWAY, Engine, Swarm

    with Engine("26.1", registry=True) as engine:
        engine.import_image("berth/demo")
        engine.import_python_image("python:3.12-slim")
        engine.push("berth/demo", "httpd:2.4")       # now `httpd:2.4` can be pulled by its plain name
        engine.docker("run", "-d", "berth/demo")
        engine.freeze()

    with Swarm("26.1", nodes=3, registry=True, tls=True) as swarm:
        swarm.import_image("berth/demo")             # on every node
        swarm.docker("service", "create", "-d", "--replicas", "3", "berth/demo")
        manager, worker, other = swarm.nodes         # .name .address .id .url .tls_url .docker()
        worker.power_off()                           # a dead machine; worker.boot() brings it back
        other.freeze()                               # its engine alone; other.thaw()
        swarm.partition(other, manager, GATEWAY)     # silence between them; swarm.heal()
        other.rename("node9")
        swarm.set_availability(other, "drain")
        swarm.add("node4", version="20.10")
        swarm.reset()                                # as it was at first, without services

    with Rootfs() as rootfs:
        rootfs.add("other", {"etc/motd": "hello\n"})  # rootfs.root / "other"
        rootfs.digest()                               # the same as long as nothing has changed

    Swarm("26.1", managers=3)                        # with two powered off there is no quorum
    Swarm("26.1", workers="20.10")

From a shell, or for a test written in C: `python3 tests/lab --engine 20.10 -- COMMAND` runs
COMMAND with BERTH_TEST_ENGINE and DOCKER_HOST set, and `python3 tests/lab --swarm -- COMMAND` with
a swarm, `--rootfs` with root file systems, and `--postgres` with a database server; --help says
which variables there are. Root is needed.

A swarm of three is ready in 3 s. The kernel need not have IPVS: without it published ports of a
service are reached on the node of its task alone (`--publish mode=host,...`), and `service create`
without `--detach` waits 5 s longer than it must.
"""

from .engine import Engine
from .packages import VERSIONS, compose, docker_cli
from .podman import Podman
from .postgres import Postgres
from .rootfs import Rootfs
from .swarm import GATEWAY, Swarm

__all__ = ["Engine", "GATEWAY", "Podman", "Postgres", "Rootfs", "Swarm", "VERSIONS", "compose",
           "docker_cli"]
