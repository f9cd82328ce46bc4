# SPDX-License-Identifier: MIT
"""A Docker Swarm of real engines on one machine, and what can befall it."""

import concurrent.futures
import time

from .machine import configure
from .network import Network
from .node import NOBODY, Node
from .tls import Authority

READY_TIMEOUT_S = 60
HEARTBEAT_S = 2
GATEWAY = "gateway"  # a party to a partition: this machine, where the gateway under test runs
_FIRST_HOST = 11


class Swarm:
    """Engines joined to a swarm, each with a network, a name and a disk of its own.

    version    of the engines, and of the workers alone: `workers`
    nodes      how many, of which the first `managers` manage; their names are node1, node2, …
    registry   adds a docker-registry that every node has as its mirror for plain names
    tls        has every engine listen with mutual TLS, too; `client` is a certificate for it
    heartbeat_s  how often a worker reports; it counts as down after three that are missing.
               Docker's own default is 5.

    start() and close(), or `with`. After close(), and after the end of this process whatever its
    cause, nothing is left. Threading: one thread at a time.
    """

    def __init__(self, version="26.1", nodes=3, managers=1, workers=None, registry=False, tls=False,
                 heartbeat_s=HEARTBEAT_S):
        self.version = version
        self.nodes = []
        self.network = Network(version, registry)
        self.authority = None
        self.client = None
        self._shape = (nodes, managers)
        self._workers = workers or version
        self._tls = tls
        self._heartbeat_s = heartbeat_s
        self._hosts = iter(range(_FIRST_HOST, 255))
        self._pool = concurrent.futures.ThreadPoolExecutor(16)

    @property
    def manager(self):
        """The node that the swarm began with."""
        return self.nodes[0]

    @property
    def url(self):
        """The manager's unix socket."""
        return self.manager.url

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    # Life

    def start(self):
        """Start the engines and join them; returns when every node is ready."""
        count, managers = self._shape
        self.network.open()
        if self._tls:
            self.authority = Authority(self.network.directory / "tls")
            self.client = self.authority.client()
        for number in range(count):
            self._new(self.version if number < managers else self._workers)
        started = [self._pool.submit(node.start) for node in self.nodes]
        started[0].result()
        self.docker("swarm", "init", "--advertise-addr", self.manager.address, "--listen-addr",
                    self.manager.address, "--dispatcher-heartbeat", f"{self._heartbeat_s}s")
        self.manager.id = _id_of(self.manager)

        def join(number):
            started[number].result()
            self._join(self.nodes[number], number < managers)

        self._each(join, range(1, count))
        self.wait_ready()
        return self

    def close(self):
        """End every engine and leave nothing behind."""
        self._each(Node.close, self.nodes)
        self._pool.shutdown()
        self.network.close()

    def reset(self):
        """Make the swarm what it was at first: its first nodes, and no services or containers."""
        self.heal()
        self._each(_revive, self.nodes)
        for node in self.nodes[self._shape[0]:]:
            self.remove(node)
        try:
            self.wait_ready()
        except TimeoutError:  # a manager may miss what a node that is back says of itself, for good
            self._each(Node.restart, self.nodes[1:])
            self.wait_ready()
        for service in self.api("GET", "/services")[1]:
            self.docker("service", "rm", service["ID"])
        for node in self.nodes:
            self.set_availability(node, "active")
        self._each(_clear, self.nodes)

    # Use

    def docker(self, *args, input=None):
        """Run the docker 26.1 command against the manager; returns what it printed."""
        return self.manager.docker(*args, input=input)

    def api(self, method, path, body=None):
        """Call the manager's Engine API; returns (status, decoded JSON or text)."""
        return self.manager.api(method, path, body)

    def import_image(self, name, **options):
        """As Engine.import_image, on every node with the same id."""
        image = self.manager.import_image(name, **options)
        archive = self.manager.save(name)
        self._each(lambda node: node.docker("load", input=archive), self.nodes[1:])
        return image

    def push(self, image, name):
        """As Engine.push: the manager's image into the registry, for every node to pull."""
        return self.manager.push(image, name)

    def status(self, node):
        """The state of a node as the manager sees it: ready, down or unknown."""
        status, answer = self.api("GET", f"/nodes/{node.id}")
        return answer["Status"]["State"] if status == 200 else "unknown"

    def wait_ready(self):
        """Wait until every node is ready and every manager reachable."""
        _wait(self._is_ready, "every node to be ready")

    def wait_status(self, node, state):
        """Wait until the manager sees a node in a state."""
        _wait(lambda: self.status(node) == state, f"{node.name} to be {state}")

    # Change

    def add(self, name=None, version=None, manager=False):
        """A further node, ready."""
        node = self._new(version or self._workers, name)
        node.start()
        self._join(node, manager)
        self.wait_status(node, "ready")
        return node

    def remove(self, node):
        """End a node and have the swarm forget it."""
        self.nodes.remove(node)
        node.close()
        if self.api("GET", f"/nodes/{node.id}")[1].get("ManagerStatus"):
            self.docker("node", "demote", node.id)
        self.docker("node", "rm", "--force", node.id)

    def set_availability(self, node, availability):
        """active, pause, or drain"""
        def is_set():
            try:
                self.docker("node", "update", "--availability", availability, node.id)
            except RuntimeError as error:
                if "update out of sequence" not in str(error):
                    raise
                return False  # the manager has written something of its own meanwhile
            return True

        _wait(is_set, f"{node.name} to be set to {availability}")

    def partition(self, node, *others):
        """Let nothing pass between a node and others, nodes or GATEWAY; with none, the whole network.

        Nothing is refused: packets are lost, and connections stay open until someone gives up.
        """
        if not others:
            self.network.set_port(node.host, "down")
        for other in others:
            address = self.network.here if other == GATEWAY else other.address
            node.cut(address)
            if other == GATEWAY:
                configure(f"neigh replace {node.address} lladdr {NOBODY} "
                          f"dev {self.network.device} nud permanent")
            else:
                other.cut(node.address)

    def heal(self):
        """Undo every partition()."""
        for node in self.nodes:
            if node.is_on():
                self.network.set_port(node.host, "up")
        for node in self.nodes:
            node.mend()
        configure(*(f"neigh flush dev {self.network.device} nud {state}"
                    for state in ("permanent", "all")))

    # Within

    def _new(self, version, name=None):
        host = next(self._hosts)
        node = Node(self, version, name or f"node{host - _FIRST_HOST + 1}", host)
        self.nodes.append(node)
        return node

    def _join(self, node, manager):
        tokens = self.api("GET", "/swarm")[1]["JoinTokens"]
        node.docker("swarm", "join", "--advertise-addr", node.address, "--listen-addr",
                    node.address, "--token", tokens["Manager" if manager else "Worker"],
                    f"{self.manager.address}:2377")
        node.id = _id_of(node)

    def _is_ready(self):
        status, nodes = self.api("GET", "/nodes")
        if status != 200:
            return False  # no quorum yet
        ready = {
            (node["ID"], node["Description"]["Hostname"]) for node in nodes
            if node["Status"]["State"] == "ready" and
            node.get("ManagerStatus", {}).get("Reachability", "reachable") == "reachable"}
        return ready >= {(node.id, node.name) for node in self.nodes}

    def _each(self, work, items):
        """Work on all items at once; returns when all is done."""
        list(self._pool.map(work, items))


def _id_of(node):
    return node.api("GET", "/info")[1]["Swarm"]["NodeID"]


def _revive(node):
    if not node.is_on():
        node.boot()
    if node.is_frozen:
        node.thaw()
    if node.name != node.first_name:
        node.rename(node.first_name)
    if not node.is_running():
        node.start()


def _clear(node):
    def is_empty():
        containers = node.api("GET", "/containers/json?all=1")[1]
        for container in containers:  # some may be on their way out by themselves
            node.api("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        return not containers

    _wait(is_empty, f"{node.name} to be without containers")


def _wait(condition, what):
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {READY_TIMEOUT_S} s for {what}")
        time.sleep(0.05)
