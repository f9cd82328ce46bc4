# SPDX-License-Identifier: MIT
"""A container from its creation to its end, over one kept connection (requests)."""

import io
import zipfile

import requests
from account import BASE_URL, headers, saw

BOOT = b"""
import http.server
import os

print(f"container {os.environ['CONTAINER_UID']} is up")
print(f"tags: {os.environ.get('TAGS', 'none')}", flush=True)
os.chdir("/app/data")
http.server.test(http.server.SimpleHTTPRequestHandler, port=80)
"""
CONFIG = {
    "image": "python:3.12-slim",
    "env": {"APP_ENV": "production", "DEBUG": "false"},
    "tags": ["web", "production"],
    "resources": {"cpus": 1.0, "memory": "4096m", "pids": 2048},
    "ports": [{"host": 18083, "container": 80, "protocol": "tcp"}],
}
PORTS = [
    {"host": 13001, "container": 80, "protocol": "tcp"},
    {"host": 19001, "container": 9000, "protocol": "udp"},
]


class Client:
    """All calls on one session."""

    def __init__(self):
        self.session = requests.Session()
        self.session.headers.update(headers())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()

    def call(self, step, method, path, **options):
        response = self.session.request(method, f"{BASE_URL}/containers{path}", **options)
        saw(step, status=response.status_code, answer=response.json())
        return response.json()


def zip_of(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def main():
    files = {"boot.py": BOOT, "data/config.json": b'{"setting": "value"}'}
    with Client() as api:
        one = "/" + api.call("create", "POST", "", json=CONFIG)["cuid"]
        api.call("upload", "POST", f"{one}/upload-zip", data=zip_of(files),
                 headers={"Content-Type": "application/zip"})
        api.call("ports", "PATCH", f"{one}/ports", json={"ports": PORTS})
        api.call("start", "POST", f"{one}/start")
        api.call("status", "GET", f"{one}/status")
        api.call("pause", "POST", f"{one}/pause")
        api.call("unpause", "POST", f"{one}/unpause")
        api.call("restart", "POST", f"{one}/restart")
        api.call("running", "GET", one)
        input()  # until whoever started this has looked at the running container
        api.call("kill", "POST", f"{one}/kill")
        api.call("stop", "POST", f"{one}/stop")
        api.call("delete", "DELETE", one)
        api.call("gone", "GET", one)


main()
