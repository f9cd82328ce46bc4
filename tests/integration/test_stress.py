# SPDX-License-Identifier: MIT
"""Everything at once: what a sanitizer says of it, and what is there after a restart."""

import contextlib
import http.client
import random
import re
import signal
import threading
import time

from test_api_memory import READS, VERBS

SECONDS = 12
USERS = ("ana", "bob", "eva")
IMAGES = ("demo", "jupyter", "tool")
MEMORY = {"backend": "memory", "memory_apps": 5, "memory_delay_ms": 1, "max_apps_per_user": 50}
GONE = (OSError, http.client.HTTPException)  # the gateway is stopping


class Load:
    """Threads that do the same again and again, until they are told to end."""

    def __init__(self):
        self.stopping = threading.Event()  # the gateway is: it may cut
        self.ending = threading.Event()
        self.failures = []
        self.done = 0
        self._threads = []

    def add(self, work, *args):
        """work(load, random, *args) is called until the end."""
        seed = f"{work.__name__}{args}"
        thread = threading.Thread(target=self._run, args=(work, random.Random(seed), args))
        self._threads.append(thread)
        thread.start()

    def end(self):
        self.ending.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert not self.failures, self.failures[:3]

    def _run(self, work, chance, args):
        while not self.ending.is_set():
            try:
                work(self, chance, *args)
                self.done += 1
            except GONE as failure:
                if not self.stopping.is_set():
                    self.failures.append((work.__name__, repr(failure)))
                    return
                self.ending.wait(0.05)
            except AssertionError as failure:
                if not self.stopping.is_set():
                    self.failures.append((work.__name__, str(failure)))
                return


def check(answer, *more):
    """The domain may say no; the gateway must not have broken."""
    assert answer.status in (200, 202, 400, 401, 403, 404, 409, 422, 503, *more), answer
    return answer


def read(load, chance, client):
    facility = chance.choice(("demo", "other", "passing"))
    params = {"name": f"{chance.choice(IMAGES)}--{chance.choice(USERS)}", "duration": "hour",
              "hostname": "memory"}
    if chance.random() < 0.5:
        params.pop("name")
    check(client.get(f"/{facility}/{chance.choice(READS)}", **params))


def change(load, chance, client):
    facility = chance.choice(("demo", "other", "passing"))
    image, user = chance.choice(IMAGES), chance.choice(USERS)
    name = f"{image}--{user}"
    verb = chance.choice((*VERBS, "create", "create", "create", "delete", "hard-reset"))
    params = {"image": image, "user": user} if verb == "create" else {"name": f"{name},demo--ana"}
    headers = {"Idempotency-Key": f"key-{chance.randrange(50)}"} if chance.random() < 0.3 else None
    check(client.post(f"/{facility}/{verb}-app", headers, **params))


def approve(load, chance, admin, client):
    image = f"{chance.choice(IMAGES)}:{chance.randrange(20)}"
    facility = chance.choice(("demo", "passing"))
    check(client.post(f"/{facility}/request-image", image=image))
    verb = chance.choice(("approve", "approve", "reject", "remove"))
    wait = {"wait": "yes"} if verb == "approve" and chance.random() < 0.3 else {}
    check(admin.post(f"/{facility}/{verb}-image", image=image, reason="none", **wait), 502)


def follow(load, chance, client, path):
    with contextlib.suppress(TimeoutError), client.watch(path) as watcher:
        for _ in range(chance.randrange(1, 30)):
            if watcher.status != 200 or watcher.next(0.5) is None:
                return


def follow_log(load, chance, client):
    with client.watch("/demo/get-app-logs?name=demo--ana&follow=yes") as log:
        assert log.status < 500 or log.status == 503, log.status


def make_tokens(load, chance, berth):
    """Command line, so slow: a process each."""
    token = berth.cli("token", "create", "eva").strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert check(berth.anyone.get("/demo/get-app-names", headers)).status in (200, 401, 403)
    ids = re.findall(r"^(\d+)", berth.cli("token", "list", "eva"), re.MULTILINE)
    berth.run("token", "revoke", chance.choice(ids))
    berth.run("user", chance.choice(("grant", "revoke")), "bob", "demo",
              *chance.choice((["researcher"], [])))


def reload(load, chance, berth, process, settings):
    facilities = {"demo": {**MEMORY, "max_apps_per_user": chance.randrange(20, 50)},
                  "other": {**MEMORY, "image_policy": chance.choice(("open", "approval"))}}
    if chance.random() < 0.5:
        facilities["passing"] = {**MEMORY, "image_policy": "open",
                                 "memory_apps": chance.randrange(10)}
    if chance.random() < 0.5:  # no engine is there: contact is sought again and again
        facilities["away"] = {"engine": f"unix://{berth.directory}/no-engine"}
    berth.configure(facilities, settings)
    said = berth.errors.count("was loaded:")
    process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 60
    while berth.errors.count("was loaded:") == said:
        assert time.monotonic() < deadline and not load.stopping.is_set(), "no reload"
        time.sleep(0.02)
    load.ending.wait(0.1)


def test_everything_at_once(gateway):
    settings = {"gateway": {"worker_threads": 48}, "uptime": {"sample_interval_s": 1}}
    facilities = {"demo": MEMORY, "other": MEMORY, "passing": {**MEMORY, "image_policy": "open"}}
    berth = gateway(facilities, settings=settings)
    settings["gateway"] |= {"data_dir": berth.data, "listen": f"127.0.0.1:{berth.port}"}
    admin = berth.admin
    users = [berth.user(name, demo="researcher", other="researcher", passing="researcher")
             for name in USERS]
    for facility in ("demo", "other"):
        for image in IMAGES:
            admin.post(f"/{facility}/approve-image", image=image, wait="yes")

    load = Load()
    for client in (admin, *users):
        load.add(read, client.again())
        load.add(change, client.again())
        load.add(follow, client.again(), "/demo/watch")
    load.add(follow, admin.again(), "/passing/watch")
    load.add(follow_log, users[0].again())
    load.add(approve, admin.again(), users[2].again())
    load.add(make_tokens, berth)
    load.add(reload, berth, berth.process, settings)
    try:
        load.ending.wait(SECONDS)
    finally:
        load.stopping.set()
        process, berth.process = berth.process, None
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        load.end()
    assert code == 0, berth.errors
    berth.check_errors()
    assert load.done > 100

    berth.configure({"demo": MEMORY, "other": MEMORY}, settings)
    berth.start()
    for facility in ("demo", "other"):
        requests = berth.admin.get(f"/{facility}/get-image-requests").json
        assert requests and {one["state"] for one in requests} <= {
            "pending", "pulling", "approved", "rejected", "failed", "removed"}, requests
    assert berth.as_user("ana").get("/demo/get-app-names").status == 200
