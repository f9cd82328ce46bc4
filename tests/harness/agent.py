# SPDX-License-Identifier: MIT
"""The agent on a node of the lab's swarm, and who speaks to it."""

import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import typing

from .gateway import BINARY, STOP_TIMEOUT_S, wait_until

PORT = 2378


class Files(typing.NamedTuple):
    """Where a certificate, its key and the authority's certificate are."""

    ca: pathlib.Path
    cert: pathlib.Path
    key: pathlib.Path


def files_of(node):
    """A node's own, as its swarm made them."""
    folder = node.directory / "data" / "swarm" / "certificates"
    return Files(folder / "swarm-root-ca.crt", folder / "swarm-node.crt", folder / "swarm-node.key")


class Agent:
    """
    `berth agent` in the network of a node, with the node's certificate unless told of other files.

    start() and stop(), or `with`. stop() fails the test where the program did not end in order.
    """

    def __init__(self, node, files=None):
        self.node = node
        self.files = files or files_of(node)
        self.process = None
        self._log = tempfile.NamedTemporaryFile(prefix="berth-agent-")

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
        else:
            self.stop()

    def start(self):
        # Not in the node's process namespace: a signal to nsenter would end there.
        network = self.node.inside()[:3] + ["--net", "--uts"]
        self.process = subprocess.Popen(
            [*network, BINARY, "agent", "--listen", f"{self.node.address}:{PORT}", "--engine",
             self.node.url, "--tls-ca", self.files.ca, "--tls-cert", self.files.cert, "--tls-key",
             self.files.key],
            env={name: value for name, value in os.environ.items()
                 if name == "PATH" or name.endswith("SAN_OPTIONS")},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log,
            start_new_session=True)
        wait_until(self._listens, what="the agent to listen")
        return self

    def stop(self):
        process, self.process = self.process, None
        if not process:
            return
        process.terminate()
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the agent did not stop:\n{self.log}") from None
        assert code == 0, f"the agent ended with {code}:\n{self.log}"
        assert "Sanitizer" not in self.log and "runtime error:" not in self.log, self.log

    def kill(self):
        if self.process:
            process, self.process = self.process, None
            process.kill()
            process.wait()

    @property
    def log(self):
        return pathlib.Path(self._log.name).read_text(errors="replace")

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the agent did not start:\n{self.log}")
        with socket.socket() as probe:
            return probe.connect_ex((self.node.address, PORT)) == 0


class AgentClient:
    """Speaks to the agent of a node with the certificate of `files` (none where it is None), and
    takes no other server's than the node's, signed by the authority of `ca`."""

    def __init__(self, node, files, ca):
        self._context = ssl.create_default_context(cafile=ca)
        self._context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self._node = node
        if files:
            with tempfile.TemporaryDirectory() as folder:
                # OpenSSL does not read a key with the headers that swarm writes.
                key = pathlib.Path(folder) / "key"
                key.write_text("".join(line for line in files.key.read_text().splitlines(True)
                                       if ":" not in line and line != "\n"))
                self._context.load_cert_chain(files.cert, key)

    def connect(self, node_id=None):
        """A connection on which TLS is done; that the client was refused shows with the first read.

        The server must be the node, or another one that is named.
        """
        raw = socket.create_connection((self._node.address, PORT), 30)
        return self._context.wrap_socket(raw, server_hostname=node_id or self._node.id)

    def request(self, method, target, headers=None, body=None):
        """(status, headers, body) of one request on a connection of its own."""
        with self.connect() as stream:
            connection = http.client.HTTPConnection("agent")
            connection.sock = stream
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def get(self, target):
        """(status, body), the body decoded where it is JSON."""
        status, headers, body = self.request("GET", target)
        is_json = headers["Content-Type"] == "application/json"
        return status, json.loads(body) if is_json else body

    def post(self, target, body=None):
        """The same, with the body encoded as JSON."""
        data = b"" if body is None else json.dumps(body).encode()
        status, headers, answer = self.request("POST", target, body=data)
        is_json = headers["Content-Type"] == "application/json"
        return status, json.loads(answer) if is_json else answer

    def make_exec(self, container, *argv, tty=False):
        """The id of a process in a container that has all streams."""
        status, answer = self.post(f"/v1.41/containers/{container}/exec", {
            "AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": tty,
            "Cmd": argv})
        assert status == 201, answer
        return answer["Id"]

    def start_exec(self, exec_id, tty=False):
        """The connection that is its stream."""
        body = json.dumps({"Detach": False, "Tty": tty}).encode()
        stream = self.connect()
        stream.sendall(b"POST /v1.41/exec/%s/start HTTP/1.1\r\nHost: agent\r\n"
                       b"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: %d\r\n\r\n%s"
                       % (exec_id.encode(), len(body), body))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(1)
            assert byte, head
            head += byte
        assert head.startswith(b"HTTP/1.1 101 "), head
        return stream

    def raw(self, data):
        """All that comes back for these bytes, until the agent closes the connection."""
        with self.connect() as stream:
            stream.sendall(data)
            pieces = []
            while piece := stream.recv(65536):
                pieces.append(piece)
            return b"".join(pieces)
