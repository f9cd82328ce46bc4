# SPDX-License-Identifier: MIT
"""Root file systems for test images, made of busybox without any registry."""

import io
import subprocess
import tarfile

BUSYBOX = "/bin/busybox"
WEB_SERVER = (
    "sh", "-c",
    "trap exit TERM; httpd -f -p 80 -h /www & echo ready; echo up >&2; wait")  # stops at once


def rootfs(files=None):
    """A tar archive (bytes) of a root file system with busybox and `files` ({path: text})."""
    contents = {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
        "etc/group": "root:x:0:\nnogroup:x:65534:\n",
        "www/index.html": "hello from berth\n",
        **(files or {}),
    }
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("bin", "etc", "proc", "root", "sys", "tmp", "www"):
            _add(tar, name, type=tarfile.DIRTYPE, mode=0o1777 if name == "tmp" else 0o755)
        with open(BUSYBOX, "rb") as busybox:
            _add(tar, "bin/busybox", data=busybox.read(), mode=0o755)
        for applet in applets.stdout.split():
            if applet != "busybox":
                _add(tar, f"bin/{applet}", type=tarfile.SYMTYPE, linkname="busybox")
        for name, text in contents.items():
            _add(tar, name.lstrip("/"), data=text.encode(), mode=0o644)
    return out.getvalue()


def _add(tar, name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))
