# SPDX-License-Identifier: MIT
"""A certificate authority for tests: certificates made by openssl, good for a day."""

import pathlib
import subprocess
import typing

_CONFIG = """
[req]
prompt = no
distinguished_name = name
[name]
CN = berth test authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
"""


class Pair(typing.NamedTuple):
    """A certificate, its key, and the authority's certificate: paths of PEM files."""

    ca: pathlib.Path
    cert: pathlib.Path
    key: pathlib.Path


class Authority:
    """Keeps its files in a directory, which is made: ca.pem, and a folder for each certificate.

    The names in a folder are those the docker command looks for in DOCKER_CERT_PATH.
    """

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self._config = self.directory / "openssl.cnf"
        self._config.write_text(_CONFIG)
        self.ca = self.directory / "ca.pem"
        self._key = self.directory / "ca-key.pem"
        self._request("authority", self.ca, self._key)

    def server(self, name, address):
        """A certificate for the server at this IP address."""
        return self._issue(
            "server", name, "-addext", f"subjectAltName=IP:{address},DNS:{name}")

    def client(self, name="client"):
        return self._issue("client", name)

    def _issue(self, kind, name, *extension):
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        pair = Pair(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        pair.ca.write_bytes(self.ca.read_bytes())
        self._request(kind, pair.cert, pair.key, "-subj", f"/CN={name}",
                      "-CA", self.ca, "-CAkey", self._key, *extension)
        return pair

    def _request(self, kind, cert, key, *args):
        subprocess.run(
            ["openssl", "req", "-x509", "-config", self._config, "-extensions", kind, "-days", "1",
             "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-out", cert,
             "-keyout", key, *args], check=True, capture_output=True)
