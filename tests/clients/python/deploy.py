# SPDX-License-Identifier: MIT
"""Create a container, upload its code, start it, wait until it says in a file that it is up, look at
its terminal, and clean up (aiohttp)."""

import asyncio
import base64
import io
import json
import zipfile

import aiohttp
from account import BASE_URL, headers, saw

CODE = """
import os
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print(f"hello from container {os.environ['CONTAINER_UID']} in {os.environ['APP_ENV']}", flush=True)
for i in range(5):
    print(f"round {i + 1}", flush=True)
open("up", "w").close()
signal.sigwait({signal.SIGTERM})
print("done", flush=True)
"""
WAIT_S = 60


async def terminal_output(cuid):
    """What the terminal shows of itself first, nothing being typed."""
    url = f"ws://{BASE_URL.replace('http://', '')}/ws/{cuid}"
    shown = ""
    async with aiohttp.ClientSession() as session, \
            session.ws_connect(url, headers=headers()) as terminal:
        while not shown:
            message = await terminal.receive(timeout=WAIT_S)
            if message.type != aiohttp.WSMsgType.TEXT:
                break
            data = json.loads(message.data)
            if data["type"] in ("stdout", "stderr"):
                if data["encoding"] == "base64":
                    data["data"] = base64.b64decode(data["data"]).decode()
                shown += data["data"]
    return shown


async def until_up(session, one):
    for _ in range(WAIT_S * 10):
        async with session.get(f"{BASE_URL}/containers{one}/download", params={"path": "up"}) as response:
            if response.status != 404:
                saw("up", status=response.status)
                return
        await asyncio.sleep(0.1)


async def deploy_and_run(image, code, env):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("boot.py", code)
    config = {"image": image, "env": env, "tags": ["automated"],
              "resources": {"cpus": 0.5, "memory": "1024m"}}

    async with aiohttp.ClientSession(headers=headers()) as session:
        async def call(step, method, path, **options):
            url = f"{BASE_URL}/containers{path}"
            async with session.request(method, url, **options) as response:
                answer = await response.json()
                saw(step, status=response.status, answer=answer)
                return answer

        one = "/" + (await call("create", "POST", "", json=config))["cuid"]
        await call("upload", "POST", f"{one}/upload-zip", data=buffer.getvalue(),
                   headers={**headers(), "Content-Type": "application/zip"})
        await call("start", "POST", f"{one}/start")
        await until_up(session, one)
        saw("terminal", shown=await terminal_output(one[1:]))
        await call("stop", "POST", f"{one}/stop")
        input()  # until whoever started this has read the log
        await call("delete", "DELETE", one)


asyncio.run(deploy_and_run("python:3.12-slim", CODE, {"APP_ENV": "production"}))
