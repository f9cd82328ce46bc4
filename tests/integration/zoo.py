# SPDX-License-Identifier: MIT
"""A zoo: images and containers of every kind that docker's listings tell apart."""

import datetime
import hashlib
import io
import json
import tarfile

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400

# Each lies well within one wording of docker's ages.
AGES_S = (90, 5 * MINUTE_S, 59 * MINUTE_S, 80 * MINUTE_S, 100 * MINUTE_S, 40 * HOUR_S, 2 * DAY_S,
          13 * DAY_S, 15 * DAY_S, 58 * DAY_S, 70 * DAY_S, 400 * DAY_S,
          730 * DAY_S - 15 * MINUTE_S,  # "1 years"
          5 * 365 * DAY_S)

# Around each step of three and of four significant digits.
SIZES = (0, 1, 999, 1000, 1004, 1005, 9994, 9995, 99949, 99950, 999499, 999500, 999949, 999950,
         1000000, 1048576)

DATES = ("1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1980-01-01T00:00:00Z")

COMMANDS = (
    ("true",),
    ("sh", "-c", "echo 'it is' \"quoted\" \\\\ && exit"),
    ("/bin/sh", "-c", "a very long command that is cut"),
    ("echo", "größe", "überall", "noch mehr"),
    ("echo", "日本語日本語日本語日本語"),
    ("echo", "x日本語日本語日本語"),
    ("echo", "🚢\u200b\u00a0\t\n\x07\x7f"),
    ("echo", "<b>&amp;</b>"),
    ("echo", "e\u0301\u2028", ""),
    ("12345678901234567890",),
    ("123456789012345678901",),
)

PORTS = (
    ("-p", "80"),
    ("-p", "8080:80", "-p", "127.0.0.1:8443:443"),
    ("-p", "7000-7003:7000-7003", "-p", "7005:7005"),
    ("-p", "7100-7103:7200-7203"),
    ("-p", "5353:53/udp", "-p", "54:54/udp", "-p", "55:55"),
    ("--expose", "132/sctp"),  # the kernel may lack it: not published
    ("-p", "[::1]:8081:80"),
    ("--expose", "90", "--expose", "91", "--expose", "92/udp", "--expose", "100"),
    ("--expose", "81", "-p", "82:82", "-P"),
)

LABELS = ("comma=1,2,3", "equals=a=b=c", "empty=", "größe=日本", "quote=\"x\" 'y' \\", "z.y=1",
          "z-y=2")


def _add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def image_archive(name, size, created):
    """What `docker load` takes: an image of one file of that size, made at that date."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, "file", name.encode()[:size].ljust(size, b"."))
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": created, "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers",
                   "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
        "history": [{"created": created}],
    }).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add(tar, "config.json", config)
        _add(tar, "layer.tar", layer.getvalue())
        _add(tar, "manifest.json", json.dumps(
            [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode())
    return out.getvalue()


def _ago(seconds):
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _run_to_its_end(engine, *args):
    """`docker` with a container that fails, as it is meant to."""
    try:
        engine.docker(*args)
    except RuntimeError:
        pass


def add_images(engine):
    """Images of all sizes, ages and kinds of names."""
    for size in SIZES:
        engine.docker("load", input=image_archive(f"size:{size}", size, _ago(3 * DAY_S + size)))
    for age in AGES_S:
        engine.docker("load", input=image_archive(f"age:{age}", 10, _ago(age)))
    for number, date in enumerate(DATES):
        engine.docker("load", input=image_archive(f"date:{number}", 10, date))
    for name in ("team/tool:1", "team/tool:2.0-rc.1", "localhost:5000/deep/er/tool:x",
                 "reg.example.org/tool:latest"):
        engine.docker("tag", "age:90", name)
    engine.docker("load", input=image_archive("dangling:1", 11, _ago(HOUR_S)))
    engine.docker("load", input=image_archive("dangling:1", 12, _ago(2 * HOUR_S)))
    digest = engine.push("size:1000", "digest:1")
    engine.docker("pull", f"digest@{digest}")
    engine.docker("pull", "digest:1")


def add_aged_containers(engine, image):
    """Containers that were made and ended long ago; the engine is restarted."""
    ids = {}
    for age in AGES_S:
        ids[age] = engine.docker("create", "--name", f"age-{age}", image, "sh", "-c", "exit 3")
        _run_to_its_end(engine, "start", "--attach", ids[age])
    engine.stop()
    for age, container in ids.items():
        path = engine.directory / "data" / "containers" / container / "config.v2.json"
        config = json.loads(path.read_text())
        config["Created"] = _ago(age + 20)
        config["State"]["StartedAt"] = _ago(age + 10)
        config["State"]["FinishedAt"] = _ago(age)
        path.write_text(json.dumps(config))
    engine.start()


def add_containers(engine, image):
    """Containers in every state, with every kind of command, port, label, network and mount."""
    docker = engine.docker

    def create(name, *options, command=("sleep", "3600"), source=image):
        return docker("create", "--name", name, *options, source, *command)

    def run(name, *options, command=("sleep", "3600"), source=image):
        return docker("run", "--detach", "--name", name, *options, source, *command)

    for number, command in enumerate(COMMANDS):
        create(f"command-{number}", command=command)
    for number, ports in enumerate(PORTS):
        run(f"ports-{number}", *ports)
        create(f"ports-{number}-created", *ports)
    run("labels", *(word for label in LABELS for word in ("--label", label)))

    for network in ("net-b", "net-a", "net-c"):
        docker("network", "create", network)
    run("networks", "--network", "net-b")
    docker("network", "connect", "net-a", "networks")
    docker("network", "connect", "net-c", "networks")
    run("network-host", "--network", "host")
    run("network-none", "--network", "none")
    run("network-shared", "--network", "container:networks")

    run("mounts", "--volume", "results:/results", "--volume", "/anonymous", "--tmpfs", "/scratch",
        "--volume", "/usr/share:/a-long-path:ro", "--volume", "/tmp:/host-tmp", "--mount",
        "type=volume,src=a-volume-with-a-long-name,dst=/v")
    run("limits", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50")
    run("team_tool--ana")

    run("paused")
    docker("pause", "paused")
    run("killed")
    docker("kill", "killed")
    run("stopped", "--init")
    docker("stop", "stopped")
    docker("run", "--name", "exited-0", image, "true")
    _run_to_its_end(engine, "run", "--name", "exited-7", image, "sh", "-c", "exit 7")
    _run_to_its_end(engine, "run", "--name", "not-found", image, "/no/such/program")
    run("restarting", "--restart", "always", command=("sh", "-c", "exit 5"))

    for health, test in (("healthy", "true"), ("unhealthy", "false"), ("starting", "sleep 60")):
        run(health, "--health-cmd", test, "--health-interval", "1s", "--health-retries", "1",
            "--health-timeout", "100s")

    docker("tag", image, "moved:1")
    run("moved-tag", source="moved:1")
    docker("tag", "size:1000", "moved:1")
    docker("tag", image, "gone:1")
    run("gone-tag", source="gone:1")
    docker("rmi", "gone:1")
    image_id = docker("image", "inspect", "--format", "{{.Id}}", image)
    run("by-id", source=image_id)
    run("by-short-id", source=image_id.split(":")[1][:8])
    docker("tag", image, "localhost:5000/deep/er/tool:y")
    run("by-long-name", source="localhost:5000/deep/er/tool:y")
    digest = docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", "digest:1")
    create("by-digest", source=digest, command=("true",))
    create("by-tag-and-digest", source=f"digest:1@{digest.split('@')[1]}", command=("true",))
