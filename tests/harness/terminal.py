# SPDX-License-Identifier: MIT
"""A client of terminals, made of the websockets library."""

import asyncio
import base64
import json
import threading
import time
import urllib.parse

import websockets

_PATIENCE_S = 60


class Refused(Exception):
    """No terminal was given: status and headers of the answer."""

    def __init__(self, status, headers):
        super().__init__(status)
        self.status = status
        self.headers = headers


class Terminal:
    """A terminal in an app, for one thread; or `with`.

    output      what the process has printed to stdout (bytes), up to now
    errors      and to stderr
    messages    all messages so far, decoded
    code, reason of the close, once it is closed
    """

    def __init__(self, client, path, headers=None, max_queue=None, **params):
        host, port = client.address
        query = "?" + urllib.parse.urlencode(params) if params else ""
        self._url = f"ws://{host}:{port}{path}{query}"
        self._headers = {**client.authorization(), **(headers or {})}
        self._max_queue = max_queue
        self.messages = []
        self.output, self.errors = bytearray(), bytearray()
        self.exit = self.session = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._socket = self._call(self._connect())
        except BaseException:
            self._end_loop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    async def _connect(self):
        try:
            return await websockets.connect(
                self._url, extra_headers=self._headers, max_queue=self._max_queue, max_size=None,
                open_timeout=60, ping_interval=None, close_timeout=10, compression=None)
        except websockets.InvalidStatusCode as error:
            raise Refused(error.status_code, error.headers) from None

    def _call(self, coroutine, timeout_s=90):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)

    def _end_loop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # To the app

    def send(self, **message):
        self.send_text(json.dumps(message))

    def send_text(self, text):
        self._call(self._socket.send(text))

    def type(self, text):
        if isinstance(text, bytes):
            self.send(type="stdin", data=base64.b64encode(text).decode(), encoding="base64")
        else:
            self.send(type="stdin", data=text, encoding="utf8")

    # From the app

    def receive(self, timeout_s=_PATIENCE_S):
        """The next message; None when the gateway has closed. TimeoutError."""
        try:
            text = self._call(asyncio.wait_for(self._socket.recv(), timeout_s), timeout_s + 10)
        except websockets.ConnectionClosed:
            return None
        except asyncio.TimeoutError:
            raise TimeoutError from None
        message = json.loads(text)
        self.messages.append(message)
        kind = message["type"]
        if kind in ("stdout", "stderr"):
            data = base64.b64decode(message["data"]) if message["encoding"] == "base64" \
                else message["data"].encode()
            if kind == "stdout":
                self.output += data
            else:
                self.errors += data
        elif kind == "exit":
            self.exit = message["code"]
        elif kind == "session":
            self.session = message["id"]
        return message

    def until(self, wanted, timeout_s=_PATIENCE_S):
        """Reads until wanted (bytes) has been printed, which is forgotten with all before it."""
        deadline = time.monotonic() + timeout_s
        searched = 0
        while (at := self.output.find(wanted, searched)) < 0:
            searched = max(len(self.output) - len(wanted) + 1, 0)
            message = self.receive(max(deadline - time.monotonic(), 0.1))
            assert message, f"closed ({self.code} {self.reason}) after {self.output[-300:]!r}"
        before = bytes(self.output[:at])
        del self.output[:at + len(wanted)]
        return before

    def next(self, kind, timeout_s=_PATIENCE_S):
        """The next message of that type."""
        deadline = time.monotonic() + timeout_s
        while message := self.receive(max(deadline - time.monotonic(), 0.1)):
            if message["type"] == kind:
                return message
        raise AssertionError(f"closed ({self.code} {self.reason}) before {kind}")

    def rest(self, timeout_s=_PATIENCE_S):
        """Reads until the gateway closes; returns (code, reason)."""
        deadline = time.monotonic() + timeout_s
        while self.receive(max(deadline - time.monotonic(), 0.1)):
            pass
        return self.code, self.reason

    @property
    def code(self):
        return self._socket.close_code

    @property
    def reason(self):
        return self._socket.close_reason

    # The connection

    def ping(self, timeout_s=_PATIENCE_S):
        """Seconds until the pong of a ping frame."""
        async def ask():
            begun = time.monotonic()
            await asyncio.wait_for(await self._socket.ping(), timeout_s)
            return time.monotonic() - begun
        return self._call(ask())

    def close(self):
        """Closes as a browser does with a tab."""
        if self._loop.is_closed():
            return
        self._call(self._socket.close(1001))
        self._end_loop()

    def drop(self):
        """Ends the connection without a word."""
        async def abort():
            self._socket.transport.abort()
        self._call(abort())
        self._end_loop()
