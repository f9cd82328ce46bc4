# SPDX-License-Identifier: MIT
"""Holds the namespaces of a machine, and clears up when its owner is gone.

Run as `holder.py DIRECTORY`, once per machine, with a pipe from the owner as standard input. To
the line `on` it makes a new pid, mount, network and host-name namespace and prints the id of their
first process. To the line `off`, and when the pipe closes, however the owner ended, it cuts the
network and kills that process, and with it the kernel ends every process and mount within. The control
groups, which the kernel keeps, are removed here; at the end, the directory too. If this process is
killed, the namespaces still end; the next holder to start removes what is left.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

PREFIX = "berth-lab-"
ON, OFF = "on\n", "off\n"
DEVICE = "lab0"  # the network device that leads out of a machine
ABANDONED_AFTER_S = 60


def groups_of(directory):
    """The control groups of a machine: one in each hierarchy of version 1, or the one.

    Podman makes those of its containers in a group that all Podmans share.
    """
    root = pathlib.Path("/sys/fs/cgroup")
    names = [directory.name, *(f"libpod_parent/libpod-{container.name}"
                               for container in directory.glob("data/overlay-containers/*"))]
    return [group for name in names for group in (*root.glob(name), *root.glob(f"*/{name}"))]


def thaw(directory):
    """Let paused containers go on: a frozen process of control groups 1 does not even die."""
    for top in groups_of(directory):
        for group, _, _ in os.walk(top):
            for name, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                try:
                    pathlib.Path(group, name).write_text(word)
                except OSError:
                    pass  # another hierarchy's, or gone


def clear_groups(directory):
    """Remove the control groups of a machine: of one that has ended only."""
    for top in groups_of(directory):
        for group, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(group)
            except OSError:
                pass  # not empty: another machine's, or not ours to remove


def clear(directory):
    """Remove what there is of a machine: of one that has ended only."""
    thaw(directory)
    clear_groups(directory)
    shutil.rmtree(directory, ignore_errors=True)


def clear_abandoned(beside):
    """Clear what a killed holder left: its directory is no longer locked."""
    for directory in beside.parent.glob(PREFIX + "*"):
        try:
            if time.time() - directory.stat().st_mtime < ABANDONED_AFTER_S:
                continue
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            clear(directory)
        except BlockingIOError:
            pass
        finally:
            os.close(fd)


def child_of(process):
    """The process id of the first child of a Popen, waited for; ProcessLookupError if it ends."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        children = path.read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.005)
    raise ProcessLookupError(f"{process.args[0]} has ended")


def wait_for_program(pid, name):
    """Wait until a process has become a program: what it does before is done."""
    path = pathlib.Path(f"/proc/{pid}/comm")
    while path.read_text() != f"{name}\n":
        time.sleep(0.005)


def entered(init):
    """The ids of the nsenter processes that wait outside for a program within."""
    start = f"nsenter\0--target\0{init}\0"
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_text(errors="replace").startswith(start):
                yield int(path.parent.name)
        except OSError:
            pass  # it has ended


class Spaces:
    """The namespaces, from the start of their first process to its end."""

    def __init__(self, directory):
        self._directory = directory
        self._log = directory / "holder.log"
        # The first process reaps orphans, as an engine expects of an init.
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child",
                 "--mount", "--mount-proc", "--net", "--uts", "--ipc", "docker-init", "--",
                 "sleep", "infinity"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.init = child_of(self._process)
            wait_for_program(self.init, "docker-init")  # until then mounts are the machine's own
        except (ProcessLookupError, FileNotFoundError):
            sys.exit(self._log.read_text())

    def end(self):
        if self._process.poll() is None:
            # Nobody hears of the end; and a connection that is not closed would keep the network.
            subprocess.run(["nsenter", "--target", str(self.init), "--net", "ip", "link", "del",
                            DEVICE], stderr=subprocess.DEVNULL)
            waiting = list(entered(self.init))
            os.kill(self.init, signal.SIGKILL)
            for pid in waiting:  # one that was stopped with its program would not let it go
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            thaw(self._directory)
            self._process.wait()  # ends when all within have ended
        else:
            sys.stderr.write(self._log.read_text())
        clear_groups(self._directory)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    directory = pathlib.Path(sys.argv[1])
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    clear_abandoned(directory)

    spaces = None
    for order in sys.stdin:
        if order == ON:
            spaces = Spaces(directory)
            print(spaces.init, flush=True)
        else:
            spaces.end()
            spaces = None
            print("ended", flush=True)
    if spaces:
        spaces.end()
    clear(directory)


if __name__ == "__main__":
    main()
