# SPDX-License-Identifier: MIT
"""One engine of a swarm, and what can befall its machine."""

import subprocess

from . import holder, images
from .engine import Engine

TLS_PORT = 2376
NOBODY = "02:42:c6:13:ff:ff"  # the hardware address of no device


class Node(Engine):
    """An engine that is a member of a swarm.

    name     the host's name; two nodes may have the same
    address  its IP address, the same for its life
    id       the swarm's id of it; another once it has left and joined again
    url      the engine's unix socket
    tls_url  the engine's tcp socket with mutual TLS, or None

    What Engine can, and to die, freeze and wake as a whole machine. Made by Swarm.
    """

    def __init__(self, swarm, version, name, host):
        super().__init__(version)
        self.name = self.first_name = name
        self.id = None
        self.host = host
        self.is_frozen = False
        self.address = f"{swarm.network.prefix}{host}"
        self.registry = swarm.network.registry
        self.tls_url = f"tcp://{self.address}:{TLS_PORT}" if swarm.authority else None
        self._network = swarm.network
        self._authority = swarm.authority
        self._cuts = set()  # the addresses it is cut from

    def is_running(self):
        return "dockerd" in self._processes

    def rename(self, name):
        """Restart the engine with another host name; its containers are stopped on the way."""
        self.stop()
        self.name = name
        self._set_name()
        self.start()

    def power_off(self):
        """Die as a machine does: nobody is told. All that ran here has ended, the disk stays."""
        super().power_off()
        self.is_frozen = False

    def boot(self):
        """Come back after power_off(), and wait until the engine answers."""
        self.remove("exec")
        self.power_on()
        self._connect()
        for address in self._cuts:
            self.cut(address)
        return self.start()

    def freeze(self):
        """Stop dockerd and its containerd in their tracks; the containers go on."""
        self._signal_all("STOP")
        self.is_frozen = True

    def thaw(self):
        self._signal_all("CONT")
        super().thaw()
        self.is_frozen = False

    def cut(self, address):
        """Send what goes to an address to nobody: no error is seen, only silence."""
        self._cuts.add(address)
        self.configure(f"neigh replace {address} lladdr {NOBODY} "
                       f"dev {holder.DEVICE} nud permanent")

    def mend(self):
        """Undo every cut(), and forget who was not there."""
        if self.is_on():
            self.configure(*(f"neigh flush dev {holder.DEVICE} nud {state}"
                             for state in ("permanent", "all")))
        self._cuts.clear()

    # Within

    def open(self):
        super().open()
        if self._authority:
            pair = self._authority.server(f"node{self.host}", self.address)
            self._args += ["--host", self.tls_url, "--tlsverify", "--tlscacert", pair.ca,
                           "--tlscert", pair.cert, "--tlskey", pair.key]
        if self.registry:
            self._args += ["--insecure-registry", self.registry]

    def _connect(self):
        self._network.join(self.host, self._init)
        self.configure(f"addr add {self.address}/24 dev {holder.DEVICE}",
                       f"link set {holder.DEVICE} up", "link set lo up")
        self._set_name()

    def _set_name(self):
        subprocess.run(self.inside(images.BUSYBOX, "hostname", self.name), check=True)

    def _signal_all(self, name):
        # Within its process namespace there is no other engine.
        subprocess.run(self.inside(images.BUSYBOX, "killall", f"-{name}", "containerd", "dockerd"),
                       check=True)
