# SPDX-License-Identifier: MIT
"""The engines' programs: Debian's packages, unpacked side by side in the user's cache."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

# The Debian releases that carry each engine. Debian 12's runc serves both: Debian 13's needs a
# newer C library than Debian 12 has.
_PACKAGES = {
    "20.10": {"bookworm": ["docker.io", "containerd", "runc", "libdevmapper1.02.1", "tini"]},
    "26.1": {"trixie": ["docker.io", "docker-cli", "containerd"], "bookworm": ["runc", "tini"]},
}
VERSIONS = tuple(_PACKAGES)
_PACKAGES["compose"] = {"trixie": ["docker-compose"]}
# A root file system: a shell and what people type in it, Python, pip, and the libraries of these.
_PACKAGES["python"] = {"bookworm": [
    "bash", "coreutils", "dash", "libacl1", "libattr1", "libc6", "libgmp10", "libpcre2-8-0",
    "libselinux1", "libtinfo6",
    "python3-minimal", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib",
    "libbz2-1.0", "libcrypt1", "libexpat1", "libffi8", "libgcc-s1", "liblzma5", "libssl3",
    "libuuid1", "zlib1g",
    "python3-pip", "python3-distutils", "python3-pkg-resources", "python3-setuptools",
    "python3-wheel"]}

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "berth"


def unpacked(version):
    """The directory that holds the programs of an engine version, of Docker Compose or of an image
    with Python, fetched when it is not there."""
    tree = _CACHE / "lab" / version
    tree.parent.mkdir(parents=True, exist_ok=True)
    with open(tree.parent / f"{version}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            _fetch(version, tree)
    return tree


def _fetch(version, tree):
    with tempfile.TemporaryDirectory(dir=tree.parent) as work:
        for suite, names in _PACKAGES[version].items():
            archive = [_ROOT / "scripts" / "debian-archive", "deb", suite]
            subprocess.run([*archive, "apt-get", "-qq", "download", *names], cwd=work, check=True)
        new = pathlib.Path(work) / "tree"
        for deb in sorted(pathlib.Path(work).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", deb, new], check=True)
        shutil.move(new, tree)


def environment(version):
    """The environment in which an engine of this version finds its own programs and libraries."""
    tree = unpacked(version)
    path = [str(tree / "usr/sbin"), str(tree / "usr/bin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    libraries = sorted({str(p.parent) for p in tree.glob("**/lib*.so.*")})
    return {"PATH": ":".join(path), "LD_LIBRARY_PATH": ":".join(libraries)}


def docker_cli():
    """The path of the reference docker command, 26.1."""
    return unpacked("26.1") / "usr/bin/docker"


def compose():
    """The path of Docker Compose 2.26, which any of the engines takes."""
    return unpacked("compose") / "usr/libexec/docker/cli-plugins/docker-compose"
