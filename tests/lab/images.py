# SPDX-License-Identifier: MIT
"""Root file systems for test images, made of Debian's packages without any registry."""

import io
import pathlib
import subprocess
import tarfile

from . import packages

BUSYBOX = "/bin/busybox"
WEB_SERVER = (
    "sh", "-c",
    "trap exit TERM; httpd -f -p 80 -h /www & echo ready; echo up >&2; wait")  # stops at once

_USERS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"  # pip looks at them before it connects
# Left out of the image with Python: what nobody reads there, and what keeps pip from installing
# beside Debian's own packages, which Docker's images of Python lack too.
_LEFT_OUT = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/lib/x86_64-linux-gnu/gconv",
             "usr/lib/python3.11/EXTERNALLY-MANAGED")


def rootfs(files=None):
    """A tar archive (bytes) of a root file system with busybox and `files` ({path: text})."""
    contents = {
        **_USERS,
        "www/index.html": "hello from berth\n",
        **(files or {}),
    }
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add_directories(tar, "bin", "etc", "proc", "root", "sys", "tmp", "www")
        with open(BUSYBOX, "rb") as busybox:
            _add(tar, "bin/busybox", data=busybox.read(), mode=0o755)
        for applet in applets.stdout.split():
            if applet != "busybox":
                _add(tar, f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox")
        _add_files(tar, contents)
    return out.getvalue()


def python_rootfs():
    """As rootfs, with bash, coreutils, Python and pip as Debian 12 has them."""
    def owned_by_root(info):
        info.uid = info.gid = 0
        return None if info.name in _LEFT_OUT else info

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in sorted(packages.unpacked("python").iterdir()):
            tar.add(path, path.name, filter=owned_by_root)
        _add_directories(tar, "proc", "root", "sys", "tmp")
        _add_files(tar, {**_USERS, _CERTIFICATES: pathlib.Path(_CERTIFICATES).read_text()})
    return out.getvalue()


def _add_directories(tar, *names):
    for name in names:
        _add(tar, name, type=tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)


def _add_files(tar, contents):
    for name, text in contents.items():
        _add(tar, name.lstrip("/"), data=text.encode(), mode=0o644)


def _add(tar, name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))
