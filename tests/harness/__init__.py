# SPDX-License-Identifier: MIT
"""The real program for tests, and a client of it.

    def test_names(gateway):
        berth = gateway(facilities={"demo": {"backend": "memory", "image_policy": "open"}})
        ana = berth.user("ana", demo="researcher")
        assert ana.post("/demo/create-app", image="demo", user="ana").text == "Success"
        assert berth.admin.get("/demo/get-app-names").json == ["demo--ana"]

The fixtures are in tests/integration/conftest.py. The program is build/berth, or BERTH_BIN.
"""

from ports import free_port

from . import stores
from .client import Answer, Client
from .following import Following
from .gateway import BINARY, END_S, PLAIN, Gateway, clear_engine, refused, wait_until
from .watcher import Event, Watcher

__all__ = ["Answer", "BINARY", "Client", "END_S", "Event", "Following", "Gateway", "PLAIN", "Watcher",
           "clear_engine", "free_port", "refused", "stores", "wait_until"]
