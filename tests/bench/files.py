# SPDX-License-Identifier: MIT
"""Uploads and downloads of files against bsdtar on the same archive."""

import contextlib
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile

from tools import row, rss_mib, timed

from harness import Gateway
from lab import compose

ROUNDS = 5  # by turns: the median counts
APP = "berth_demo--ana"


def make_tree(folder):
    """1,000 small files, a large one, and one that does not pack; about 50 MiB of text and noise."""
    words = [f"word{number}" for number in range(5000)]
    text = " ".join(random.Random(1).choices(words, k=150_000))
    for number in range(1000):
        path = folder / f"d{number % 10}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text[number * 1000:number * 1000 + 20_000])
    with open(folder / "large.txt", "w") as file:
        for number in range(24):
            file.write(text[number * 1000:])
    (folder / "noise.bin").write_bytes(random.Random(2).randbytes(8 << 20))


@contextlib.contextmanager
def container(engine, directory):
    """A gateway, the URL of a container's files and their folder."""
    berth = Gateway(directory / "gateway", facilities={"demo": {
        "backend": "compose", "compose": compose(), "engine": engine.url, "image_policy": "open",
        "auth": "open"}})
    with berth:
        made = berth.anyone.post("/demo/create-app", image="berth/demo", user="ana")
        assert made.status == 200, made
        (project,) = (berth.data / "demo").glob("c*")
        url = f"http://127.0.0.1:{berth.port}/demo/containers/{project.name}"
        yield berth, url, project / "mount"
        assert berth.anyone.post("/demo/delete-app", name=APP).status == 200


def curl(*args):
    subprocess.run(["curl", "--fail", "--silent", "--output", *args], check=True)


def compare(what, own, gate, megabytes):
    """By the medians: how fast bsdtar is, and how fast the gateway in that."""
    own_ms, gate_ms = statistics.median(own), statistics.median(gate)
    row(f"{what}, {megabytes:.0f} MiB in 1,002 files, against bsdtar ({own_ms:.0f} ms)",
        f"{own_ms / gate_ms:.2f} × ({gate_ms:.0f} ms)", "0.8 ×", own_ms / gate_ms >= 0.8)


def bench_files(engine):
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        tree, archive = directory / "tree", directory / "tree.zip"
        make_tree(tree)
        size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) / (1 << 20)
        pack = ["bsdtar", "--format", "zip", "-cf"]
        subprocess.run([*pack, archive, "-C", tree, "."], check=True)
        with container(engine, directory) as (berth, url, mount):
            before = rss_mib(berth.process.pid)
            own, gate = {"up": [], "down": []}, {"up": [], "down": []}
            for _ in range(ROUNDS):
                unpacked = directory / "unpacked"
                unpacked.mkdir()
                # What an upload has answered is on the disk; bsdtar leaves that to others.
                own["up"].append(timed(lambda: (
                    subprocess.run(["bsdtar", "-xf", archive, "-C", unpacked], check=True),
                    subprocess.run(["sync", "--file-system", unpacked], check=True)))[0])
                shutil.rmtree(unpacked)
                for path in mount.iterdir():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                gate["up"].append(timed(lambda: curl(
                    directory / "said", "--header", "Expect:", "--data-binary", f"@{archive}",
                    f"{url}/upload-zip"))[0])
                own["down"].append(timed(lambda: subprocess.run(
                    [*pack, directory / "own.zip", "-C", mount, "."], check=True))[0])
                gate["down"].append(timed(lambda: curl(
                    directory / "gate.zip", f"{url}/download-zip"))[0])
            compare("upload-zip", own["up"], gate["up"], size)
            compare("download-zip", own["down"], gate["down"], size)
            grown = rss_mib(berth.process.pid) - before
            row(f"resident memory after {2 * ROUNDS} of these", f"+{grown:.0f} MiB", "16 MiB",
                grown <= 16)
