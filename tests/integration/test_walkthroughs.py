# SPDX-License-Identifier: MIT
"""docs/adding-an-endpoint.md and docs/adding-a-backend.md, done as they say.

Only what changes is compiled, with the commands of the build that is tested, and linked with the
rest of that build.
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

from harness import BINARY

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(BINARY).resolve().parent
LAYERS = ("base", "backends", "facilities", "gateway")


class Tree:
    """A copy of the sources that are concerned, in which a page's changes are made."""

    def __init__(self, directory, page):
        self._root = directory
        self._build = directory / "build"
        for name in (*LAYERS, "tests/conformance"):
            shutil.copytree(ROOT / name, directory / name)
        self._build.mkdir()
        for name in (*LAYERS, "tests", "berth.p", "subprojects"):
            (self._build / name).symlink_to(BUILD / name)
        (directory / "subprojects").symlink_to(ROOT / "subprojects")
        diffs = re.findall(r"^```diff\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
        done = subprocess.run(["patch", "-p1", "--no-backup-if-mismatch"], cwd=directory,
                              input="".join(diffs), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        self._changed = [name for diff in diffs
                         for name in re.findall(r"^\+\+\+ b/(\S+\.c)$", diff, re.MULTILINE)]

    def link(self, target):
        """Compiles what was changed and links it into that program of the build."""
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        compiled = {pathlib.Path(entry["file"]).relative_to("..").as_posix(): entry["command"]
                    for entry in commands if entry["file"].startswith("../")}
        objects = {}
        for name in self._changed:
            like = name if name in compiled else next(
                known for known in compiled if known.split("/")[0] == name.split("/")[0])
            words = shlex.split(compiled[like])
            old = words[words.index("-o") + 1]
            new = f"{len(objects)}.o"
            flags = words[:words.index("-MD")]
            self._run([*flags, "-o", new, "-c", f"../{name}"])
            objects[old if name in compiled else new] = new
        last = subprocess.run(["ninja", "-t", "commands", target], cwd=BUILD, check=True,
                              capture_output=True, text=True).stdout.splitlines()[-1]
        # What is linked by name comes before the libraries that have the same in them.
        words = [word for word in shlex.split(last) if word not in objects]
        words[words.index("-o") + 1] = "program"
        self._run([words[0], *objects.values(), *words[1:]])
        return self._build / "program"

    def _run(self, command):
        done = subprocess.run(command, cwd=self._build, capture_output=True, text=True)
        assert done.returncode == 0 and "warning" not in done.stderr, done.stderr


def follow(directory, page, target):
    return Tree(directory, (ROOT / "docs" / page).read_text()).link(target)


def test_an_endpoint_is_added(tmp_path, gateway):
    program = follow(tmp_path, "adding-an-endpoint.md", "berth")
    berth = gateway({"demo": {"backend": "memory", "image_policy": "open", "memory_apps": "3"}},
                    binary=str(program))
    ana = berth.user("ana", demo="viewer")
    assert berth.admin.get("/demo/get-app-count").json == {"count": 3}
    assert ana.get("/demo/get-app-count").json == {"count": 0}
    assert "/FACILITY/get-app-count" in berth.anyone.get("/").text


def test_a_backend_is_added(tmp_path):
    page = (ROOT / "docs/adding-a-backend.md").read_text()
    program = follow(tmp_path, "adding-a-backend.md", "tests/conformance/conformance")
    nowhere = {name: "nowhere" for name in
               ("BERTH_TEST_ENGINE", "BERTH_TEST_IMAGE", "BERTH_TEST_PULL")}
    done = subprocess.run([program], capture_output=True, text=True, env={
        **os.environ, **nowhere, "BERTH_TEST_BACKEND": "toy", "CK_RUN_CASE": "table"})
    said = re.search(r"toy lacks .*", done.stdout)
    assert said, done.stdout
    assert said[0] in page
