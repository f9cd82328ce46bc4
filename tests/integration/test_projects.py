# SPDX-License-Identifier: MIT
"""Projects of their owners' compose files, over HTTP: what policy lets be, and what an end in the
middle leaves."""

import io
import json
import os
import threading
import zipfile

import pytest

from harness import Following, clear_engine, wait_until
from lab import Engine, compose

IMAGE = "berth/demo"
OTHER = "berth/other"

# web asks store over the project's own network, and writes what it heard to its mount.
TWO_SERVICES = """
x-common: &common
  image: berth/demo
  init: true
services:
  store:
    <<: *common
    command: [sh, -c, 'echo kept > /data/index.html; echo kept for web; exec httpd -f -p 8000 -h /data']
    volumes: [data:/data]
  web:
    <<: *common
    depends_on: [store]
    command: [sh, -c, 'until wget -q -O /app/heard http://store:8000/; do sleep 0.1; done; echo heard $$(cat /app/heard);
      exec httpd -f -p 80 -h /app']
    volumes: ['./web:/app']
    ports: ['18961:80']
volumes: {data: {}}
"""

# Docker Compose that begins to create when told so.
PROGRAM = """#!/bin/sh
case " $* " in
*" create "*)
    {compose} "$@" || exit
    touch {folder}/began
    while [ -e {folder}/hold ]; do sleep 0.05; done ;;
*) exec {compose} "$@" ;;
esac
"""


@pytest.fixture(scope="module")
def engine():
    with Engine("26.1") as engine:
        engine.import_image(IMAGE)
        engine.import_image(OTHER)
        yield engine


@pytest.fixture
def program(tmp_path):
    program = tmp_path / "docker-compose"
    program.write_text(PROGRAM.format(folder=tmp_path, compose=compose()))
    program.chmod(0o755)
    return program


@pytest.fixture
def berth(engine, gateway, program):
    yield gateway({"demo": {"backend": "compose", "engine": engine.url, "auth": "open",
                            "image_policy": "open", "compose": program,
                            "app_memory_bytes": "64m"}})
    clear_engine(engine)


def create(berth, text, **more):
    return berth.anyone.request("POST", "/demo/containers", body=json.dumps(
        {"compose": text, **more}).encode(), headers={"Content-Type": "application/json"})


def cut_short(berth):
    with pytest.raises(OSError):
        create(berth, TWO_SERVICES)


def left(engine):
    """All that projects may leave on an engine."""
    return [engine.docker(*what).split() for what in (
        ["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"],
        ["network", "ls", "--quiet", "--filter", "label=com.docker.compose.project"])]


def test_services_of_a_project_work_together(engine, berth):
    made = create(berth, TWO_SERVICES, env={"MORE": "x"}, tags=["two"])
    assert made.status == 201, made
    container = made.json
    assert container["project"] is True and container["status"] == "created"
    assert container["image"].startswith(IMAGE) and container["tags"] == ["two"]
    assert container["ports"] == [{"host": 18961, "container": 80, "protocol": "tcp"}]
    assert container["env"] == {"MORE": "x"}
    path = f"/demo/containers/{container['cuid']}"
    folder = berth.data / "demo" / container["cuid"]
    assert (folder / "compose.orig.yaml").read_text() == TWO_SERVICES
    assert berth.anyone.post(f"{path}/start").json["status"] == "running"
    wait_until(lambda: (folder / "mount/web/heard").exists()
               and (folder / "mount/web/heard").read_text() == "kept\n", what="web to hear of store")
    # The log is that of both, in the order of time.
    name = f"{container['cuid']}--{container['owner']}"
    log = berth.anyone.get("/demo/get-app-logs", name=name).text
    assert log.splitlines()[-2:] == ["store | kept for web", "web   | heard kept"], log
    # One container is listed, and its port is taken.
    assert [c["cuid"] for c in berth.anyone.get("/demo/containers").json["containers"]] == [
        container["cuid"]]
    again = create(berth, TWO_SERVICES)
    assert (again.status, again.json["code"]) == (409, "PORT_IN_USE"), again
    assert berth.anyone.post(f"{path}/stop").json["status"] == "exited"
    # The engine's listing may be late behind its word that a container has stopped.
    wait_until(lambda: engine.docker("ps", "--quiet") == "", what="both to have stopped")
    assert berth.anyone.request("DELETE", path).status == 200
    assert left(engine) == [[], [], []] and not folder.exists()


TICKING = """
services:
  a: {image: berth/demo, init: true, command: [sh, -c, 'while echo tick; do sleep 0.1; done']}
  long: {image: berth/demo, init: true, command: [sh, -c, 'while echo tock >&2; do sleep 0.1; done']}
  still: {image: berth/demo, init: true, command: [sleep, '600']}
"""


def threads(berth):
    return len(os.listdir(f"/proc/{berth.process.pid}/task"))


def test_the_log_of_a_project_is_followed(berth):
    container = create(berth, TICKING).json
    path = f"/demo/containers/{container['cuid']}"
    assert berth.anyone.post(f"{path}/start").status == 200
    name = f"{container['cuid']}--{container['owner']}"
    before = threads(berth)
    with Following(berth.anyone, name=name, tail=1, timestamps="yes") as following:
        lines = [following.line().split(" ") for _ in range(12)]
        assert {(line[0], line[-1]) for line in lines} == {("a", "tick\n"), ("long", "tock\n")}
        for service in ("a", "long"):
            stamps = [line[-2] for line in lines if line[0] == service]
            assert stamps == sorted(stamps)
        assert berth.anyone.get("/demo/get-app-names").json == [name], "others are served"
    wait_until(lambda: threads(berth) <= before, what="the readers to end")
    whole = berth.anyone.get("/demo/get-app-logs", name=name, timestamps="yes").text.splitlines()
    stamps = [line.split(" ")[-2] for line in whole]
    assert len(stamps) >= 12 and stamps == sorted(stamps)
    with Following(berth.anyone, name=name, tail=0) as following:
        assert following.line()
        assert berth.anyone.post(f"{path}/kill").status == 200
        assert "tick" in following.rest()
    assert berth.anyone.request("DELETE", path).status == 200


def archive(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as written:
        for name, content in files.items():
            written.writestr(name.replace("__", "/").replace("_", "."), content)
    return data.getvalue()


def test_an_archive_brings_the_files_of_its_project(engine, berth):
    body = archive(
        compose_yml="services: {a: {image: berth/demo, init: true, env_file: a.env, command: "
                    "[sh, -c, 'cat /etc/set.conf /run/secrets/s; echo $$HEARD; sleep 60'], "
                    "volumes: ['./conf/set.conf:/etc/set.conf:ro'], secrets: [s]}}\n"
                    "secrets: {s: {file: s.txt}}\n",
        a_env="HEARD=five\n", _env="HEARD=never\n", conf__set_conf="set\n", s_txt="secret\n")
    made = berth.anyone.request("POST", "/demo/containers", body=body,
                                headers={"Content-Type": "application/zip"})
    assert made.status == 201 and made.json["env"]["HEARD"] == "five", made
    path = f"/demo/containers/{made.json['cuid']}"
    assert berth.anyone.post(f"{path}/start").status == 200
    name = engine.docker("ps", "--quiet").strip()
    wait_until(lambda: engine.docker("logs", name).split() == ["set", "secret", "five"], what="its output")
    assert berth.anyone.request("GET", f"{path}/download", {"path": "s.txt"}).body == b"secret\n"
    for refused, code in {archive(other_yml="x"): "COMPOSE_REFUSED", b"no zip": "BAD_ARCHIVE",
                          archive(compose_yml="services: {a: {image: berth/demo, pid: host}}"):
                          "COMPOSE_REFUSED"}.items():
        answer = berth.anyone.request("POST", "/demo/containers", body=refused,
                                      headers={"Content-Type": "application/zip"})
        assert (answer.status, answer.json["code"]) == (400, code), answer
    assert berth.anyone.request("DELETE", path).status == 200
    assert left(engine) == [[], [], []]


def test_a_hostile_file_is_refused_by_its_path(engine, berth):
    for text, said in {
        "services: {web: {image: berth/demo, privileged: true}}":
            "services.web.privileged: not allowed",
        "x-a: &a {volumes: ['/var/run/docker.sock:/s']}\nservices: {web: {<<: *a, "
        "image: berth/demo}}": "services.web.volumes[0]: not allowed",
        "services: {web: {image: berth/demo, mem_limit: 1g}}": "services: together they ask",
    }.items():
        answer = create(berth, text)
        assert (answer.status, answer.json["code"]) == (400, "COMPOSE_REFUSED"), answer
        assert answer.json["message"].startswith(said), answer
    assert left(engine) == [[], [], []] and not list((berth.data / "demo").glob("c*"))


def test_each_image_must_be_approved(engine, gateway):
    berth = gateway({"demo": {"backend": "compose", "engine": engine.url, "auth": "open",
                              "compose": compose()}})
    text = f"services: {{a: {{image: {IMAGE}}}, b: {{image: {OTHER}}}}}"
    for image in (IMAGE, OTHER):
        refused = create(berth, text)
        assert (refused.status, refused.json["code"]) == (403, "IMAGE_NOT_APPROVED"), refused
        assert berth.anyone.post("/demo/approve-image", image=image).status == 200
        wait_until(lambda name=image: any(
            row["image"].startswith(name) and row["state"] == "approved"
            for row in berth.anyone.get("/demo/get-image-requests").json), what=f"{image} to be approved")
    made = create(berth, text)
    assert made.status == 201, made
    assert berth.anyone.request("DELETE", f"/demo/containers/{made.json['cuid']}").status == 200
    assert left(engine) == [[], [], []]


def test_a_kill_in_the_middle_leaves_nothing(engine, berth, tmp_path):
    (tmp_path / "hold").touch()
    asking = threading.Thread(target=cut_short, args=[berth])
    asking.start()
    wait_until((tmp_path / "began").exists, what="the containers to be there")
    assert len(left(engine)[0]) == 2
    berth.kill()
    asking.join()
    (tmp_path / "hold").unlink()
    berth.start()
    wait_until(lambda: left(engine) == [[], [], []], what="the project to go")
    wait_until(lambda: not list((berth.data / "demo").glob("c*")), what="its folder to go")
