# SPDX-License-Identifier: MIT
"""A terminal in a container, and what it answers to typing, resizing and signals (websockets).

terminal.py CUID STOPPED_CUID
"""

import asyncio
import base64
import json
import sys

import websockets
from account import BASE_URL, headers, saw

WAIT_S = 20
# The name of the argument for headers changed with the second implementation of its client.
NEW_CLIENT = int(websockets.__version__.split(".")[0]) >= 14
HEADERS = {"additional_headers" if NEW_CLIENT else "extra_headers": headers()}


class Terminal:
    """shown: all output so far; others: all messages that are no output; code: of the exit."""

    def __init__(self, cuid):
        self.url = f"ws://{BASE_URL.replace('http://', '')}/ws/{cuid}"
        self.shown = ""
        self.others = []
        self.code = None
        self.close_code = None
        self._news = asyncio.Condition()

    async def connect(self, cols=80, rows=24):
        self.socket = await websockets.connect(f"{self.url}?cols={cols}&rows={rows}", **HEADERS)
        self.receiver = asyncio.create_task(self._receive())

    async def _receive(self):
        try:
            async for message in self.socket:
                await self._take(json.loads(message))
        except websockets.ConnectionClosed:
            pass
        self.close_code = self.socket.close_code

    async def _take(self, message):
        if message["type"] in ("stdout", "stderr"):
            text = message["data"]
            if message["encoding"] == "base64":
                text = base64.b64decode(text).decode(errors="replace")
            self.shown += text
        else:
            self.others.append(message)
            if message["type"] == "exit":
                self.code = message["code"]
        async with self._news:
            self._news.notify_all()

    async def send(self, kind, **fields):
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def type(self, text):
        await self.send("stdin", data=text, encoding="utf8")

    async def resize(self, cols, rows):
        await self.send("resize", cols=cols, rows=rows)

    async def signal(self, name):
        await self.send("signal", name=name)

    async def until(self, condition):
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(condition), WAIT_S)

    async def line(self, command, answer):
        """Type a line and wait for what it prints, which must not be in the line itself."""
        seen = len(self.shown)
        await self.type(command + "\n")
        await self.until(lambda: answer in self.shown[seen:])

    async def finished(self):
        await asyncio.wait_for(self.receiver, WAIT_S)


async def use(cuid):
    terminal = Terminal(cuid)
    await terminal.connect(cols=120, rows=40)
    await terminal.line("stty size", "40 120\r\n")
    await terminal.resize(cols=100, rows=30)
    await terminal.line("stty size", "30 100\r\n")
    await terminal.line("pwd; id -u", "/app\r\n1000\r\n")
    await terminal.line("printf '\\303\\251t\\303\\251 %s\\n' $CONTAINER_UID", f"été {cuid}\r\n")
    for name, code in (("INT", 130), ("TERM", 143), ("KILL", 137)):
        await terminal.line("sh -c \"echo be''gun; exec sleep 600\"", "begun\r\n")
        await terminal.signal(name)
        await terminal.line("echo code=$?", f"code={code}\r\n")
    await terminal.send("nonsense")
    await terminal.until(lambda: terminal.others)
    await terminal.type("echo last' 'words; exit 3\n")
    await terminal.finished()
    saw("use", shown=terminal.shown, others=terminal.others, code=terminal.code,
        close_code=terminal.close_code)


async def follow(cuid):
    """As a reader of a log that grows."""
    terminal = Terminal(cuid)
    await terminal.connect()
    await terminal.line("mkdir -p logs; echo fir''st > logs/app.log; tail -f logs/app.log", "first")
    writer = Terminal(cuid)
    await writer.connect()
    await writer.type("echo second >> logs/app.log; exit\n")
    await writer.finished()
    await terminal.until(lambda: "second\r\n" in terminal.shown)
    await terminal.send("close")
    await terminal.finished()
    saw("follow", writer_code=writer.code, close_code=terminal.close_code)


async def knock(cuid):
    terminal = Terminal(cuid)
    await terminal.connect()
    await terminal.finished()
    saw("stopped", others=terminal.others, close_code=terminal.close_code)


async def main(cuid, stopped):
    await use(cuid)
    await follow(cuid)
    await knock(stopped)


asyncio.run(main(*sys.argv[1:]))
