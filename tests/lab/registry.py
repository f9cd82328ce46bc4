# SPDX-License-Identifier: MIT
"""Debian's docker-registry within a machine, which engines use as their mirror."""

import json
import socket

PORT = 5000


def start_registry(machine, address):
    """Start a registry in a machine, reached from here at its address, and wait until it answers."""
    config = machine.directory / "registry.yml"
    config.write_text(json.dumps({
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(machine.directory / "registry")},
                    "delete": {"enabled": True}},
        "http": {"addr": f":{PORT}"},
    }))
    machine.spawn("registry", ["docker-registry", "serve", config], lambda: _answers(address))


def _answers(address):
    try:
        socket.create_connection((address, PORT), timeout=1).close()
        return True
    except OSError:
        return False
