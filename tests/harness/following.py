# SPDX-License-Identifier: MIT
"""A log that is followed over HTTP."""

import http.client


class Following:
    """A log that is followed: lines as they come."""

    def __init__(self, client, **params):
        query = "&".join(f"{name}={value}" for name, value in {"follow": "yes", **params}.items())
        self._connection = http.client.HTTPConnection(*client.address, timeout=60)
        self._connection.request("GET", f"/demo/get-app-logs?{query}",
                                 headers=client.authorization())
        self.answer = self._connection.getresponse()

    def line(self):
        return self.answer.readline().decode()

    def rest(self):
        """Fails with IncompleteRead where the log is cut."""
        return self.answer.read().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
