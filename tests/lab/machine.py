# SPDX-License-Identifier: MIT
"""Namespaces that stand for a machine: what runs in them ends with the process that made them."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from . import holder, packages

START_TIMEOUT_S = 60


class Machine:
    """Process, mount, network, host-name and IPC namespaces of their own, and a directory.

    version    the engine version whose programs are found in it
    directory  survives power_off(); removed by close()

    close(), and the end of this process whatever its cause, end everything within.
    Threading: one thread at a time per machine.
    """

    def __init__(self, version):
        self.version = version
        self.directory = None
        self._holder = None
        self._init = None
        self._environment = None
        self._processes = {}

    def open(self):
        """Make the directory and the namespaces."""
        self._environment = packages.environment(self.version)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=holder.PREFIX))
        self._holder = subprocess.Popen(
            [sys.executable, holder.__file__, self.directory], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=self._environment, start_new_session=True)
        self.power_on()

    def power_on(self):
        """Make new namespaces, after power_off()."""
        self._init = self._order(holder.ON)

    def power_off(self):
        """End all that runs within, at once and without a warning, as a power cut does."""
        self._order(holder.OFF)
        self._init = None
        self._reap()

    def is_on(self):
        return self._init is not None

    def close(self):
        """End all that runs within and leave nothing behind."""
        if self._holder:
            self._holder.stdin.close()
            self._holder.wait()
            self._holder.stdout.close()
            self._holder = None
            self._init = None
        self._reap()

    def inside(self, *command):
        """The argument vector that runs a command within these namespaces."""
        return ["nsenter", "--target", self._init, "--pid", "--mount", "--net", "--uts", "--ipc",
                *command]

    def configure(self, *lines):
        """Carry out lines of the `ip` command in this network, with process ids as they are here."""
        configure(*lines, within=["nsenter", "--target", self._init, "--net"])

    def spawn(self, name, command, ready):
        """Start a program within and wait until ready(); what it says is in name.log."""
        with open(self.directory / f"{name}.log", "ab") as log:
            self._processes[name] = subprocess.Popen(
                self.inside(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                log = (self.directory / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} did not start:\n{log[-2000:]}")
            time.sleep(0.02)

    def _order(self, order):
        self._holder.stdin.write(order)
        self._holder.stdin.flush()
        answer = self._holder.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the namespaces could not be made")
        return answer

    def _reap(self):
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()

    def remove(self, *names):
        """Remove files or folders of the directory, where they are there."""
        for name in names:
            path = self.directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def configure(*lines, within=()):
    """Carry out lines of the `ip` command; the argument vector `within` leads it elsewhere."""
    subprocess.run([*within, "ip", "-batch", "-"], check=True, text=True,
                   input="".join(line + "\n" for line in lines))


def add_first_free(numbers, device, peer, pid):
    """Join this network to that of a process by a pair of devices; returns its number.

    device  the name here, with {} for the number: who makes it has the number
    peer    the name there
    """
    for number in numbers:
        made = subprocess.run(
            ["ip", "link", "add", device.format(number), "type", "veth", "peer", "name", peer,
             "netns", pid], capture_output=True, text=True)
        if made.returncode == 0:
            return number
        if "exists" not in made.stderr:
            raise RuntimeError(f"ip link add: {made.stderr.strip()}")
    raise RuntimeError(f"every {device} is taken")
