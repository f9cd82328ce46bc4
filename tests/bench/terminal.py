# SPDX-License-Identifier: MIT
"""Terminals against an exec straight through the engine."""

import statistics
import urllib.parse

from tools import EngineExec, row, timed

from harness.websocket import WebSocket

ECHOES = 500
OUTPUT = 16 << 20


def bench_terminal(engine, client):
    """Both over a unix socket."""
    app = "berth_demo--u1"

    def open_terminal(command):
        query = urllib.parse.urlencode({"cmd": f"exec {command}"})
        return WebSocket(client, f"/demo/ws/{app}?{query}")

    straight, through = [], []
    own, gate = EngineExec(engine.url, app, "cat"), open_terminal("cat")
    line = gate.frame(type="stdin", data="x")
    for _ in range(ECHOES):
        straight.append(timed(lambda: (own.send(b"x"), own.receive()))[0])
        through.append(timed(lambda: (gate.socket.sendall(line), gate.receive()))[0])
    own.close()
    gate.close()
    own, gate = statistics.median(straight), statistics.median(through)
    row(f"a key and its echo on a terminal, median of {ECHOES}, against an exec of the engine"
        f" ({own:.2f} ms)", f"{gate / own:.2f} × ({gate:.2f} ms)", "1.3 ×", gate <= 1.3 * own)

    command = f"yes {'0123456789' * 6} | head -c {OUTPUT}"
    own, gate = EngineExec(engine.url, app, "sh", "-c", command), open_terminal(f"sh -c '{command}'")
    took = timed(lambda: [*iter(own.receive, b"")])[0]
    gate_took = timed(lambda: [*iter(gate.receive, None)])[0]
    own.close()
    gate.close()
    own, gate = (OUTPUT / ms / 1000 for ms in (took, gate_took))
    row(f"{OUTPUT >> 20} MiB of text on a terminal, against an exec of the engine ({own:.0f} MB/s)",
        f"{gate / own:.2f} × ({gate:.0f} MB/s)", "none", None)
