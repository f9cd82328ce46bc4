# SPDX-License-Identifier: MIT
"""A network between machines of the lab, which this machine is on too."""

from . import holder
from .machine import Machine, add_first_free, configure
from .registry import PORT, start_registry


class Network(Machine):
    """A network of its own, with a bridge that nodes and this machine are joined to.

    prefix   what its addresses begin with, such as "198.19.1."; no other network here has it
    here     the address of this machine in it
    device   the device of this machine in it
    registry where the registry is, if it has one
    The bridge, the ports and the way here are gone with the namespace, and nothing on this
    machine has to be forwarded: its own firewall stays as it is.
    """

    def __init__(self, version, registry):
        super().__init__(version)
        self._has_registry = registry

    def open(self):
        super().open()
        number = add_first_free(range(1, 255), "berth-swarm{}", holder.DEVICE, self._init)
        self.prefix = f"198.19.{number}."  # of the range for benchmarks of networks, RFC 2544
        self.device = f"berth-swarm{number}"
        self.registry = f"{self.prefix}2:{PORT}" if self._has_registry else None
        self.here = f"{self.prefix}1"
        configure(f"addr add {self.here}/24 dev {self.device}", f"link set {self.device} up")
        self.configure("link add bridge type bridge", f"addr add {self.prefix}2/24 dev bridge",
                       f"link set {holder.DEVICE} master bridge", f"link set {holder.DEVICE} up",
                       "link set bridge up", "link set lo up")
        if self._has_registry:
            start_registry(self, f"{self.prefix}2")

    def join(self, host, pid):
        """Join the network of a process to this one."""
        port = _port(host)
        # Always of the same hardware address, so that no neighbour has to learn a new one.
        self.configure(
            f"link add {port} type veth peer name {holder.DEVICE} "
            f"address 02:42:c6:13:00:{host:02x} netns {pid}",
            f"link set {port} master bridge", f"link set {port} up")

    def set_port(self, host, state):
        """Plug the cable of a host in ("up") or pull it ("down")."""
        self.configure(f"link set {_port(host)} {state}")


def _port(host):
    return f"port{host}"
