# SPDX-License-Identifier: MIT
"""Run a command with an engine: python3 tests/lab [--engine VERSION] [--registry] -- COMMAND...

The command finds the engine's address in BERTH_TEST_ENGINE and DOCKER_HOST, an image to run in
BERTH_TEST_IMAGE, and the docker 26.1 command in BERTH_TEST_DOCKER; with --registry also an image
it does not have but can pull, in BERTH_TEST_PULL. Its exit status is passed on.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import VERSIONS, Engine, docker_cli  # noqa: E402

IMAGE = "berth/demo:latest"
PULL = "httpd:2.4"
PULLABLE = "berth/pulled:1.0"


def publish(engine):
    image = engine.import_image(PULLABLE, files={"www/index.html": "hello from the registry\n"})
    engine.push(PULLABLE, PULLABLE)
    engine.docker("rmi", "--force", image)


def main():
    parser = argparse.ArgumentParser(prog="lab", description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=VERSIONS, default="26.1")
    parser.add_argument("--registry", action="store_true")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    args = parser.parse_args()

    # Ctrl-C reaches the command too: it ends first, then the engine.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Engine(args.engine, registry=args.registry) as engine:
        engine.import_image(IMAGE)
        environment = {
            **os.environ,
            "BERTH_TEST_ENGINE": engine.url,
            "BERTH_TEST_IMAGE": IMAGE,
            "BERTH_TEST_DOCKER": str(docker_cli()),
            "DOCKER_HOST": engine.url,
        }
        if args.registry:
            publish(engine)
            environment["BERTH_TEST_PULL"] = PULLABLE
        if args.registry:
            engine.import_image("pull:source", files={"www/index.html": "pulled\n"})
            engine.push("pull:source", PULL)
            engine.docker("rmi", "pull:source")
            environment["BERTH_TEST_PULL"] = PULL
        command = subprocess.Popen(
            args.command, env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        return command.wait()


if __name__ == "__main__":
    sys.exit(main())
