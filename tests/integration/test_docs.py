# SPDX-License-Identifier: MIT
"""The examples of the documentation, run against a gateway as the quickstart leaves it.

tests/harness/transcript.py says how pages are written; what a block may need is in `meet`.
"""

import os
import pathlib
import re
import subprocess

import pytest

from harness import BINARY, wait_until
from harness.transcript import Shell, agrees, blocks
from lab import Rootfs, compose

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = (ROOT / "docs/facility-api.md").read_text()
CONTAINERS = (ROOT / "docs/containers-api.md").read_text()
MINIRUN = (ROOT / "docs/minirun-api.md").read_text()
ADMIN = {"APP_USER": "admin", "APP_PASS": "admins-password"}
ROLES = ("viewer", "researcher", "operator", "admin")


class Reader:
    """Follows a page, in a directory that looks like the project's after scripts/quickstart."""

    def __init__(self, gateway, engine, directory, places=None):
        self._places = places or {}  # {path on a page: the one that is there}
        self._gateway = gateway
        self._engine = engine
        home = directory / "build/quickstart"
        home.mkdir(parents=True)
        (directory / "build/berth").symlink_to(BINARY)
        (home / "url").write_text(f"http://127.0.0.1:{gateway.port}\n")
        (home / "password").write_text(ADMIN["APP_PASS"])
        (home / "berth.conf").symlink_to(gateway.config)
        variables = {name: os.environ[name] for name in os.environ if "SAN_OPTIONS" in name}
        self._shell = Shell(directory, {"PATH": "/usr/bin:/bin", "HOME": str(directory),
                                        "TZ": "UTC0", **variables})

    def follow(self, page):
        """Returns what is wrong with the page, or ''."""
        wrong = []
        for block in blocks(page):
            if block.language == "ini":
                wrong += self._check_configuration(block)
            elif block.language in ("console", "sh"):
                undo = self.meet(block.needs)
                wrong += self._run(block)
                undo()
        return "\n\n".join(wrong)

    def meet(self, needs):
        """Sees to what the block needs; returns what ends that."""
        if not needs:
            return lambda: None
        if needs == "the engine does not answer":
            self._engine.freeze()
            self._wait_for(503)
            return lambda: (self._engine.thaw(), self._wait_for(200))
        if needs == "the engine has told of demo--ana's resources":
            wait_until(lambda: self._admin.get("/demo/get-app-stats", name="demo--ana").status == 200)
            return lambda: None
        if needs == "demo--ana has printed ready":
            wait_until(lambda: "ready" in self._admin.get("/demo/get-app-logs", name="demo--ana").text)
            return lambda: None
        setting = re.fullmatch(r"\[(\w+)\] (.*)", needs)
        assert setting, f"no test knows how to see to: {needs}"
        before = self._gateway.config.read_text()
        lines = setting[2].replace(", ", "\n")
        self._restart(f"{before}\n[{setting[1]}]\n{lines}\n")
        return lambda: self._restart(before)

    def close(self):
        self._shell.close()

    def _run(self, block):
        wrong = []
        for command, shown in block.commands:
            status, printed = self._shell.run(command, must_succeed=shown is None)
            if shown is None and status != 0:
                wrong.append(f"line {block.line}: $ {command}\nfailed ({status}):\n{printed}")
            elif shown is not None and not agrees(shown, printed):
                wrong.append(f"line {block.line}: $ {command}\n{printed}\n-- but the page shows:\n"
                             f"{shown}")
        return wrong

    def _check_configuration(self, block):
        path = self._gateway.directory / "example.conf"
        text = block.text
        for place, real in self._places.items():
            text = text.replace(place, str(real))
        path.write_text(text)
        done = subprocess.run([BINARY, "check-config", "--config", path], capture_output=True,
                              text=True)
        return [f"line {block.line}: {done.stderr}"] if done.returncode else []

    def _restart(self, configuration):
        self._gateway.config.write_text(configuration)
        self._gateway.stop()
        self._gateway.start()
        self._wait_for(200)

    def _wait_for(self, status):
        wait_until(lambda: self._admin.get("/demo/get-app-names").status == status)

    @property
    def _admin(self):
        return self._gateway.client(ADMIN["APP_USER"], ADMIN["APP_PASS"])


@pytest.fixture
def berth(engine, gateway):
    """As scripts/quickstart leaves it: demo, its image approved, and the administrator's app."""
    engine.push("berth/demo", "httpd:2.4")
    engine.docker("tag", "berth/demo", "demo")
    engine.docker("rmi", "berth/demo")
    berth = gateway({"demo": {"engine": engine.url}}, environment=ADMIN)
    admin = berth.client(ADMIN["APP_USER"], ADMIN["APP_PASS"])
    assert admin.post("/demo/approve-image", image="demo", wait="yes").status == 200
    assert admin.post("/demo/create-app", image="demo", user="admin").status == 200
    assert admin.post("/demo/start-app", name="demo--admin").status == 200
    yield berth
    engine.docker("tag", "demo", "berth/demo")
    engine.api("DELETE", "/images/demo")


@pytest.fixture
def reader(berth, engine, tmp_path):
    reader = Reader(berth, engine, tmp_path)
    yield reader
    reader.close()


@pytest.mark.parametrize("page", ["README.md", "docs/facility-api.md"])
def test_a_page_is_right(reader, page):
    text = (ROOT / page).read_text()
    assert any(block.commands for block in blocks(text) if block.language != "ini")
    wrong = reader.follow(text)
    assert not wrong, f"{page}\n{wrong}"


@pytest.fixture
def lab_reader(engine, gateway, tmp_path):
    """Follows the containers' page: lab, with the image that it names."""
    engine.import_python_image("python:3.12-slim")
    berth = gateway({"lab": {"backend": "compose", "engine": engine.url, "image_policy": "open",
                             "compose": compose()}}, environment=ADMIN)
    reader = Reader(berth, engine, tmp_path)
    yield reader
    reader.close()


def test_the_page_of_containers_is_right(lab_reader):
    wrong = lab_reader.follow(CONTAINERS)
    assert not wrong, wrong


@pytest.fixture
def roots_reader(gateway, tmp_path):
    """Follows MiniRun's page: lab at the root, a root file system of busybox."""
    with Rootfs() as roots:
        berth = gateway({"lab": {"backend": "rootfs", "auth": "open", "rootfs": roots.add("myroot")}},
                        settings={"gateway": {"root_facility": "lab"}})
        reader = Reader(berth, None, tmp_path, {"/srv/roots/myroot": roots.root / "myroot"})
        yield reader
        reader.close()
        berth.stop()


def test_the_page_of_minirun_is_right(roots_reader):
    wrong = roots_reader.follow(MINIRUN)
    assert not wrong, wrong


@pytest.mark.parametrize("family, item", [("containers", "CUID"), ("MiniRun", "NAME")])
def test_the_table_of_containers_has_every_endpoint(trial, family, item):
    page = {"containers": CONTAINERS, "MiniRun": MINIRUN}[family]
    text = trial.anyone.get("/").text.partition(f"The {family} API")[2].partition("\nThe ")[0]
    served = re.findall(r"^  ([A-Z]+) +/FACILITY/(\S*)", text, re.MULTILINE)
    listed = re.findall(r"^\| ([A-Z]+) \[`([a-z/{}-]+)`\]\(#[a-z-]+\) \|", page, re.MULTILINE)
    assert sorted((method, path.removeprefix("/")) for method, path in listed) == sorted(
        (method, path.replace(item, f"{{{item.lower()}}}")) for method, path in served)
    assert all(re.search(rf"^##+ {anchor.replace('-', '[ -]')}$", page,
                         re.MULTILINE | re.IGNORECASE)
               for anchor in re.findall(r"\]\(#([a-z-]+)\)", page))


# The page against the program's own table of endpoints


def rows_of(page):
    """{endpoint: (method, parameters, least role)} of the page's table."""
    pattern = r"^\| (GET|POST) \[`([a-z-]+/?)`\]\(#[a-z-]+\) \|(.*)\| (\w+) \|$"
    return {name: (method, set(re.findall(r"`([a-z_]+)`", params)), role)
            for method, name, params, role in re.findall(pattern, page, re.MULTILINE)}


def outline(client):
    """{endpoint: (method, parameters)} of the facility API, as `/` lists them."""
    text = client.get("/").text.partition("The containers API")[0]
    lines = re.findall(r"^  (GET|POST) +/FACILITY/(\S+?)(?:APP)? +(.*)$", text, re.MULTILINE)
    return {name: (method, set(re.findall(r"([a-z_]+)=[A-Z]", summary)) |
                   set(re.findall(r"([a-z]+)=(?:yes|hour)", summary)))
            for method, name, summary in lines}


@pytest.fixture
def trial(gateway):
    return gateway({"demo": {"backend": "memory"}})


def test_the_table_has_every_endpoint(trial):
    listed = {name: row[:2] for name, row in rows_of(API).items()}
    assert listed == outline(trial.anyone)


def test_every_endpoint_has_a_section_with_an_example(trial):
    for name in outline(trial.anyone):
        section = re.search(rf"^### {name}\n(.*?)^##", API, re.MULTILINE | re.DOTALL)
        assert section, f"### {name} is missing"
        assert any(f"$B/demo/{name}" in command for block in blocks(section[1])
                   for command, _ in block.commands), f"{name} has no example"


def test_the_table_has_the_least_role(trial):
    clients = [trial.user(f"one-{role}", demo=role) for role in ROLES]
    for name, (method, _, least) in rows_of(API).items():
        asked = "HEAD" if method == "GET" else method  # of which watch has an end
        allowed = [client.user.removeprefix("one-") for client in clients
                   if client.request(asked, f"/demo/{name}").status != 403]
        assert allowed == list(ROLES[ROLES.index(least):]), name


@pytest.mark.parametrize("shown, printed, right", [
    ("Success", "Success", True),
    ("Success", "Success!", False),
    ("", "Success", False),
    ("Up … ago", "Up 3 seconds ago", True),
    ("Up … ago", "Up 3\nseconds ago", False),
    ("a.c", "abc", False),
    ("a\n…\nd", "a\nb\nc\nd", True),
    ("a\n…\nd", "a\nd", True),
    ("a\n…\nd", "a\nb\nc", False),
    ("a\n…", "a\nb", True),
    ("a\n…", "b\nb", False),
    ('{\n  "a": 1\n}', '{"a":1}', True),
    ('{"a": 1}', '{"a":"1"}', False),
    ('{"a": 1}', '{"a":true}', False),
    ('{"a": 1}', '{"a":1,"b":2}', False),
    ('{"a": 1, "b": 2}', '{"a":1}', False),
    ('{"a": 1, "b": 2}', '{"b":2,"a":1}', False),
    ('{"a": …}', '{"a":{"b":1}}', True),
    ('{"a": …}', '{"b":1}', False),
    ('{"b": 2, …}', '{"a":1,"b":2,"c":3}', True),
    ('{"b": 2, …}', '{"a":1,"b":3}', False),
    ('{"…T…": true}', '{"2026-11-22T13:40:00":true}', True),
    ('{"…T…": true}', '{"2026-11-22":true}', False),
    ('[{"a": "x…"}, …]', '[{"a":"xyz"},1,2]', True),
    ('[{"a": "x…"}, …]', '[{"a":"yz"},1,2]', False),
    ('["a", "…"]', '["a"]', False),
    ("[]", '["a"]', False),
    ("{}", "not JSON", False),
])
def test_a_wrong_example_is_noticed(shown, printed, right):
    assert agrees(shown, printed) == right
