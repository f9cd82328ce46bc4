# SPDX-License-Identifier: MIT
"""What an app of a root file system sees and may do: by runtime, mode, network and user ids."""

import os
import subprocess

import pytest

from harness import wait_until
from lab import Rootfs

LOOK = """
id=$(id -u)
exec 3>/app/seen 2>/dev/null
echo "id $id, maps $(tr -s ' ' < /proc/self/uid_map)" >&3
touch /new && echo "writes /" >&3
touch /tmp/new && echo "writes /tmp" >&3
stat -c "%u %n" /bin/busybox /app >&3
echo "devices $(ls /sys/class/net | tr '\\n' ' ')" >&3
grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -s '\\t' ' ' >&3
cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max >&3
mknod /dev/sda b 8 0 && echo "makes devices" >&3
chroot / true && echo "changes its root" >&3
mount -t tmpfs x /app && echo "mounts" >&3
unshare -U true && echo "makes namespaces" >&3
echo done >&3
exec sleep 1000
"""
FACILITIES = {
    "plain": {},
    "readonly": {"rootfs_mode": "readonly", "network": "host"},
    "mapped": {"userns": "100000:65536"},
    "mapped-host": {"userns": "100000:65536", "network": "host", "rootfs_mode": "readonly"},
    "runc": {"runtime": "/usr/sbin/runc"},
    "runc-mapped": {"runtime": "/usr/sbin/runc", "userns": "100000:65536",
                    "rootfs_mode": "readonly"},
}


@pytest.fixture(scope="module")
def rootfs():
    with Rootfs() as made:
        made.add("look", {"look.sh": LOOK})
        yield made


@pytest.fixture(scope="module")
def berth(module_gateway, rootfs):
    common = {"backend": "rootfs", "auth": "open", "rootfs": rootfs.path,
              "rootfs_roots": rootfs.root, "command": "/bin/sh /look.sh", "app_pids": 50,
              "default_user_uid": "0", "app_memory_bytes": "64m", "app_cpus": 0.5}
    return module_gateway({name: common | keys for name, keys in FACILITIES.items()})


def look(berth, facility):
    """What an app has seen, by its lines; it runs still."""
    client = berth.anyone
    assert client.post(f"/{facility}/create-app?image=look&user=ana").text == "Success"
    assert client.post(f"/{facility}/start-app?name=look--ana").text == "Success"
    folder, = (berth.data / facility).glob("*/mount")
    seen = folder / "seen"
    wait_until(lambda: seen.exists() and seen.read_text().endswith("done\n"))
    return seen.read_text().splitlines()


def end(berth, facility):
    for call in ("kill-app", "delete-app"):
        berth.anyone.post(f"/{facility}/{call}?name=look--ana")


@pytest.mark.parametrize("facility", FACILITIES)
def test_an_app_is_kept_from_its_host_and_its_root_file_system(berth, rootfs, facility, request):
    request.addfinalizer(lambda: end(berth, facility))
    before = rootfs.digest()
    host = set(os.listdir("/sys/class/net"))  # where other tests may add and remove some
    keys = FACILITIES[facility]
    seen = look(berth, facility)
    first, count = keys.get("userns", "0:4294967295").split(":")
    maps = next(line for line in seen if line.startswith("id "))
    assert maps == f"id 0, maps  0 {first} {count}"
    assert ("writes /" in seen) == (keys.get("rootfs_mode") != "readonly")
    assert "writes /tmp" in seen
    assert "0 /bin/busybox" in seen and "0 /app" in seen
    devices = next(line for line in seen if line.startswith("devices")).split()[1:]
    if keys.get("network") == "host":
        assert set(devices) >= {"lo", *(host & set(os.listdir("/sys/class/net")))}
    else:
        assert devices == ["lo"]
    assert {"CapBnd: 00000000000004fb", "NoNewPrivs: 1", "Seccomp: 2"} <= set(seen)
    if not {"userns", "network"} <= keys.keys():
        assert "50" in seen  # its own control groups, and not those of the host
    assert not {"makes devices", "changes its root", "mounts", "makes namespaces"} & set(seen)
    owner, = {path.stat().st_uid for path in (berth.data / facility).glob("*/mount/seen")}
    assert owner == int(first)

    for call in ("kill-app", "hard-reset-app"):
        assert berth.anyone.post(f"/{facility}/{call}?name=look--ana").text == "Success"
    assert [*(berth.data / facility).glob("*/upper/*")] == []
    assert berth.anyone.post(f"/{facility}/delete-app?name=look--ana").text == "Success"
    assert rootfs.digest() == before
    mounts = open("/proc/mounts").read()
    assert str(berth.data) not in mounts and str(rootfs.root) not in mounts
    assert [name for name in os.listdir(berth.data / facility) if not name.startswith(".")] == []


def test_what_the_host_lacks_is_told(gateway, rootfs):
    def check(**keys):
        offline = gateway({"bench": {"backend": "rootfs", "rootfs": rootfs.path, **keys}},
                          start=False)
        done = subprocess.run([offline.binary, "check-config", "--config", offline.config],
                              capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, said = check()
    assert code == 0
    assert "facility bench: crun 1." in said and "facility bench: conmon 2." in said
    code, said = check(runtime="/nonexistent/crun")
    assert code == 0 and "runtime /nonexistent/crun cannot be run: No such file" in said
    for keys, why in (
            ({"rootfs": "/nonexistent"}, "rootfs /nonexistent cannot be opened: No such file"),
            ({"rootfs_roots": "/nonexistent"}, "rootfs_roots /nonexistent cannot be opened"),
            ({"seccomp": "/nonexistent"}, "seccomp: /nonexistent cannot be opened"),
            ({"runtime": "/bin/true"}, "/bin/true does not tell its version"),
            ({"runtime": "/usr/bin/conmon"}, "/usr/bin/conmon is conmon: it must be crun or runc"),
    ):
        code, said = check(**keys)
        assert code == 1 and why in said, said
