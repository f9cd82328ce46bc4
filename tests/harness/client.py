# SPDX-License-Identifier: MIT
"""A small HTTP client: kept connections, nothing followed, nothing retried that changes things."""

import base64
import http.client
import json
import socket
import threading
import time
import urllib.parse

from .watcher import Watcher

TIMEOUT_S = 60
IDLE_S = 5  # a connection that was idle for longer may be closed by the gateway at any time


class Answer:
    """What came back: status, headers (by any case), body (bytes), text, json."""

    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return self.headers.get_content_type()

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """Asks one gateway as one user, or as nobody.

    address  ("127.0.0.1", port), or the path of a unix socket
    Each thread that uses a client has a connection of its own; again() is another client of the
    same user, with another connection.
    """

    def __init__(self, address, user=None, password=None):
        self.address = address
        self.user = user
        self.password = password
        self._local = threading.local()
        self._opened = []

    def again(self):
        return Client(self.address, self.user, self.password)

    def get(self, path, headers=None, **params):
        return self.request("GET", path, params, headers)

    def post(self, path, headers=None, **params):
        return self.request("POST", path, params, headers)

    def request(self, method, path, params=None, headers=None, body=None):
        """params: a dict or a list of pairs, added to what the path has of its own."""
        if params:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(params)
        sent = {"Accept": "*/*", **self.authorization(), **(headers or {})}
        connection = self._connection()
        try:
            connection.putrequest(method, path, skip_host="Host" in sent, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            elif method not in ("GET", "HEAD", "OPTIONS"):
                connection.putheader("Content-Length", "0")
            try:
                connection.endheaders(body)
            except (BrokenPipeError, ConnectionResetError):
                if body is None:
                    raise
                # Refused before all was read: the answer is there, unless there is none.
            response = connection.getresponse()
            answer = Answer(response, response.read())
        except BaseException:
            self._local.connection = None
            connection.close()
            raise
        self._local.used = time.monotonic()
        return answer

    def authorization(self):
        if self.user is None:
            return {}
        pair = f"{self.user}:{self.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    def raw(self, data, half_close=False):
        """Send bytes on a new connection; returns all that comes back until it is closed.

        Who is refused before all is read may be cut off: then what has come is returned.
        """
        received = b""
        with self.connect() as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except TimeoutError:
                raise
            except OSError:
                pass  # what was answered before is there
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except TimeoutError:
                raise
            except OSError:
                pass
        return received

    def watch(self, path, **options):
        """A reader of the events at path, on a connection of its own (watcher.py)."""
        return Watcher(self, path, **options)

    def connect(self, receive_buffer=None):
        """A new connected socket; receive_buffer: bytes the kernel may keep for it."""
        is_tcp = isinstance(self.address, tuple)
        connection = socket.socket(socket.AF_INET if is_tcp else socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(self.address if is_tcp else str(self.address))
        return connection

    def close(self):
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()

    def _connection(self):
        connection = getattr(self._local, "connection", None)
        if connection and time.monotonic() - self._local.used > IDLE_S:
            connection.close()
        elif connection:
            return connection
        connection = _Connection(self)
        self._local.connection = connection
        self._opened.append(connection)
        return connection


class _Connection(http.client.HTTPConnection):
    def __init__(self, client):
        host, port = client.address if isinstance(client.address, tuple) else ("localhost", None)
        super().__init__(host, port)
        self._client = client

    def connect(self):
        self.sock = self._client.connect()
        if self.sock.family != socket.AF_UNIX:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
