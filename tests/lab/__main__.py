# SPDX-License-Identifier: MIT
"""Run a command with an engine, with a swarm of them, with root file systems or a database.

    python3 tests/lab [--engine VERSION|podman] [--registry] [--rootfs] -- COMMAND...
    python3 tests/lab --rootfs -- COMMAND...
    python3 tests/lab --postgres -- COMMAND...
    python3 tests/lab --swarm [NODES] [--managers N] [--workers VERSION] [...] -- COMMAND...

The command's exit status is passed on. It finds in its environment

    BERTH_TEST_ENGINE  the engine's address, unix:///..., or that of the swarm's manager
    DOCKER_HOST        the same, for the docker command
    BERTH_TEST_DOCKER  the docker 26.1 command
    BERTH_TEST_COMPOSE Docker Compose 2.26, as a program
    BERTH_TEST_IMAGE   an image to run, on every node
    BERTH_TEST_PULL    with --registry: an image that is on no engine and can be pulled

with --rootfs, which alone starts no engine,

    BERTH_TEST_ROOTFS  a root file system with busybox as /bin/sh and /bin/bash; the folder that it
                       is in may be a root

with --postgres, which alone starts no engine,

    BERTH_TEST_POSTGRES  libpq's words for a server's administrator, who may make databases

and with --swarm also

    BERTH_TEST_SWARM          the manager's address, unix:///...
    BERTH_TEST_SWARM_NODES    NAME=tcp://ADDRESS:2376 of every node, manager first, with blanks
                              between: its engine with mutual TLS
    BERTH_TEST_SWARM_SOCKETS  NAME=unix:///... of every node: the same engine without
    BERTH_TEST_SWARM_CERTS    the directory of ca.pem, and of the client's cert.pem and key.pem
"""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import (VERSIONS, Engine, Podman, Postgres, Rootfs, Swarm, compose,  # noqa: E402
                 docker_cli)

IMAGE = "berth/demo:latest"
PULL = "httpd:2.4"
PODMAN = "podman"


def publish(engine):
    image = engine.import_image("pull:source", files={"www/index.html": "pulled\n"})
    engine.push("pull:source", PULL)
    engine.docker("rmi", "--force", image)


def of_swarm(swarm):
    return {
        "BERTH_TEST_SWARM": swarm.url,
        "BERTH_TEST_SWARM_NODES": " ".join(f"{n.name}={n.tls_url}" for n in swarm.nodes),
        "BERTH_TEST_SWARM_SOCKETS": " ".join(f"{n.name}={n.url}" for n in swarm.nodes),
        "BERTH_TEST_SWARM_CERTS": str(swarm.client.cert.parent),
    }


def of_engines(args, stack):
    version = args.engine or "26.1"
    if args.swarm:
        lab = Swarm(version, args.swarm, args.managers, args.workers, args.registry, tls=True)
    elif version == PODMAN:
        lab = Podman(registry=args.registry)
    else:
        lab = Engine(version, registry=args.registry)
    stack.enter_context(lab)
    lab.import_image(IMAGE)
    environment = {
        "BERTH_TEST_ENGINE": lab.url,
        "BERTH_TEST_IMAGE": IMAGE,
        "BERTH_TEST_DOCKER": str(docker_cli()),
        "BERTH_TEST_COMPOSE": str(compose()),
        "DOCKER_HOST": lab.url,
        **(of_swarm(lab) if args.swarm else {}),
    }
    if args.registry:
        publish(lab.manager if args.swarm else lab)
        environment["BERTH_TEST_PULL"] = PULL
    return environment


def main():
    parser = argparse.ArgumentParser(
        prog="lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=(*VERSIONS, PODMAN), help="26.1")
    parser.add_argument("--registry", action="store_true")
    parser.add_argument("--swarm", nargs="?", type=int, const=3, metavar="NODES")
    parser.add_argument("--managers", type=int, default=1)
    parser.add_argument("--workers", choices=VERSIONS, metavar="VERSION",
                        help="the engine of the nodes that do not manage")
    parser.add_argument("--rootfs", action="store_true")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    args = parser.parse_args()

    # Ctrl-C reaches the command too: it ends first, then the engine.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.ExitStack() as stack:
        environment = {}
        if args.rootfs:
            environment["BERTH_TEST_ROOTFS"] = str(stack.enter_context(Rootfs()).path)
        if args.postgres:
            environment["BERTH_TEST_POSTGRES"] = stack.enter_context(Postgres()).conninfo
        if args.engine or args.registry or args.swarm or not (args.rootfs or args.postgres):
            environment |= of_engines(args, stack)
        command = subprocess.Popen(
            args.command, env={**os.environ, **environment},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        return command.wait()


if __name__ == "__main__":
    sys.exit(main())
