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
from harness.terminal import Refused, Terminal
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
    wait_until(lambda: berth.anyone.get("/demo/get-app-logs", name=name).text.splitlines()[-2:] == [
        "store | kept for web", "web   | heard kept"], what="the log")
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


def ticks(berth, name):
    return berth.anyone.get("/demo/get-app-logs", name=name, service="a").text.count("tick")


def test_the_log_of_a_project_is_followed(berth):
    container = create(berth, TICKING).json
    path = f"/demo/containers/{container['cuid']}"
    assert berth.anyone.post(f"{path}/start").status == 200
    name = f"{container['cuid']}--{container['owner']}"
    before = threads(berth)
    with Following(berth.anyone, name=name, tail=1, timestamps="yes") as following:
        lines = [following.line().split(" ") for _ in range(12)]
        while len({line[0] for line in lines}) < 2:  # one may begin long before the other
            lines.append(following.line().split(" "))
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
        begun = ticks(berth, name)
        wait_until(lambda: ticks(berth, name) > begun + 2, what="more to read")
        assert berth.anyone.post(f"{path}/kill").status == 200
        assert "tick" in following.rest()
    assert berth.anyone.request("DELETE", path).status == 200


LONG = """
services:
  a: {image: berth/demo, init: true, command: [sh, -c, "head -c 200000 /dev/zero | tr '\\\\0' y; echo; head -c 65536 /dev/zero |
    tr '\\\\0' z; echo; echo end; exec sleep 600"]}
  b: {image: berth/demo, init: true, command: [sleep, '600']}
"""


def test_a_long_line_of_a_project_s_log_is_whole(berth):
    """The engine puts its timestamp before each 16 KiB of it."""
    container = create(berth, LONG).json
    path = f"/demo/containers/{container['cuid']}"
    assert berth.anyone.post(f"{path}/start").status == 200
    def lines(**params):
        return berth.anyone.get("/demo/get-app-logs", service="a", **params,
                                name=f"{container['cuid']}--{container['owner']}").text.splitlines()
    wait_until(lambda: lines()[-1:] == ["end"], what="the last line")
    assert lines() == 3 * ["y" * 65536] + ["y" * (200000 - 3 * 65536), "z" * 65536, "end"]
    stamped = [line.split(" ") for line in lines(timestamps="yes")]
    assert [rest for _, rest in stamped] == lines() and stamped[0][0] == stamped[3][0]
    assert berth.anyone.request("DELETE", path).status == 200


CHANGING = """
services:
  web: {image: berth/demo, init: true, command: [sh, -c, 'echo $$FIRST $$SECOND $$TAGS; exec sleep 600'],
    environment: {FIRST: one, SECOND: two}, volumes: ['./shared:/shared:ro']}
  side: {image: berth/demo, init: true, mem_limit: 20m, command: [sh, -c, 'date +%s%N > /keep/at; exec sleep 600'],
    volumes: ['/keep', './shared:/shared']}
"""


def patch(berth, path, **body):
    return berth.anyone.request("PATCH", path, body=json.dumps(body).encode(),
                                headers={"Content-Type": "application/json"})


def service(engine, cuid, name):
    found = engine.docker("ps", "--all", "--no-trunc", "--quiet", "--filter",
                          f"label=com.docker.compose.project={cuid}", "--filter",
                          f"label=com.docker.compose.service={name}").split()
    assert len(found) == 1, (name, found)
    return json.loads(engine.docker("inspect", found[0]))[0]


def test_a_project_is_changed_and_made_anew(engine, berth):
    made = create(berth, CHANGING, env={"THIRD": "3"}, tags=["a"]).json
    cuid = made["cuid"]
    path = f"/demo/containers/{cuid}"
    name = f"{cuid}--{made['owner']}"
    folder = berth.data / "demo" / cuid
    assert berth.anyone.post(f"{path}/start").status == 200
    side = service(engine, cuid, "side")

    changed = patch(berth, path, env={"FIRST": "1", "SECOND": None}, resources={"memory": "50m"})
    assert changed.status == 200, changed
    assert (changed.json["env"], changed.json["status"]) == ({"FIRST": "1", "THIRD": "3"}, "running")
    assert changed.json["resources"]["memory"] == "50m" and changed.json["tags"] == ["a"]
    assert service(engine, cuid, "web")["HostConfig"]["Memory"] == 30 << 20
    assert service(engine, cuid, "side")["Id"] == side["Id"], "one that has not changed goes on"
    wait_until(lambda: berth.anyone.get("/demo/get-app-logs", name=name, service="web").text
               == "1 a\n", what="the new variables")

    # Another text: what was said beside the old one still holds, and files stay.
    text = CHANGING.replace("side:", "aside:").replace("20m", "10m").replace("one", "eins")
    (folder / "mount/shared/kept").write_text("kept")
    changed = patch(berth, path, compose=text, tags=["b"])
    assert changed.status == 200, changed
    assert (changed.json["env"], changed.json["tags"]) == ({"FIRST": "1", "THIRD": "3"}, ["b"])
    assert (folder / "compose.orig.yaml").read_text() == text
    assert (folder / "mount/shared/kept").read_text() == "kept"
    assert service(engine, cuid, "web")["HostConfig"]["Memory"] == 40 << 20
    assert {row["service"]: row["status"] for row in berth.anyone.get(path).json["services"]} == {
        "web": "running", "aside": "running"}

    # All or nothing.
    before = service(engine, cuid, "web")["Id"]
    for body, code in (({"compose": "services: {a: {image: berth/demo, pid: host}}"}, "COMPOSE_REFUSED"),
                       ({"compose": text.replace("['/keep'", "['gone'")}, "COMPOSE_REFUSED"),
                       ({"compose": text.replace("init: true", "depends_on: [no]")}, "COMPOSE_REFUSED"),
                       ({"compose": text, "image": IMAGE}, "INVALID_REQUEST"),
                       ({"image": IMAGE}, "INVALID_REQUEST"), ({"ports": []}, "INVALID_REQUEST"),
                       ({"resources": {"memory": "12m"}}, "COMPOSE_REFUSED")):
        refused = patch(berth, path, **body)
        assert (refused.status, refused.json.get("code")) == (400, code), (body, refused.json)
    assert service(engine, cuid, "web")["Id"] == before
    assert (folder / "compose.orig.yaml").read_text() == text

    assert berth.anyone.post("/demo/hard-reset-app", name=name).status == 200
    again = berth.anyone.get(path).json
    assert (again["status"], again["env"], again["tags"]) == ("created", changed.json["env"], ["b"])
    assert again["created_at"] == made["created_at"]
    assert not (folder / "mount/shared/kept").exists()
    assert berth.anyone.post(f"{path}/start").json["status"] == "running"
    assert berth.anyone.request("DELETE", path).status == 200
    assert left(engine) == [[], [], []]


def test_a_new_text_may_make_another_service_stand_for_it(engine, berth):
    path = f"/demo/containers/{create(berth, CHANGING).json['cuid']}"
    cuid = path.rpartition("/")[2]
    for verb in ("start", "pause"):
        assert berth.anyone.post(f"{path}/{verb}").status == 200
    changed = patch(berth, path, compose=CHANGING + "x-berth: {main: side}\n")
    assert (changed.status, changed.json["status"]) == (200, "paused"), changed
    assert changed.json["env"] == {}
    for name in ("web", "side"):
        assert service(engine, cuid, name)["State"]["Status"] == "paused"
    assert service(engine, cuid, "side")["Name"].startswith(f"/{cuid}--")
    assert [row["cuid"] for row in berth.anyone.get("/demo/containers").json["containers"]] == [cuid]
    # A start that fails: everything is as it was.
    broken = patch(berth, path, compose=CHANGING.replace("init: true, command: [sh", "command: [nothing"))
    assert (broken.status, broken.json["error"]) == (500, "compose_error"), broken
    assert berth.anyone.get(path).json["status"] == "paused"
    assert service(engine, cuid, "side")["Name"].startswith(f"/{cuid}--")
    assert berth.anyone.request("DELETE", path).status == 200
    assert left(engine) == [[], [], []]


def test_links_that_a_container_made_lead_nowhere(engine, berth, tmp_path):
    (tmp_path / "secret").write_text("SECRET=found\n")
    command = f"ln -s {tmp_path} /app/out; ln -s {tmp_path}/secret /app/a.env; exec sleep 600"
    made = create(berth, f"services: {{a: {{image: berth/demo, init: true, volumes: ['.:/app'], "
                         f"command: [sh, -c, '{command}']}}}}").json
    path = f"/demo/containers/{made['cuid']}"
    assert berth.anyone.post(f"{path}/start").status == 200
    wait_until((berth.data / "demo" / made["cuid"] / "mount/a.env").is_symlink, what="the links")
    for more, rest in (("env_file: a.env", ""), ("volumes: ['./out:/out']", ""),
                       ("volumes: ['./out/sub:/out']", ""),
                       ("secrets: [s]", "\nsecrets: {s: {file: out/secret}}")):
        answer = patch(berth, path, compose=f"services: {{a: {{image: berth/demo, {more}, "
                                            f"command: [sleep, '600']}}}}{rest}")
        assert (answer.status, answer.json["code"]) == (400, "COMPOSE_REFUSED"), answer
        assert "a link is in the way" in answer.json["message"], answer
        assert berth.anyone.get(path).json["status"] == "running"
    assert berth.anyone.request("DELETE", path).status == 200


def test_each_service_shows(engine, berth):
    made = create(berth, """
services:
  web: {image: berth/demo, init: true, command: [sleep, '600']}
  bad: {image: berth/demo, init: true, command: [sh, -c, 'exit 3']}
  ill: {image: berth/demo, init: true, command: [sleep, '600'], scale: 2,
    healthcheck: {test: [CMD, 'false'], interval: 1s, retries: 1}}
""").json
    path = f"/demo/containers/{made['cuid']}"
    assert "services" not in made and berth.anyone.post(f"{path}/start").status == 200
    ill = {"service": "ill", "status": "running", "health": "unhealthy", "exit_code": None}
    expected = [{"service": "bad", "number": 1, "status": "exited", "health": None, "exit_code": 3},
                {**ill, "number": 1}, {**ill, "number": 2},
                {"service": "web", "number": 1, "status": "running", "health": None, "exit_code": None}]
    wait_until(lambda: berth.anyone.get(f"{path}/status").json["services"] == expected,
               what="what became of them")
    assert berth.anyone.get(path).json["services"] == expected
    name = f"{made['cuid']}--{made['owner']}"
    with Terminal(berth.anyone, f"/demo/ws/{made['cuid']}", service="ill", cmd="hostname",
                  tty="no") as shell:
        assert shell.rest()[0] == 1000
        host = bytes(shell.output).decode().strip()
    assert engine.docker("inspect", "--format", '{{index .Config.Labels "com.docker.compose.service"}}',
                         host).strip() == "ill"
    refused = berth.anyone.get("/demo/get-app-logs", name=name, service="none")
    assert (refused.status, refused.text) == (
        400, "parameter service: the app has no service none"), refused
    with pytest.raises(Refused):
        Terminal(berth.anyone, f"/demo/ws/{made['cuid']}", service="none")
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


def test_a_kill_in_the_middle_of_a_change_ends_in_the_change(engine, berth, tmp_path):
    path = f"/demo/containers/{create(berth, CHANGING).json['cuid']}"
    cuid = path.rpartition("/")[2]
    assert berth.anyone.post(f"{path}/start").status == 200
    (tmp_path / "began").unlink()
    (tmp_path / "hold").touch()
    text = CHANGING.replace("side:", "other:")

    def cut():
        with pytest.raises(OSError):
            patch(berth, path, compose=text)
    asking = threading.Thread(target=cut)
    asking.start()
    wait_until((tmp_path / "began").exists, what="the containers to be there")
    folder = berth.data / "demo" / cuid
    assert (folder / "compose.orig.yaml").read_text() == CHANGING
    berth.kill()
    asking.join()
    (tmp_path / "hold").unlink()
    berth.start()
    wait_until(lambda: (folder / "compose.orig.yaml").read_text() == text, what="the new text")
    wait_until(lambda: [row["service"] for row in berth.anyone.get(path).json.get("services", [])
                        if row["status"] == "running"] == ["other", "web"], what="both to run again")
    wait_until(lambda: not [name for name in os.listdir(folder) if name.startswith(".")],
               what="the change's end")
    assert berth.anyone.request("DELETE", path).status == 200
    assert left(engine) == [[], [], []]
