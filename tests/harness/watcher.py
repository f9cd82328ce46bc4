# SPDX-License-Identifier: MIT
"""A reader of server-sent events, as the WHATWG's HTML standard (section 9.2) has them."""

import collections
import http.client
import json
import time
import urllib.parse

Event = collections.namedtuple("Event", "name data id")


class Watcher:
    """GET path with a client's credentials, and read events from what comes.

    with ana.watch("/demo/watch") as watcher:
        watcher.until("ready")
        event = watcher.next()      # Event(name, data, id); data is parsed

    last_id moves as a browser's would: with every block that has one, event or not.
    """

    def __init__(self, client, path, last_id=None, headers=None, receive_buffer=None, **params):
        if params:
            path += "?" + urllib.parse.urlencode(params)
        self.last_id = last_id
        self.comments = 0
        self.retry = None
        self._buffer = b""
        self._socket = client.connect(receive_buffer=receive_buffer)
        sent = {"Host": "localhost", "Accept": "text/event-stream", **client.authorization(),
                **(headers or {})}
        if last_id is not None:
            sent["Last-Event-ID"] = last_id
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = self._take(b"\r\n\r\n", 30)
        if head is None:
            raise AssertionError("no answer")
        status, _, rest = head.partition(b"\r\n")
        self.status = int(status.split()[1])
        self.headers = http.client.parse_headers(_Lines(rest + b"\r\n\r\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._socket.close()

    def next(self, timeout_s=30):
        """The next event; None when the gateway has ended the answer."""
        deadline = time.monotonic() + timeout_s
        while True:
            block = self._take(b"\n\n", deadline - time.monotonic())
            if block is None:
                return None
            event = self._parse(block.decode())
            if event:
                return event

    def until(self, name, timeout_s=30):
        """All events up to the next one of that name, with it."""
        deadline = time.monotonic() + timeout_s
        events = []
        while not events or events[-1].name != name:
            event = self.next(deadline - time.monotonic())
            assert event, f"the answer ended before {name}, after {events[-3:]}"
            events.append(event)
        return events

    def quiet_for(self, seconds):
        """True if no event comes for so long."""
        try:
            self.next(seconds)
        except TimeoutError:
            return True
        return False

    def rest(self, timeout_s=30):
        """All events until the gateway ends the answer."""
        events = []
        while event := self.next(timeout_s):
            events.append(event)
        return events

    def read_body(self, timeout_s=30):
        """What an answer that is no stream has."""
        self._socket.settimeout(timeout_s)
        while len(self._buffer) < int(self.headers["Content-Length"]):
            self._buffer += self._socket.recv(65536)
        return self._buffer

    def _parse(self, block):
        name, data = "message", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not field and line:
                self.comments += 1
            elif field == "id":
                self.last_id = value
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "retry":
                self.retry = int(value)
        return Event(name, json.loads("\n".join(data)), self.last_id) if data else None

    def _take(self, mark, timeout_s):
        while mark not in self._buffer:
            self._socket.settimeout(max(timeout_s, 0.001))
            try:
                chunk = self._socket.recv(65536)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                return None
            self._buffer += chunk
        taken, _, self._buffer = self._buffer.partition(mark)
        return taken


class _Lines:
    """Bytes, as http.client wants to read them."""

    def __init__(self, data):
        self._lines = iter(data.splitlines(keepends=True))

    def readline(self, _=-1):
        return next(self._lines, b"")
