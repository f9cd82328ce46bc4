# SPDX-License-Identifier: MIT
"""This machine over again, as a copy that is thrown away: what is installed in it stays in it."""

import os
import pathlib
import shutil
import subprocess

from lab.packages import docker_cli

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Every file of this machine, and of the checkout where it is a mount of its own, with changes in
# memory alone; /run as systemd would have it, and the engine's socket where it is expected.
SETUP = r"""
set -e
mount -t tmpfs tmpfs "$COPY"
cd "$COPY"
mkdir upper work root checkout checkout-work
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mount -t overlay -o "lowerdir=$CHECKOUT,upperdir=checkout,workdir=checkout-work" overlay "root$CHECKOUT"
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs tmpfs root/tmp
mount -t proc proc root/proc
mount --rbind /dev root/dev
mkdir -p root/run/systemd/system root/etc/cron.d "root$CHECKOUT/build-release"
mount --bind "$BUILD" "root$CHECKOUT/build-release"
touch root/run/docker.sock
mount --bind "$SOCKET" root/run/docker.sock
mkdir -p root/var/lib/docker
mount --bind "$DATA" root/var/lib/docker
rm -rf root/var/lib/berth root/etc/berth root/usr/local/bin/berth
echo ready
cat
"""

# What the installer asks of systemd, of our services: they are started as their units say, but for
# DynamicUser=, in whose place is root.
SYSTEMCTL = r"""#!/bin/bash
echo "$*" >>/run/systemctl.log
verb=$1; shift
[ "$1" != --quiet ] || shift
[ "$1" != --now ] || { now=yes; shift; }
name=${1%.service} pid=/run/$name.pid
unit=/usr/local/lib/systemd/system/$name.service
key() { cat $unit $unit.d/*.conf 2>/dev/null | sed -n "s/^$1=//p" | tail -n 1; }
is_active() { [ -e $pid ] && kill -0 "$(cat $pid)" 2>/dev/null; }
start() {
    is_active && return
    local command caps=() names
    names=$(key AmbientCapabilities | sed 's/CAP_/+/g; s/ /,/g' | tr A-Z a-z)
    [ -z "$names" ] || caps=(--inh-caps=$names --ambient-caps=$names)
    read -r -a command < <(key ExecStart)
    [ -z "$(key User)" ] ||
        command=(setpriv --reuid "$(key User)" --regid "$(key Group)" "${caps[@]}"
            --groups "$(key SupplementaryGroups)" "${command[@]}")
    setsid "${command[@]}" </dev/null >>/run/$name.log 2>&1 &
    echo $! >$pid
}
stop() { ! is_active || { kill "$(cat $pid)"; while is_active; do sleep 0.05; done; }; }
case "$verb $name" in
*docker* | daemon-reload* | reset-failed*) ;;
is-enabled*berth*) [ -e /run/$name.enabled ] ;;
enable*berth*) touch /run/$name.enabled; [ -z "$now" ] || start ;;
disable*berth*) rm -f /run/$name.enabled; [ -z "$now" ] || stop ;;
is-active*berth*) is_active ;;
start*berth*) start ;;
stop*berth*) stop ;;
restart*berth*) stop; start ;;
reload*berth*) kill -HUP "$(cat $pid)" ;;
*) exit 1 ;;
esac
"""


class MachineCopy:
    """A copy of this machine that runs within an engine's network and has that engine as its own.

    node   a lab node or engine
    build  a directory that takes the place of the checkout's build-release/: copies may share it

    systemctl is a stand-in that starts the one service and keeps what it was asked in
    /run/systemctl.log. close() ends and forgets all of it. Threading: one thread at a time.
    """

    def __init__(self, node, build, directory):
        self.node = node
        self._directory = directory
        self._holder = subprocess.Popen(
            node.inside("env", f"COPY={directory}", f"CHECKOUT={ROOT}", f"BUILD={build}",
                        f"SOCKET={node.url.removeprefix('unix://')}", f"DATA={node.directory}/data",
                        "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout.readline() == "ready\n"
        self._init = _last_descendant(self._holder.pid)
        self.write("/usr/bin/systemctl", SYSTEMCTL, 0o755)
        shutil.copy(docker_cli(), self.path("/usr/local/bin/docker"))

    def close(self):
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait()

    def path(self, name):
        """Where a file of the copy is for this process."""
        return pathlib.Path(f"/proc/{self._init}/root{self._directory}/root{name}")

    def read(self, name):
        return self.path(name).read_text()

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def mode(self, name):
        """Mode, owner and group: "640 root berth"."""
        return self.run("stat", "-c", "%a %U %G", name).stdout.strip()

    def changed(self):
        """What differs from this machine: {path: (mode, when its content or owner changed)}."""
        upper = pathlib.Path(f"/proc/{self._init}/root{self._directory}/upper")
        found = {}
        for folder, _, names in os.walk(upper):
            for path in (pathlib.Path(folder, name) for name in names):
                status = path.lstat()
                found["/" + str(path.relative_to(upper))] = (status.st_mode, status.st_ctime_ns)
        return found

    def run(self, *command, input=None, environment=()):
        """Run a command in the copy's checkout."""
        return subprocess.run(
            ["nsenter", "--target", str(self._init), "--mount", "--pid", "--net", "--uts", "--ipc",
             "chroot", f"{self._directory}/root", "env", "-i", f"--chdir={ROOT}", "HOME=/root",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
             *environment, *map(str, command)],
            input=input, capture_output=True, text=True, timeout=900)

    def install(self, *args):
        return self.run("scripts/install", *args)

    def asked_of_systemd(self):
        """What changes the service manager was asked for since the last time."""
        log = self.path("/run/systemctl.log")
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith("is-")]


def _last_descendant(pid):
    while children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid
