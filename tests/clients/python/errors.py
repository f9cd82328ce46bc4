# SPDX-License-Identifier: MIT
"""What goes wrong, and what a client with retries makes of it (requests)."""

import functools
import sys
import time

import requests
from account import BASE_URL, headers, saw

CONTAINERS = f"{BASE_URL}/containers"


def with_retries(call):
    """The decoded answer; None where the API refused, after what it says of it was shown."""
    @functools.wraps(call)
    def careful(*args, **options):
        for attempt in range(3):
            try:
                response = call(*args, **options)
            except requests.exceptions.ConnectionError:
                if attempt == 2:
                    raise
                time.sleep(0.2)
                continue
            if response.status_code >= 500 and attempt < 2:
                time.sleep(0.2)
                continue
            if response.status_code >= 400:
                error = response.json()
                print(f"refused: {error['message']} ({error['request_id']})", file=sys.stderr)
                return None
            return response.json()
    return careful


@with_retries
def status_of(cuid):
    return requests.get(f"{CONTAINERS}/{cuid}/status", headers=headers())


@with_retries
def create(**config):
    config = {"image": "python:3.12-slim", **config}
    return requests.post(CONTAINERS, json=config, headers=headers())


def refused(step, method, url, **options):
    response = requests.request(method, url, **{"headers": headers(), **options})
    saw(step, status=response.status_code, answer=response.json(), headers=dict(response.headers))


def main():
    unknown = f"{CONTAINERS}/c123e4567-e89b-12d3-a456-426614174000"
    made = create(ports=[{"host": 18088, "container": 80}])
    one = f"{CONTAINERS}/{made['cuid']}"
    saw("made", answer=made, status_of_made=status_of(made["cuid"]),
        status_of_unknown=status_of("c123e4567-e89b-12d3-a456-426614174000"))

    refused("no credentials", "GET", CONTAINERS, headers={})
    refused("wrong password", "GET", CONTAINERS, headers=headers(password="guess"))
    refused("unknown container", "POST", f"{unknown}/start")
    refused("unknown path", "GET", f"{one}/teapot")
    refused("wrong method", "PUT", one, json={})
    refused("no image", "POST", CONTAINERS, json={"env": {}})
    refused("absent image", "POST", CONTAINERS, json={"image": "absent:1"})
    refused("no JSON", "POST", CONTAINERS, data=b"{image:")
    refused("port out of range", "PATCH", f"{one}/ports",
            json={"ports": [{"host": 70000, "container": 80}]})
    refused("port in use", "POST", CONTAINERS,
            json={"image": "python:3.12-slim", "ports": [{"host": 18088, "container": 81}]})
    refused("memory without sense", "PATCH", one, json={"resources": {"memory": "much"}})
    refused("no boot.py", "POST", f"{one}/start")
    refused("not running", "POST", f"{one}/pause")
    refused("bad cursor", "GET", CONTAINERS, params={"cursor": "nonsense"})
    refused("bad archive", "POST", f"{one}/upload-zip", data=b"this is no ZIP archive",
            headers={**headers(), "Content-Type": "application/zip"})
    refused("path that leads out", "GET", f"{one}/download", params={"path": "../../etc/passwd"})
    refused("absent file", "GET", f"{one}/download", params={"path": "absent"})
    requests.delete(one, headers=headers())


main()
