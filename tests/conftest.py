# SPDX-License-Identifier: MIT
"""For all tests in Python."""

import pytest

PARTS = {
    "versions": "those that run on each version of the engine (BERTH_TEST_ENGINES)",
    "swarm": "those that use a swarm",
    "engines": "those that use an engine, and no swarm",
    "rest": "those that use none",
}


def pytest_addoption(parser):
    parser.addoption("--part", choices=PARTS, help="; ".join(
        f"{part}: {what}" for part, what in PARTS.items()))


def _is_of(part, item):
    if part == "versions":
        return "engine_version" in item.fixturenames
    if any("swarm" in name for name in item.fixturenames):
        return part == "swarm"
    uses = any("engine" in name for name in item.fixturenames)
    return part == ("engines" if uses else "rest")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    part = config.getoption("--part")
    if part:
        config.hook.pytest_deselected(items=[i for i in items if not _is_of(part, i)])
        items[:] = [item for item in items if _is_of(part, item)]
