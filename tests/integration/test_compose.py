# SPDX-License-Identifier: MIT
"""Backend compose on a real engine: what is in a project's folder, and what an end in the middle,
of the gateway or of Docker Compose, leaves of it."""

import json
import pathlib
import subprocess
import time
import zipfile

import pytest

from harness import Gateway, clear_engine, wait_until
from lab import Engine, compose

IMAGE = "berth/demo"

# Docker Compose that begins to create when told so, and ends as it is told.
PROGRAM = """#!/bin/sh
case " $* " in
*" create "*)
    touch {folder}/began
    while [ -e {folder}/hold ]; do sleep 0.05; done
    {compose} "$@" || exit
    [ ! -e {folder}/fail ] || {{ echo 'made, and failed' >&2; exit 1; }} ;;
*) exec {compose} "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def engine():
    with Engine("26.1") as engine:
        engine.import_image(IMAGE)
        yield engine


class Facility:
    """A gateway with one facility on the engine, and what it has there."""

    def __init__(self, engine, folder):
        self.engine = engine
        self.folder = folder
        program = folder / "docker-compose"
        program.write_text(PROGRAM.format(folder=folder, compose=compose()))
        program.chmod(0o755)
        self.berth = Gateway(folder / "gateway", {"demo": {
            "backend": "compose", "engine": engine.url, "auth": "open", "image_policy": "open",
            "compose": program, "default_user_uid": "1000:1000"}})

    def __enter__(self):
        self.berth.start()
        return self

    def __exit__(self, *_):
        self.berth.stop()
        clear_engine(self.engine)

    def post(self, verb, **params):
        return self.berth.anyone.post(f"/demo/{verb}-app", **params)

    def create(self, user="ana"):
        answer = self.post("create", image=IMAGE, user=user)
        assert answer.status == 200, answer
        return f"berth_demo--{user}"

    def state(self, name):
        answer = self.berth.anyone.get("/demo/get-app-status", name=name)
        return answer.json["State"] if answer.status == 200 else None

    @property
    def projects(self):
        return sorted((self.berth.data / "demo").glob("c*"))

    def containers(self):
        return self.engine.docker("ps", "--all", "--no-trunc", "--quiet").split()

    def inspect(self, name):
        return json.loads(self.engine.docker("inspect", name))[0]

    def restart(self):
        self.berth.kill()
        self.berth.start()


@pytest.fixture
def demo(engine, tmp_path):
    with Facility(engine, tmp_path) as demo:
        yield demo


def test_an_app_is_a_project_that_people_can_use(demo):
    name = demo.create()
    assert demo.post("start", name=name).status == 200
    (project,) = demo.projects
    assert sorted(path.name for path in project.iterdir()) == ["compose.yaml", "mount"]
    assert (project.stat().st_mode & 0o777, (project / "mount").stat().st_uid) == (0o700, 1000)
    # The command that people know finds what the file says as it is there: nothing is to be done.
    done = subprocess.run([compose(), "up", "--detach", "--no-recreate"], cwd=project, check=True,
                          env={"DOCKER_HOST": demo.engine.url, "HOME": str(demo.folder)},
                          capture_output=True, text=True)
    assert "Running" in done.stderr and len(demo.containers()) == 1
    demo.engine.docker("exec", name, "sh", "-c", "echo mine > /app/file")
    assert (project / "mount/file").read_text() == "mine\n"
    assert (project / "mount/file").stat().st_uid == 1000


def test_rows_are_those_of_docker(demo):
    for user, verbs in {"ana": ["start"], "ben": [], "eva": ["start", "pause"]}.items():
        name = demo.create(user)
        for verb in verbs:
            assert demo.post(verb, name=name).status == 200

    def sorted_row(row):
        return {**row, "Labels": sorted(row["Labels"].split(","))}

    def agree():
        rows = [json.loads(line) for line in
                demo.engine.docker("ps", "--all", "--format", "json").split("\n")]
        answer = demo.berth.anyone.get("/demo/get-app-status")
        return answer.status == 200 and list(map(sorted_row, rows)) == list(map(
            sorted_row, answer.json))

    wait_until(agree)  # "Up 1 second" moves


def test_reset_and_delete_clear_the_mount(demo):
    name = demo.create()
    (project,) = demo.projects
    (project / "mount/deep").mkdir()
    (project / "mount/deep/file").write_text("x")
    (project / "mount/out").symlink_to("/etc")
    assert demo.post("hard-reset", name=name).status == 200
    assert demo.projects == [project] and not list((project / "mount").iterdir())
    assert (project / "mount").stat().st_uid == 1000
    networks = demo.engine.docker("network", "ls", "--quiet")
    (project / "mount/file").write_text("x")
    assert demo.post("delete", name=name).status == 200
    assert (demo.projects, demo.containers()) == ([], [])
    assert demo.engine.docker("network", "ls", "--quiet") == networks


def test_a_restart_of_the_gateway_takes_over_what_runs(demo):
    name = demo.create()
    assert demo.post("start", name=name).status == 200
    before = demo.inspect(name)
    demo.restart()
    assert demo.state(name) == "running"
    assert demo.inspect(name)["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert demo.post("stop", name=name).status == 200


def test_a_container_that_somebody_has_removed_is_made_again(demo):
    name = demo.create()
    (project,) = demo.projects
    (project / "mount/file").write_text("kept")
    demo.berth.stop()
    demo.engine.docker("rm", "--force", name)
    demo.berth.start()
    wait_until(lambda: demo.state(name) == "created")
    assert (project / "mount/file").read_text() == "kept"
    # While the gateway runs, an app that is removed is one no more; its files stay.
    demo.engine.docker("rm", "--force", name)
    wait_until(lambda: demo.berth.anyone.get("/demo/get-app-names").text == "[]")
    assert demo.projects == [project]


def test_a_gateway_killed_while_it_creates_leaves_nothing(demo):
    hold = demo.folder / "hold"
    hold.touch()
    began = demo.folder / "began"
    slow = subprocess.Popen(
        ["curl", "--silent", "--request", "POST",
         f"http://127.0.0.1:{demo.berth.port}/demo/create-app?image={IMAGE}&user=ana"])
    wait_until(began.exists)
    demo.berth.kill()
    slow.wait()
    assert len(demo.projects) == 1
    demo.berth.start()  # Compose is still at it: what it works on is not touched
    assert len(demo.projects) == 1
    hold.unlink()
    wait_until(lambda: (demo.projects, demo.containers()) == ([], []))
    demo.create()


def test_a_creation_that_fails_halfway_leaves_nothing(demo):
    (demo.folder / "fail").touch()
    answer = demo.post("create", image=IMAGE, user="ana")
    assert (answer.status, "made, and failed" in answer.text) == (502, True), answer
    assert (demo.projects, demo.containers()) == ([], [])
    (demo.folder / "fail").unlink()
    demo.create()


def interrupt_change(demo, before, replace, by):
    """What a gateway leaves that is killed as soon as it has written the new file."""
    (project,) = demo.projects
    demo.berth.kill()
    file = project / "compose.yaml"
    (project / f".before-{before}").hardlink_to(file)
    new = pathlib.Path(f"{file}.new")
    new.write_text(file.read_text().replace(replace, by))
    new.replace(file)
    return project


def settled(demo, project):
    return not list(project.glob(".before-*")) and len(demo.containers()) == 1


def test_a_change_that_was_cut_short_is_made(demo):
    name = demo.create()
    assert demo.post("start", name=name).status == 200
    project = interrupt_change(demo, "running", "TAGS: ''", "TAGS: 'new'")
    # Compose, cut short in its turn, has left one under a name of its own.
    demo.engine.docker("create", "--name", f"0123_{name}", "--label",
                       f"com.docker.compose.project={project.name}", IMAGE)
    demo.berth.start()
    wait_until(lambda: settled(demo, project))
    wait_until(lambda: demo.state(name) == "running")
    assert "TAGS=new" in demo.inspect(name)["Config"]["Env"]


def test_a_change_that_cannot_be_made_is_undone(demo):
    name = demo.create()
    assert demo.post("start", name=name).status == 200
    project = interrupt_change(demo, "running", "image: 'berth/demo", "image: 'nobody/has")
    demo.engine.docker("rm", "--force", name)  # that was as far as it came
    demo.berth.start()
    wait_until(lambda: settled(demo, project))
    wait_until(lambda: demo.state(name) == "running")
    assert "nobody/has" not in (project / "compose.yaml").read_text()


def test_without_docker_compose_apps_are_still_seen_and_operated(demo):
    name = demo.create()
    (demo.folder / "docker-compose").rename(demo.folder / "away")
    answer = demo.post("create", image=IMAGE, user="ben")
    assert (answer.status, "Docker Compose" in answer.text) == (503, True), answer
    assert demo.post("start", name=name).status == 200
    assert demo.state(name) == "running"
    (demo.folder / "away").rename(demo.folder / "docker-compose")
    demo.create("ben")


def test_check_config_says_which_compose_there_is(demo):
    assert "Docker Compose 2." in demo.berth.run("check-config").stdout


# What boots: an app of the containers API


@pytest.fixture(scope="module")
def python(engine):
    engine.import_python_image("python:3.12-slim")
    return "python:3.12-slim"


class Booting:
    """A container that runs boot.py, with these files in its mount."""

    def __init__(self, demo, image, files, **asked):
        self._demo = demo
        answer = demo.berth.anyone.request(
            "POST", "/demo/containers", headers={"Content-Type": "application/json"},
            body=json.dumps({"image": image, **asked}).encode())
        assert answer.status == 201, answer
        self.cuid = answer.json["cuid"]
        self.mount = demo.berth.data / "demo" / self.cuid / "mount"
        for name, text in files.items():
            (self.mount / name).write_text(text)

    def act(self, verb):
        answer = self._demo.berth.anyone.post(f"/demo/containers/{self.cuid}/{verb}")
        assert answer.status == 200, answer
        return answer.json

    @property
    def name(self):
        return self._demo.engine.docker("ps", "--all", "--format", "{{.Names}}", "--filter",
                                        f"label=com.docker.compose.project={self.cuid}")

    def await_init(self):
        """Until the engine's init has a child: before, no process 1 hears a signal."""
        wait_until(lambda: len(self._demo.engine.docker("top", self.name).split("\n")) > 2)

    def printed(self):
        return self._demo.engine.docker("logs", self.name).split("\n")

    def ended(self):
        self._demo.engine.docker("wait", self.name)
        return self._demo.inspect(self.name)["State"]["ExitCode"]


def test_boot_py_is_told_who_it_is(demo, python):
    app = Booting(demo, python, {"boot.py": """
import os, sys
print(os.getcwd(), os.getuid(), sys.argv, __name__)
print([os.environ.get(name) for name in ("CONTAINER_UID", "TAGS", "HOME", "COST")])
open("made", "w").close()
sys.exit(7)
"""}, env={"COST": "$5"}, tags=["a", "b"])
    app.act("start")
    assert app.ended() == 7
    assert app.printed() == ["/app 1000 ['/app/boot.py'] __main__",
                             f"['{app.cuid}', 'a,b', '/app', '$5']"]
    assert (app.mount / "made").stat().st_uid == 1000


@pytest.mark.parametrize("handler, code", [
    ("", 143), ("import signal, sys; signal.signal(15, lambda *_: sys.exit(3))", 3)])
def test_stop_reaches_boot_py_at_once(demo, python, handler, code):
    app = Booting(demo, python, {"boot.py": f"""{handler}
import time
print("up")
while True: time.sleep(1)
"""})
    app.act("start")
    wait_until(lambda: app.printed() == ["up"])
    begun = time.monotonic()
    app.act("stop")
    assert time.monotonic() - begun < 9  # the grace is 10
    assert app.ended() == code


def test_stop_reaches_what_has_hardly_begun(demo, python):
    app = Booting(demo, python, {"boot.py": "while True: pass\n"})
    app.act("start")
    app.await_init()
    begun = time.monotonic()
    app.act("stop")
    assert time.monotonic() - begun < 9
    assert app.ended() == 143


def test_a_gateway_killed_while_it_changes_leaves_the_new(demo, python):
    app = Booting(demo, python, {"boot.py": "import os, time\nprint(os.environ.get('A'))\n"
                                            "while True: time.sleep(1)\n"})
    app.act("start")
    hold = demo.folder / "hold"
    began = demo.folder / "began"
    began.unlink()
    hold.touch()
    change = subprocess.Popen(
        ["curl", "--silent", "--request", "PATCH", "--json", '{"env": {"A": "new"}}',
         f"http://127.0.0.1:{demo.berth.port}/demo/containers/{app.cuid}"])
    wait_until(began.exists)
    demo.berth.kill()
    change.wait()
    demo.berth.start()
    hold.unlink()
    wait_until(lambda: settled(demo, app.mount.parent))
    wait_until(lambda: app.printed() == ["new"])
    assert demo.inspect(app.name)["State"]["Running"]


def test_an_index_that_is_out_of_reach_delays_boot_py_by_ten_seconds_at_most(demo, python):
    app = Booting(demo, python, {"boot.py": "print('ran')\n", "requirements.txt": "requests==2.31.0\n"})
    app.act("start")
    begun = time.monotonic()
    assert app.ended() == 0
    assert time.monotonic() - begun < 25  # ten, and two starts of Python on a busy machine
    assert app.printed()[-2:] == ["berth: requirements.txt is not installed, boot.py runs without",
                                  "ran"]


def test_what_can_be_had_of_the_requirements_is_installed(demo, python):
    app = Booting(demo, python, {"boot.py": "import hello\nprint(hello.__file__)\n",
                                 "requirements.txt": "./hello-1-py3-none-any.whl\n"})
    with zipfile.ZipFile(app.mount / "hello-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("hello.py", "")
        wheel.writestr("hello-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1\n")
        wheel.writestr("hello-1.dist-info/WHEEL",
                       "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("hello-1.dist-info/RECORD", "hello.py,,\n")
    app.act("start")
    assert app.ended() == 0, app.printed()
    assert app.printed()[-1].startswith("/app/.local/lib/python3")
