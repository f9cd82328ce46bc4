# SPDX-License-Identifier: MIT
"""A WebSocket client without a thread or a library: for many at once, and for measurements."""

import json
import socket
import struct


class WebSocket:
    def __init__(self, client, path, early=b""):
        """early: sent with the request, before there is an answer."""
        is_tcp = isinstance(client.address, tuple)
        self.socket = socket.socket(socket.AF_INET if is_tcp else socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(client.address if is_tcp else str(client.address))
        if is_tcp:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
                   "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                   **client.authorization()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode() + early)
        self._input = self.socket.makefile("rb", buffering=65536)
        assert self._input.readline().startswith(b"HTTP/1.1 101 ")
        while self._input.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @staticmethod
    def frame(**message):
        """A message of a terminal as it is sent; the mask is 0."""
        text = json.dumps(message).encode()
        head = bytes([0x81, 0x80 | len(text)]) if len(text) < 126 else \
            struct.pack("!BBH", 0x81, 0xFE, len(text))
        return head + bytes(4) + text

    def send(self, **message):
        self.socket.sendall(self.frame(**message))

    def receive(self):
        """(opcode, payload) of the next frame, or None at the end."""
        head = self._input.read(2)
        if len(head) < 2:
            return None
        size = head[1]
        if size > 125:
            form = "!H" if size == 126 else "!Q"
            size = struct.unpack(form, self._input.read(struct.calcsize(form)))[0]
        return head[0] & 15, self._input.read(size)

    def until(self, wanted):
        """Reads until a message has these bytes."""
        while frame := self.receive():
            if wanted in frame[1]:
                return
        raise AssertionError(f"closed before {wanted!r}")

    def close(self):
        self._input.close()
        self.socket.close()
