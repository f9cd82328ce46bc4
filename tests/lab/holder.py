# SPDX-License-Identifier: MIT
"""Holds the namespaces an engine lives in, and clears up when its owner is gone.

Run as `holder.py DIRECTORY`, once per engine, with a pipe from the owner as standard input. It
prints the process id of the first process of a new pid, mount, network and host-name namespace.
When the pipe closes, however the owner ended, it kills that process, and with it the kernel
ends every process, mount and network device within. The directory and the control groups, which
the kernel keeps, are removed here. If this process is killed, the namespaces still end; the next
holder to start removes what is left.
"""

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

PREFIX = "berth-lab-"
ABANDONED_AFTER_S = 60


def groups_of(directory):
    """The control groups of an engine: one in each hierarchy of version 1, or the one."""
    root = pathlib.Path("/sys/fs/cgroup")
    return [*root.glob(directory.name), *root.glob(f"*/{directory.name}")]


def thaw(directory):
    """Let paused containers go on: a frozen process of control groups 1 does not even die."""
    for top in groups_of(directory):
        for group, _, _ in os.walk(top):
            for name, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                try:
                    pathlib.Path(group, name).write_text(word)
                except OSError:
                    pass  # another hierarchy's, or gone


def clear(directory):
    """Remove the directory of an engine and its control groups: of one that has ended only."""
    thaw(directory)
    for top in groups_of(directory):
        for group, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(group)
            except OSError:
                pass  # not empty: another engine's, or not ours to remove
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


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    directory = pathlib.Path(sys.argv[1])
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    clear_abandoned(directory)

    # The first process reaps orphans, as an engine expects of an init.
    with open(directory / "holder.log", "wb") as log:
        spaces = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child",
             "--mount", "--mount-proc", "--net", "--uts", "--ipc", "docker-init", "--",
             "sleep", "infinity"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        init = child_of(spaces)
    except ProcessLookupError:
        sys.exit((directory / "holder.log").read_text())
    print(init, flush=True)
    sys.stdin.buffer.read()
    if spaces.poll() is None:
        os.kill(init, signal.SIGKILL)
        thaw(directory)
        spaces.wait()  # ends when all within have ended
    else:
        sys.stderr.write((directory / "holder.log").read_text())
    clear(directory)


if __name__ == "__main__":
    main()
