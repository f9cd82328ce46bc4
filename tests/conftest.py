# SPDX-License-Identifier: MIT
"""For all tests in Python."""


def pytest_addoption(parser):
    parser.addoption("--engine-only", action="store_true",
                     help="those tests alone that run on each version of the engine")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--engine-only"):
        return
    other = [item for item in items if "engine_version" not in item.fixturenames]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if "engine_version" in item.fixturenames]
