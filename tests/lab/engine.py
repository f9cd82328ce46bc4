# SPDX-License-Identifier: MIT
"""One Docker engine, or several side by side, on one machine."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from . import holder, images, packages

START_TIMEOUT_S = 60
REGISTRY = "127.0.0.1:5000"  # within the engine's own network


class Engine:
    """A dockerd of the given version with its own data, network, and process and mount namespaces.

    url      where it answers: unix:///...
    address  its IP address: published ports are reached here, not on the machine's own loopback
    registry adds a docker-registry, which the engine also uses as its mirror for plain names
    args     further arguments of dockerd, such as ("--host", "tcp://0.0.0.0:2375")

    start() and close(), or `with`. Containers outlive kill() and stop() of the engine as they
    would in life; close(), and the end of this process whatever its cause, end everything.
    Threading: one thread at a time per engine.
    """

    def __init__(self, version="26.1", registry=False, args=()):
        if version not in packages.VERSIONS:
            raise ValueError(f"no engine {version} here: one of {', '.join(packages.VERSIONS)}")
        if os.geteuid() != 0:
            raise PermissionError("an engine needs root")
        self.version = version
        self.address = None
        self._registry = registry
        self._args = list(args)
        self._holder = None
        self._processes = {}

    @property
    def url(self):
        return f"unix://{self._socket}"

    @property
    def pid(self):
        """The process id of dockerd, as the machine sees it."""
        return holder.child_of(self._processes["dockerd"])

    @property
    def log(self):
        """What dockerd has said."""
        return (self.directory / "dockerd.log").read_text(errors="replace")

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    # Life

    def start(self):
        """Start the engine, again after stop() or kill(), and wait until it answers."""
        if not self._holder:
            self._open()
        mirror = ["--registry-mirror", f"http://{REGISTRY}"] if self._registry else []
        for stale in ("docker.pid", "exec/containerd/containerd.pid"):
            (self.directory / stale).unlink(missing_ok=True)
        self._spawn("dockerd", [
            "dockerd", "--host", self.url, "--data-root", self.directory / "data",
            "--exec-root", self.directory / "exec", "--pidfile", self.directory / "docker.pid",
            "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent",
            f"/{self.directory.name}", *mirror, *self._args])
        self._wait("dockerd", self._answers)
        return self

    def stop(self):
        """End the engine as a service manager would; it stops its containers."""
        self._signal(signal.SIGTERM)
        self._processes.pop("dockerd").wait()

    def kill(self):
        """End the engine without a warning; its containers stay."""
        self._signal(signal.SIGKILL)
        self._processes.pop("dockerd").wait()

    def restart(self):
        self.stop()
        self.start()

    def freeze(self):
        """Stop the engine in its tracks: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)
        self._processes["dockerd"].send_signal(signal.SIGCONT)  # nsenter stops with its child

    def close(self):
        """End the engine, its containers and its registry, and leave nothing behind."""
        if self._holder:
            self._holder.stdin.close()
            self._holder.wait()
            self._holder = None
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()

    # Use

    def docker(self, *args, input=None):
        """Run the docker 26.1 command against this engine; returns what it printed."""
        done = subprocess.run(
            [packages.docker_cli(), "--host", self.url, *args], input=input, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(map(str, args))}: {done.stderr.decode().strip()}")
        return done.stdout.decode().strip()

    def api(self, method, path, body=None):
        """Call the Engine API; returns (status, decoded JSON or text)."""
        connection = _UnixConnection(self._socket)
        headers = {"Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(text) if is_json and text else text

    def import_image(self, name, command=images.WEB_SERVER, files=None, changes=()):
        """Make an image of busybox, by default a web server on port 80; returns its id."""
        options = [f"CMD {json.dumps(list(command))}", "ENV PATH=/bin", "EXPOSE 80", *changes]
        flags = [flag for option in options for flag in ("--change", option)]
        return self.docker("import", *flags, "-", name, input=images.rootfs(files))

    def push(self, image, name):
        """Put an image into the registry, where the engine finds it as `name`; returns its digest.

        A plain name such as httpd:2.4 is what the public registry calls library/httpd:2.4.
        """
        path = name if "/" in name else f"library/{name}"
        target = f"{REGISTRY}/{path}"
        self.docker("tag", image, target)
        self.docker("push", target)
        digests = json.loads(self.docker("inspect", "--format", "{{json .RepoDigests}}", target))
        self.docker("rmi", target)
        repository = target.rsplit(":", 1)[0] if ":" in path else target
        return next(d.split("@")[1] for d in digests if d.startswith(f"{repository}@"))

    def inside(self, *command):
        """The argument vector that runs a command within this engine's namespaces."""
        return ["nsenter", "--target", self._init, "--pid", "--mount", "--net", "--uts", "--ipc",
                *command]

    # Within

    def _open(self):
        self._environment = packages.environment(self.version)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=holder.PREFIX))
        self._socket = self.directory / "docker.sock"
        self._holder = subprocess.Popen(
            [sys.executable, holder.__file__, self.directory], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=self._environment, start_new_session=True)
        self._init = self._holder.stdout.readline().strip()
        if not self._init:
            raise RuntimeError("the namespaces could not be made")
        self._connect()
        if self._registry:
            self._start_registry()

    def _connect(self):
        """Join the engine's network to the machine's by a pair of devices."""
        for number in range(1, 255):
            device = f"berth-lab{number}"
            made = subprocess.run(
                ["ip", "link", "add", device, "type", "veth", "peer", "name", "lab0", "netns",
                 self._init], capture_output=True, text=True)
            if made.returncode == 0:
                break
            if "exists" not in made.stderr:
                raise RuntimeError(f"ip link add: {made.stderr.strip()}")
        self.address = f"198.18.{number}.2"  # of the range for benchmarks of networks, RFC 2544
        inside = self.inside("ip", "-batch", "-")
        subprocess.run(["ip", "-batch", "-"], check=True, text=True, input=(
            f"addr add 198.18.{number}.1/30 dev {device}\nlink set {device} up\n"))
        subprocess.run(inside, check=True, text=True, input=(
            f"addr add {self.address}/30 dev lab0\nlink set lab0 up\nlink set lo up\n"))

    def _spawn(self, name, command):
        with open(self.directory / f"{name}.log", "ab") as log:
            self._processes[name] = subprocess.Popen(
                self.inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, start_new_session=True)

    def _wait(self, name, ready):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                log = (self.directory / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} did not start:\n{log[-2000:]}")
            time.sleep(0.02)

    def _answers(self):
        try:
            return self.api("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def _start_registry(self):
        config = self.directory / "registry.yml"
        config.write_text(json.dumps({
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "registry")},
                        "delete": {"enabled": True}},
            "http": {"addr": ":" + REGISTRY.split(":")[1]},
        }))
        self._spawn("registry", ["docker-registry", "serve", config])
        self._wait("registry", self._registry_answers)

    def _registry_answers(self):
        try:
            port = int(REGISTRY.split(":")[1])
            socket.create_connection((self.address, port), timeout=1).close()
            return True
        except OSError:
            return False

    def _signal(self, number):
        os.kill(self.pid, number)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
