# SPDX-License-Identifier: MIT
"""The life of a MiniRun container (requests), for an API that asks nobody who it is."""

import requests
from account import BASE_URL, saw

CONTAINERS = f"{BASE_URL}/containers"


def show(step, response):
    saw(step, status=response.status_code, answer=response.json(), headers=dict(response.headers))
    return response.json()


show("create", requests.post(CONTAINERS, json={"name": "pythonapp", "command": "/bin/sh"}))
listed = show("list", requests.get(CONTAINERS))
saw("names", names=[container["name"] for container in listed["data"]])
show("nameless", requests.post(CONTAINERS, json={"command": "/bin/sh"}))
show("broken", requests.post(CONTAINERS, data="name=pythonapp"))
how = show("start", requests.post(f"{CONTAINERS}/pythonapp/start"))
saw("cli", line=how["data"]["cli"])
show("run", requests.post(f"{CONTAINERS}/pythonapp/start", params={"detach": "true"}))
show("refused", requests.delete(f"{CONTAINERS}/pythonapp"))
show("kill", requests.post(f"{CONTAINERS}/pythonapp/kill"))
show("delete", requests.delete(f"{CONTAINERS}/pythonapp"))
show("gone", requests.get(f"{CONTAINERS}/pythonapp"))
