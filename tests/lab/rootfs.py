# SPDX-License-Identifier: MIT
"""Root file systems in folders of this machine, and control groups that crun takes."""

import fcntl
import hashlib
import io
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from . import images

_CGROUPS = pathlib.Path("/sys/fs/cgroup")
_BASH = "#!/bin/sh\nexec /bin/sh \"$@\"\n"  # busybox has no bash, the default command is one


class Rootfs:
    """A folder of root file systems, one of which stands for a facility's default.

    root   the folder, for the key rootfs_roots
    path   the default, for the key rootfs: busybox as /bin/sh and /bin/bash

    close() removes all of it. Threading: one thread at a time.
    """

    def __init__(self):
        self.root = None
        self.path = None

    def open(self):
        prepare_groups()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="berth-rootfs-"))
        self.root.chmod(0o755)
        self.path = self.add("busybox")
        return self

    def close(self):
        if self.root:
            shutil.rmtree(self.root)
            self.root = None

    def __enter__(self):
        return self.open()

    def __exit__(self, *_):
        self.close()

    def add(self, name, files=None):
        """Make one more, with `files` ({path: text}) besides; returns its path."""
        path = self.root / name
        path.mkdir(mode=0o755)
        with tarfile.open(fileobj=io.BytesIO(images.rootfs(files))) as tar:
            tar.extractall(path)
        bash = path / "bin/bash"
        bash.write_text(_BASH)
        bash.chmod(0o755)
        return path

    def digest(self):
        """Another when anything in the folder is: names, kinds, owners, modes, times, contents."""
        digest = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            digest.update(repr((str(path), status.st_mode, status.st_uid, status.st_gid,
                                status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())
            if path.is_symlink():
                digest.update(str(path.readlink()).encode())
            elif path.is_file():
                digest.update(path.read_bytes())
        return digest.hexdigest()


def prepare_groups():
    """Give version 1 of control groups what version 2 has beside it: crun refuses both at once.

    A controller stays where it is until the machine restarts, as its groups do.
    """
    left = _CGROUPS / "unified/cgroup.controllers"
    if not left.exists():
        return
    with open("/run/berth-lab-groups.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in left.read_text().split():
            place = _CGROUPS / name
            place.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "cgroup", "-o", name, "cgroup", place], check=True)
