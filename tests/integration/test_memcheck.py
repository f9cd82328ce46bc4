# SPDX-License-Identifier: MIT
"""The program as it is installed, under valgrind: what it leaks, and what it leaves open."""

import pathlib
import re
import signal

from harness import wait_until
from test_api_memory import CHANGES, READS

ROOT = pathlib.Path(__file__).resolve().parents[2]
BERTH = ROOT / "build" / "berth"
VALGRIND = ["valgrind", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            "--track-fds=yes", "--fair-sched=yes", "--num-callers=30", "--error-exitcode=99"]
MEMORY = {"backend": "memory", "memory_apps": 3}


def test_nothing_is_leaked_or_left_open(gateway):
    berth = gateway({"demo": MEMORY, "left": MEMORY}, start=False, binary=BERTH,
                    settings={"gateway": {"worker_threads": 16}})
    report = berth.directory / "valgrind"
    berth.program = [*VALGRIND, f"--log-file={report}"]
    berth.start()
    admin = berth.admin
    ana = berth.user("ana", demo="researcher", left="viewer")

    for client in (admin, ana, berth.anyone):
        for path in ("/", "/livez", "/readyz", "/health", "/healthz", "/nowhere"):
            client.get(path)
    assert admin.post("/demo/approve-image", image="demo", wait="yes").status == 200
    assert ana.post("/demo/create-app", image="demo", user="ana").status == 200
    with ana.watch("/demo/watch") as watcher, \
            ana.watch("/demo/get-app-logs?name=demo--ana&follow=yes") as log:
        watcher.until("ready")
        assert log.status == 200
        asked = {"name": "demo--ana", "image": "demo", "user": "ana", "duration": "day",
                 "reason": "none", "hostname": admin.get("/demo/get-node-names").json[0]}
        for client in (admin, ana):
            for endpoint in READS:
                client.get(f"/demo/{endpoint}", **asked)
                client.get(f"/demo/{endpoint}")
        for endpoint in CHANGES:
            ana.post(f"/demo/{endpoint}", {"Idempotency-Key": f"key-{endpoint}"}, **asked)
            ana.post(f"/demo/{endpoint}", {"Idempotency-Key": f"key-{endpoint}"}, **asked)
            admin.post(f"/demo/{endpoint}", **asked)
        berth.configure({"demo": {**MEMORY, "image_policy": "open"}, "new": MEMORY},
                        {"gateway": {"data_dir": berth.data, "worker_threads": 16,
                                     "listen": f"127.0.0.1:{berth.port}"}})
        berth.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "was loaded:" in berth.errors, 60, "the reload")
        assert admin.get("/new/get-app-status").status == 200
        assert admin.get("/left/get-app-status").status == 400
    berth.stop()

    said = report.read_text()
    assert "ERROR SUMMARY: 0 errors" in said, said
    opened = re.findall(r"Open .*\n(?:==\d+==    .*\n)*", said)
    assert [one for one in opened if "inherited from parent" not in one] == [], said
