# SPDX-License-Identifier: MIT
"""Podman behind its Docker-compatible socket, as an engine."""

import os
import subprocess

from . import holder, packages
from .engine import Engine

# Where Podman keeps what all Podmans of a machine share: locks, networks, the state of this boot.
_SHARED = ("/run", "/dev/shm", "/var/lib/cni")


class Podman(Engine):
    """As Engine, with the distribution's Podman in place of dockerd.

    What Podman starts outlives it, as in life, and ends with the machine's process namespace.
    """

    _daemon = "podman"

    def __init__(self, registry=False):
        super().__init__(packages.VERSIONS[-1], registry)  # runc, and an init for the namespaces

    def open(self):
        super().open()
        for path in _SHARED:
            self._within("sh", "-c", f"mkdir -p {path} && mount -t tmpfs tmpfs {path}")
        self._environment.update({
            "CONTAINERS_CONF": self._write("containers.conf", ""),
            "CONTAINERS_REGISTRIES_CONF": self._write("registries.conf", self._registries()),
            "TMPDIR": str(self.directory),
        })

    def _command(self):
        home = self.directory
        return [
            "podman", "--root", home / "data", "--runroot", home / "run", "--tmpdir", home / "tmp",
            "--volumepath", home / "volumes", "--network-config-dir", home / "networks",
            "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc",
            "system", "service", "--time", "0", self.url]

    def _import(self, name, rootfs, *changes):
        return super()._import(name, rootfs, *changes).split(": ")[0]  # it says the id twice

    def _registries(self):
        """The registry, and that it is where a plain name is looked for."""
        if not self.registry:
            return ""
        return (f'[[registry]]\nlocation = "{self.registry}"\ninsecure = true\n'
                f'[[registry]]\nprefix = "docker.io"\nlocation = "{self.registry}"\n'
                'insecure = true\n')

    def _write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def _within(self, *command):
        subprocess.run(self.inside(*command), check=True)
