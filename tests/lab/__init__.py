# SPDX-License-Identifier: MIT
"""Real Docker engines for tests, each in a network of its own, that end when the test ends.

    from lab import Engine

    with Engine("26.1", registry=True) as engine:
        engine.import_image("berth/demo")
        engine.push("berth/demo", "httpd:2.4")       # now `httpd:2.4` can be pulled by its plain name
        engine.docker("run", "-d", "berth/demo")
        engine.freeze()

From a shell, or for a test written in C: `python3 tests/lab --engine 20.10 -- COMMAND` runs
COMMAND with BERTH_TEST_ENGINE and DOCKER_HOST set. Root is needed.
"""

from .engine import Engine
from .packages import VERSIONS, docker_cli

__all__ = ["Engine", "VERSIONS", "docker_cli"]
