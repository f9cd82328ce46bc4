# SPDX-License-Identifier: MIT
"""Ports for servers of tests that run beside others on one machine."""

import itertools
import random
import socket

# Below those that the kernel gives to outgoing connections (net.ipv4.ip_local_port_range).
_FIRST, _LAST = 20000, 32000
_BLOCK = 400

_claim = _ports = None


def free_port():
    """A port of 127.0.0.1 where nobody listens, and that no other process of tests is given.

    A server may so be started a moment later, or be ended and started again. Each process draws
    from a block of its own, which it claims by the name of a socket: that goes when the process does.
    """
    global _claim, _ports
    if not _claim:
        _claim, _ports = _claim_block()
    for port in itertools.islice(_ports, _BLOCK):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no port is free")


def _claim_block():
    blocks = list(range(_FIRST, _LAST, _BLOCK))
    for first in random.sample(blocks, len(blocks)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0berth-tests-ports-{first}")
            return claim, itertools.cycle(range(first, first + _BLOCK))
        except OSError:
            claim.close()
    raise RuntimeError("too many processes of tests: no block of ports is left")
