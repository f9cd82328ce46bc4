# SPDX-License-Identifier: MIT
"""A thread that keeps an eye on the API (requests)."""

import threading

import requests
from account import BASE_URL, headers, saw


class Monitor:
    """Ask at once and then every interval_s seconds; enough is set after the given number."""

    def __init__(self, interval_s, rounds):
        self.interval_s = interval_s
        self.rounds = rounds
        self.enough = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stopped.set()
        self._thread.join()

    def _watch(self):
        seen = 0
        while not self._stopped.is_set():
            response = requests.get(f"{BASE_URL}/healthz", headers=headers(), timeout=20)
            saw("health", status=response.status_code, answer=response.json())
            seen += 1
            if seen == self.rounds:
                self.enough.set()
            self._stopped.wait(self.interval_s)


monitor = Monitor(interval_s=0.2, rounds=3)
monitor.start()
monitor.enough.wait(timeout=30)
monitor.stop()
