# SPDX-License-Identifier: MIT
"""One Docker engine, or several side by side, on one machine."""

import http.client
import json
import os
import signal
import socket
import subprocess

from . import holder, images, packages
from .machine import Machine, add_first_free, configure
from .registry import PORT, start_registry


class Engine(Machine):
    """A dockerd of the given version with its own data, network, and process and mount namespaces.

    url      where it answers: unix:///...
    address  its IP address: published ports are reached here, not on the machine's own loopback
    registry adds a docker-registry, which the engine also uses as its mirror for plain names
    args     further arguments of dockerd, such as ("--host", "tcp://0.0.0.0:2375")

    start() and close(), or `with`. Containers outlive kill() and stop() of the engine as they
    would in life; close(), and the end of this process whatever its cause, end everything.
    Threading: one thread at a time per engine.
    """

    _daemon = "dockerd"

    def __init__(self, version="26.1", registry=False, args=()):
        if version not in packages.VERSIONS:
            raise ValueError(f"no engine {version} here: one of {', '.join(packages.VERSIONS)}")
        if os.geteuid() != 0:
            raise PermissionError("an engine needs root")
        super().__init__(version)
        self.address = None
        self.registry = f"127.0.0.1:{PORT}" if registry else None  # as the engine reaches it
        self._has_registry = registry
        self._args = list(args)

    @property
    def url(self):
        return f"unix://{self._socket}"

    @property
    def pid(self):
        """The process id of the engine, as the machine sees it."""
        return holder.child_of(self._processes[self._daemon])

    @property
    def log(self):
        """What the engine has said."""
        return (self.directory / f"{self._daemon}.log").read_text(errors="replace")

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
            self.open()
        self.remove("docker.pid", "exec/containerd/containerd.pid")
        self.spawn(self._daemon, self._command(), self._answers)
        return self

    def stop(self):
        """End the engine as a service manager would; it stops its containers."""
        self._signal(signal.SIGTERM)
        self._processes.pop(self._daemon).wait()

    def kill(self):
        """End the engine without a warning; its containers stay."""
        self._signal(signal.SIGKILL)
        self._processes.pop(self._daemon).wait()

    def restart(self):
        self.stop()
        self.start()

    def freeze(self):
        """Stop the engine in its tracks: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)
        self._processes[self._daemon].send_signal(signal.SIGCONT)  # nsenter stops with its child

    # Use

    def docker(self, *args, input=None):
        """Run the docker 26.1 command against this engine; returns what it printed."""
        return self._run(args, input).decode().strip()

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
        return self._import(name, images.rootfs(files), f"CMD {json.dumps(list(command))}",
                            "ENV PATH=/bin", "EXPOSE 80", *changes)

    def import_python_image(self, name):
        """Make an image with Python, pip and bash, of Debian 12's packages; returns its id."""
        return self._import(name, images.python_rootfs(), 'CMD ["python3"]',
                            "ENV PATH=/usr/local/bin:/usr/bin:/bin")

    def save(self, *images):
        """A tar archive (bytes) of images, for `docker load` of another engine."""
        return self._run(["save", *images])

    def push(self, image, name):
        """Put an image into the registry, where the engine finds it as `name`; returns its digest.

        A plain name such as httpd:2.4 is what the public registry calls library/httpd:2.4.
        """
        path = name if "/" in name else f"library/{name}"
        target = f"{self.registry}/{path}"
        self.docker("tag", image, target)
        self.docker("push", target)
        digests = json.loads(self.docker("inspect", "--format", "{{json .RepoDigests}}", target))
        self.docker("rmi", target)
        repository = target.rsplit(":", 1)[0] if ":" in path else target
        return next(d.split("@")[1] for d in digests if d.startswith(f"{repository}@"))

    # Within

    def _command(self):
        mirror = ["--registry-mirror", f"http://{self.registry}"] if self.registry else []
        return [
            "dockerd", "--host", self.url, "--data-root", self.directory / "data",
            "--exec-root", self.directory / "exec", "--pidfile", self.directory / "docker.pid",
            "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent",
            f"/{self.directory.name}", *mirror, *self._args]

    def _import(self, name, rootfs, *changes):
        flags = [flag for change in changes for flag in ("--change", change)]
        return self.docker("import", *flags, "-", name, input=rootfs)

    def _run(self, args, input=None):
        done = subprocess.run(
            [packages.docker_cli(), "--host", self.url, *args], input=input, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(map(str, args))}: {done.stderr.decode().strip()}")
        return done.stdout

    def open(self):
        super().open()
        self._connect()
        if self._has_registry:
            start_registry(self, self.address)

    @property
    def _socket(self):
        return self.directory / "docker.sock"

    def _connect(self):
        """Join the engine's network to the machine's by a pair of devices."""
        number = add_first_free(range(1, 255), "berth-lab{}", holder.DEVICE, self._init)
        self.address = f"198.18.{number}.2"  # of the range for benchmarks of networks, RFC 2544
        configure(f"addr add 198.18.{number}.1/30 dev berth-lab{number}",
                  f"link set berth-lab{number} up")
        self.configure(f"addr add {self.address}/30 dev {holder.DEVICE}",
                       f"link set {holder.DEVICE} up", "link set lo up")

    def _answers(self):
        try:
            return self.api("GET", "/_ping")[0] == 200
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
