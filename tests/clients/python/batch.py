# SPDX-License-Identifier: MIT
"""Several containers made at the same time (aiohttp)."""

import asyncio

import aiohttp
from account import BASE_URL, headers, saw

IMAGES = ["nginx:alpine", "redis:alpine", "postgres:alpine"]


class Client:
    async def __aenter__(self):
        self.session = aiohttp.ClientSession(headers=headers())
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def at_once(self, method, paths, bodies):
        """The status and the answer of each."""
        responses = await asyncio.gather(
            *(self.session.request(method, f"{BASE_URL}/containers{path}", json=body)
              for path, body in zip(paths, bodies)))
        return [(response.status, await response.json()) for response in responses]


async def main():
    async with Client() as client:
        made = await client.at_once("POST", [""] * 3, [{"image": image} for image in IMAGES])
        saw("create", answers=made)
        paths = [f"/{container['cuid']}" for _, container in made]
        saw("delete", answers=await client.at_once("DELETE", paths, [None] * 3))


asyncio.run(main())
