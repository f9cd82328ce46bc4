# SPDX-License-Identifier: MIT
"""Fixtures: the real program (tests/harness) and the real engine (tests/lab).

What needs an engine runs on each supported version; BERTH_TEST_ENGINES names fewer of them, such
as 26.1.
"""

import os
import shutil
import tempfile

import pytest

from harness import Gateway, clear_engine, stores
from lab import VERSIONS, Engine, Swarm

DEMO = "berth/demo:latest"  # a web server of busybox, on every engine below
ENGINES = os.environ.get("BERTH_TEST_ENGINES", " ".join(VERSIONS)).split()


@pytest.fixture(scope="session", params=ENGINES)
def engine_version(request):
    """Each supported version of the engine in turn."""
    return request.param


@pytest.fixture(scope="session")
def shared_engine(engine_version):
    """One engine of that version with a registry, for all tests."""
    with Engine(engine_version, registry=True) as engine:
        engine.import_image(DEMO)
        yield engine


@pytest.fixture
def engine(shared_engine):
    """The shared engine, without containers when the test begins and when it has ended."""
    yield shared_engine
    clear_engine(shared_engine)


@pytest.fixture(scope="session")
def shared_swarm(engine_version):
    """One swarm of three engines of that version with a registry and mutual TLS, for all tests."""
    with Swarm(engine_version, registry=True, tls=True) as swarm:
        swarm.import_image(DEMO)
        yield swarm


@pytest.fixture
def swarm(shared_swarm):
    """The shared swarm, whole and without services when the test begins and when it has ended."""
    yield shared_swarm
    shared_swarm.reset()


@pytest.fixture(scope="module")
def users(berth):
    """Users of the file's own gateway, each with a role in demo; clients by name."""
    roles = {"ana": "researcher", "bob": "researcher", "vic": "viewer", "oli": "operator"}
    return {name: berth.user(name, demo=role) for name, role in roles.items()}


@pytest.fixture
def app(berth, users):
    """demo--ana, which runs."""
    assert users["ana"].post("/demo/create-app", image="demo", user="ana").status == 200
    assert users["ana"].post("/demo/start-app", name="demo--ana").status == 200
    yield "demo--ana"
    berth.admin.post("/demo/delete-app", name="demo--ana")


class _Gateways:
    """Makes gateways, each in a directory of its own, and ends them all."""

    def __init__(self):
        self._made = []

    def __call__(self, facilities=None, start=True, **options):
        berth = Gateway(tempfile.mkdtemp(prefix="berth-gateway-"), facilities, **options)
        self._made.append(berth)
        return berth.start() if start else berth

    def close(self):
        failures = []
        for berth in reversed(self._made):
            try:
                berth.stop()
            except AssertionError as failure:
                failures.append(str(failure))
            berth.kill()
            shutil.rmtree(berth.directory)
            stores.drop(berth.database)
        assert not failures, "\n".join(failures)


@pytest.fixture
def gateway():
    """gateway(facilities={"demo": {"backend": "memory"}}, ...): as harness.Gateway, started."""
    gateways = _Gateways()
    yield gateways
    gateways.close()


@pytest.fixture(scope="module")
def module_gateway():
    """As gateway, for one that all tests of a file share."""
    gateways = _Gateways()
    yield gateways
    gateways.close()


@pytest.fixture
def offline(gateway):
    """A configuration of one facility in memory, demo, with no gateway running."""
    return gateway({"demo": {"backend": "memory"}}, start=False)
