# SPDX-License-Identifier: MIT
"""`berth agent` on the nodes of a real swarm, with the certificates that the swarm made."""

import email.utils
import hashlib
import http.client
import json
import shutil
import signal
import ssl
import subprocess
import time

import pytest

from conftest import DEMO
from harness import BINARY, refused, wait_until
from harness.agent import Agent, AgentClient, Files, files_of
from harness.terminal import Terminal
from lab.tls import Authority


@pytest.fixture
def worker(swarm):
    return swarm.nodes[1]


@pytest.fixture
def agent(worker):
    with Agent(worker) as agent:
        yield agent


@pytest.fixture
def manager(swarm, worker):
    """The gateway's side: a client with the manager's certificate."""
    return AgentClient(worker, files_of(swarm.manager), files_of(swarm.manager).ca)


def run_app(node, name, *args, facility="demo"):
    labels = ["--label", f"berth.facility={facility}"] if facility else []
    return node.docker("run", "--detach", "--name", name, *labels, *args, DEMO)


# What is read


def test_what_the_agent_says_is_what_the_engine_says(worker, agent, manager):
    ours = run_app(worker, "ours")
    run_app(worker, "foreign", facility=None)
    _, theirs = worker.api("GET", "/v1.41/containers/json?all=1")
    for stream in ("stdout", "stderr"):  # each comes to the log by itself
        wait_until(lambda: manager.get(f"/containers/{ours}/logs?{stream}=1")[1], what=stream)

    status, listed = manager.get("/v1.41/containers/json?all=1")
    assert status == 200
    [expected] = [each for each in theirs if each["Id"] == ours]
    listed[0]["Status"] = expected["Status"]  # "Up 1 second"
    assert listed == [expected]

    for target in (f"/containers/{ours}/json", "/containers/ours/json", "/images/json",
                   "/version", f"/v1.41/images/{DEMO}/json"):
        assert manager.get(target) == worker.api("GET", target), target

    status, logs = manager.get(f"/containers/{ours}/logs?stdout=1&stderr=1&timestamps=0")
    assert status == 200
    assert b"\1\0\0\0\0\0\0\6ready\n" in logs and b"\2\0\0\0\0\0\0\3up\n" in logs

    status, sample = manager.get(f"/containers/{ours}/stats?stream=0")
    assert (status, sample["id"], sample["name"]) == (200, ours, "/ours")
    assert sample["memory_stats"] and sample["precpu_stats"]

    info = manager.get("/info")[1]
    assert info == {"ID": info["ID"], "Name": worker.name, "Swarm": {"NodeID": worker.id},
                    "ServerVersion": worker.api("GET", "/version")[1]["Version"]}

    status, headers, body = manager.request("GET", "/_ping")
    # Gateways begin to watch from then on: the engine's stream alone would miss what comes with it.
    assert abs(email.utils.parsedate_to_datetime(headers["Date"]).timestamp() - time.time()) < 30
    engine = worker.api("GET", "/version")[1]["ApiVersion"]
    assert (status, headers["Api-Version"], body) == (200, engine, b"OK")


def test_what_is_not_of_berth_is_not_there(worker, agent, manager):
    foreign = run_app(worker, "foreign", facility=None)
    for name in (foreign, foreign[:12], "foreign", "nobody"):
        for what in ("json", "logs?stdout=1", "stats?stream=0"):
            assert manager.get(f"/containers/{name}/{what}") == \
                (404, {"message": f"No such container: {name}"}), (name, what)
    filters = json.dumps({"id": [foreign]})
    assert manager.get(f"/containers/json?all=1&filters={filters}".replace(" ", "")) == (200, [])


def test_events_are_those_of_apps(worker, agent, manager):
    with manager.connect() as stream:
        stream.sendall(b"GET /v1.41/events HTTP/1.1\r\nHost: agent\r\n\r\n")
        answer = http.client.HTTPResponse(stream)
        answer.begin()
        assert answer.status == 200
        run_app(worker, "foreign", facility=None)
        ours = run_app(worker, "ours")
        worker.docker("kill", "foreign", "ours")
        events = [json.loads(answer.readline()) for _ in range(4)]
        assert {event["Actor"]["ID"] for event in events} == {ours}
        assert [event["Action"] for event in events] == ["create", "start", "kill", "die"]


def test_all_else_is_refused(worker, agent, manager):
    ours = run_app(worker, "ours")
    for method, target in [
            ("POST", "/containers/create"), ("POST", f"/containers/{ours}/kill"),
            ("DELETE", f"/containers/{ours}?force=1"), ("GET", f"/containers/{ours}/archive?path=/"),
            ("GET", f"/containers/{ours}/export"), ("GET", "/secrets"), ("GET", "/swarm"),
            ("POST", "/images/create?fromImage=demo"), ("POST", "/build"),
            ("GET", "/containers/../networks"), ("GET", "/")]:
        status, headers, body = manager.request(method, target)
        assert (status, headers["Content-Type"]) == (403, "application/json"), (method, target)
        assert json.loads(body)["message"].startswith("berth's agent does not let"), body
    for target in ("/containers/x%2F..%2F..%2Fnetworks/json", "/containers/json?all=maybe",
                   "/v1.99/info"):
        assert manager.request("GET", target)[0] == 400, target
    assert manager.request("GET", "/version", body=b"x")[0] == 400
    for raw in (b"GET /version HTTP/1.0\r\nHost: a\r\n\r\n",
                b"GET /version HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"GET /version HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"):
        assert manager.raw(raw).startswith(b"HTTP/1.1 400 "), raw
    assert worker.api("GET", f"/containers/{ours}/json")[1]["State"]["Running"]


# Processes


def read_until(stream, ending):
    text = b""
    while not text.endswith(ending):
        piece = stream.recv(65536)
        assert piece, text
        text += piece
    return text


def read_all(stream):
    return b"".join(iter(lambda: stream.recv(1 << 20), b""))


def end_of(manager, exec_id):
    """What is known of a process once it has ended."""
    found = []

    def ended():
        found[:] = [manager.get(f"/exec/{exec_id}/json")]
        return not found[0][1]["Running"]

    wait_until(ended)
    return found[0][1]


def test_a_process_runs_in_an_app(worker, agent, manager):
    ours = run_app(worker, "ours")
    shell = manager.make_exec("ours", "sh", tty=True)
    with manager.start_exec(shell, tty=True) as stream:
        assert manager.post(f"/v1.41/exec/{shell}/resize?h=43&w=132") in ((200, b""), (201, b""))
        stream.sendall(b"stty size; echo one; exit 7\n")
        assert b"43 132\r\none\r\n" in read_all(stream)
    assert end_of(manager, shell)["ExitCode"] == 7
    assert manager.get(f"/exec/{shell}/json") == worker.api("GET", f"/exec/{shell}/json")

    pipes = manager.make_exec(ours, "sh", "-c", "echo one; echo two >&2")
    with manager.start_exec(pipes) as stream:
        frames = read_all(stream)
    assert b"\1\0\0\0\0\0\0\4one\n" in frames and b"\2\0\0\0\0\0\0\4two\n" in frames
    wait_until(lambda: f"POST /v1.41/exec/{shell}/start: 101, " in agent.log, what="its line")


def test_a_process_waits_for_who_does_not_read(worker, agent, manager):
    run_app(worker, "ours")
    size = 30_000_000
    exec_id = manager.make_exec("ours", "sh", "-c", f"head -c {size} /dev/zero; touch /tmp/said",
                                tty=True)
    said = lambda: worker.docker("exec", "ours", "ls", "/tmp") == "said"
    with manager.start_exec(exec_id, tty=True) as stream:
        read_until(stream, b"\0")
        time.sleep(0.5)  # it says no more than what lies on the way
        assert not said()
        read_all(stream)
    wait_until(said)

    # The other way: it takes nothing for a while, and then all.
    data = bytes(range(256)) * 30_000
    exec_id = manager.make_exec("ours", "sh", "-c", f"sleep 0.5; head -c {len(data)} | md5sum")
    with manager.start_exec(exec_id) as stream:
        stream.sendall(data)
        assert hashlib.md5(data).hexdigest().encode() in read_all(stream)


def test_hanging_up_ends_the_input(worker, agent, manager):
    run_app(worker, "ours")
    exec_id = manager.make_exec("ours", "sh", "-c", "cat; touch /tmp/gone")
    with manager.start_exec(exec_id) as stream:
        stream.sendall(b"hello\n")
        read_until(stream, b"hello\n")
    wait_until(lambda: worker.docker("exec", "ours", "ls", "/tmp") == "gone")


def test_processes_are_of_apps_and_of_their_users(worker, agent, manager):
    ours = run_app(worker, "ours", "--user", "1000:1000")
    foreign = run_app(worker, "foreign", facility=None)
    made = lambda container, **body: manager.post(f"/containers/{container}/exec",
                                                  {"Cmd": ["id"], **body})
    for name in (foreign, "foreign", "nobody"):
        assert made(name) == (404, {"message": f"No such container: {name}"})
    for body in ({"Privileged": True}, {"User": "0"}, {"User": "root"}, {"Detach": True},
                 {"privileged": True}, {"ConsoleSize": [1, 1]}):
        status, answer = made(ours, **body)
        assert (status, answer["message"][:13]) == (403, "berth's agent"), body
    assert made(ours, User="1000:1000", Privileged=False)[0] == 201
    assert made(ours, Cmd="id")[0] == 400
    assert made(ours, Env=["x" * 1_000_000])[0] == 201
    assert manager.raw(b"POST /containers/ours/exec HTTP/1.1\r\nHost: agent\r\n"
                       b"Content-Length: %d\r\n\r\n" % ((1 << 20) + 1)).startswith(b"HTTP/1.1 400 ")
    assert manager.post(f"/containers/{ours}/exec")[0] == 400

    for container, extra in ((foreign, {}), (ours, {"Privileged": True})):
        _, answer = worker.api("POST", f"/containers/{container}/exec", {"Cmd": ["id"], **extra})
        unknown = (404, {"message": f"No such exec instance: {answer['Id']}"})
        assert manager.get(f"/exec/{answer['Id']}/json") == unknown
        assert manager.post(f"/exec/{answer['Id']}/resize?h=1&w=1") == unknown
        start = (b"POST /exec/%s/start HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\n"
                 b"Upgrade: tcp\r\nContent-Length: 2\r\n\r\n{}" % answer["Id"].encode())
        assert manager.raw(start).startswith(b"HTTP/1.1 404 ")
        status, answer = worker.api("GET", f"/exec/{answer['Id']}/json")
        assert status == 200 and not answer["Running"] and answer["ExitCode"] is None

    exec_id = manager.make_exec(ours, "id")
    assert manager.post(f"/exec/{exec_id}/start", {"Detach": True})[0] == 400, "no upgrade"
    head = b"POST /exec/%s/start HTTP/1.1\r\nHost: agent\r\n" % exec_id.encode()
    upgrade = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
    for rest, status in ((upgrade + b"Content-Length: 15\r\n\r\n{\"Detach\":true}", 403),
                         (upgrade + b"\r\n", 400),
                         (upgrade + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
                         (upgrade + b"Content-Length: 2x\r\n\r\n{}", 400),
                         (upgrade + b"Content-Length: 2\r\n\r\n[]", 400),
                         (b"Content-Length: 2\r\n\r\n{}", 400)):
        assert manager.raw(head + rest).startswith(b"HTTP/1.1 %d " % status), rest
    with manager.start_exec(exec_id) as stream:
        assert b"uid=1000 gid=1000" in read_all(stream)
    worker.docker("kill", ours)
    assert made(ours)[0] == 409


# Who may read


def is_refused(client):
    try:
        client.get("/_ping")
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def test_only_managers_of_the_swarm_are_let_in(swarm, worker, agent, tmp_path):
    ca = files_of(swarm.manager).ca
    assert is_refused(AgentClient(worker, None, ca))
    assert is_refused(AgentClient(worker, files_of(worker), ca)), "the node itself, a worker"
    assert is_refused(AgentClient(worker, files_of(swarm.nodes[2]), ca)), "another worker"
    stranger = Authority(tmp_path / "authority").client("swarm-manager")
    assert is_refused(AgentClient(worker, Files(*stranger), ca)), "another authority"
    assert not is_refused(AgentClient(worker, files_of(swarm.manager), ca))
    for said in (f"{worker.id} (swarm-worker) is no manager of this node's swarm",
                 "certificate of swarm-manager"):
        wait_until(lambda: said in agent.log, what=said)


def test_a_client_knows_which_node_it_speaks_to(swarm, worker, agent):
    elsewhere = AgentClient(worker, files_of(swarm.manager), files_of(swarm.manager).ca)
    with pytest.raises(ssl.SSLCertVerificationError):
        elsewhere.connect(swarm.nodes[2].id)


def test_there_is_no_session_to_resume(worker, agent, manager):
    with manager.connect() as stream:
        stream.sendall(b"GET /_ping HTTP/1.1\r\nHost: agent\r\n\r\n")
        assert stream.recv(1)
        assert not stream.session or not stream.session.has_ticket


# Certificates


def test_certificates_renewed_by_the_swarm_count_at_once(swarm, worker, agent, manager):
    before = files_of(worker).cert.read_bytes()
    assert manager.get("/_ping")[0] == 200
    swarm.docker("swarm", "ca", "--rotate", "--quiet")
    wait_until(lambda: files_of(worker).cert.read_bytes() != before, 30, "a new certificate")
    renewed = AgentClient(worker, files_of(swarm.manager), files_of(swarm.manager).ca)
    assert renewed.get("/_ping")[0] == 200
    assert is_refused(AgentClient(worker, files_of(worker), files_of(worker).ca))


def test_files_that_are_no_good_change_nothing(swarm, worker, tmp_path):
    mine = Files(tmp_path / "ca", tmp_path / "cert", tmp_path / "key")
    for source, copy in zip(files_of(worker), mine):
        shutil.copy(source, copy)
    client = AgentClient(worker, files_of(swarm.manager), files_of(swarm.manager).ca)
    with Agent(worker, mine) as agent:
        mine.key.write_text("no key")
        assert client.get("/_ping")[0] == 200
        wait_until(lambda: "the certificate stays what it was" in agent.log)
        shutil.copy(files_of(worker).key, mine.key)
        agent.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "was read anew" in agent.log)
        assert client.get("/_ping")[0] == 200


def test_certificates_of_ones_own(swarm, worker, tmp_path):
    authority = Authority(tmp_path / "authority")
    server = Files(*authority.server(worker.id, worker.address))
    client = Files(*authority.client("gateway"))
    with Agent(worker, server):
        assert not is_refused(AgentClient(worker, client, server.ca))
        assert is_refused(AgentClient(worker, server, server.ca)), "a certificate for servers"
        assert is_refused(AgentClient(worker, files_of(swarm.manager), server.ca))


def run_agent(*args):
    return subprocess.run([BINARY, "agent", *map(str, args)], capture_output=True, text=True,
                          timeout=30)


def test_what_is_wrong_with_the_files_is_said(swarm, worker, tmp_path):
    ca, cert, key = files_of(worker)

    def said(ca=ca, cert=cert, key=key):
        return refused(run_agent("--tls-ca", ca, "--tls-cert", cert, "--tls-key", key))

    missing = tmp_path / "missing"
    assert said(ca=missing) == f"tls_ca: {missing} is not there"
    assert said(key=cert) == f"tls_key: {cert} is no private key"
    assert said(cert=key) == f"tls_cert: {key} has no certificate in PEM"
    other = files_of(swarm.manager).key
    assert said(key=other) == f"tls_key: {other} is not the key of the certificate in tls_cert"
    assert said(ca="/dev/null") == "tls_ca: /dev/null is no file of certificates"
    locked = tmp_path / "locked"
    clear = tmp_path / "clear"
    clear.write_text("".join(line for line in key.read_text().splitlines(True)
                             if ":" not in line and line != "\n"))
    subprocess.run(["openssl", "pkcs8", "-topk8", "-passout", "pass:x", "-in", clear, "-out",
                    locked], check=True, capture_output=True)
    assert said(key=locked) == f"tls_key: {locked} is encrypted: give one that is not"
    assert refused(run_agent("--tls-ca", ca)) == \
        "tls_ca, tls_cert and tls_key go together: tls_cert is missing"
    assert "this host is in no swarm" in refused(run_agent())
    files = ["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key]
    for listen in ("2378", "0.0.0.0", "0.0.0.0:0", "0.0.0.0:2378s", "0.0.0.0:1,0.0.0.0:2", "x:1",
                   "[::1:2378", "[]:1"):
        assert refused(run_agent("--listen", listen, *files)).startswith(
            "--listen must be ADDRESS:PORT"), listen


# Trouble


def test_a_frozen_engine_costs_five_seconds(worker, agent, manager):
    manager.get("/_ping")
    worker.freeze()
    try:
        begun = time.monotonic()
        assert manager.get("/containers/json")[0] == 504
        assert 4 < time.monotonic() - begun < 15  # and not the 30 that a call would wait
    finally:
        worker.thaw()
    assert manager.get("/containers/json")[0] == 200


def test_an_engine_that_is_gone_is_said(worker, agent, manager):
    worker.stop()
    try:
        status, answer = manager.get("/containers/json")
        assert status == 503 and "cannot be reached" in answer["message"]
    finally:
        worker.start()
    assert manager.get("/containers/json")[0] == 200


def test_stopping_ends_what_has_no_end(worker, manager):
    agent = Agent(worker).start()
    run_app(worker, "ours")
    process = manager.start_exec(manager.make_exec("ours", "cat"))
    with manager.connect() as stream:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: agent\r\n\r\n")
        assert stream.recv(1)
        begun = time.monotonic()
        agent.stop()
        assert time.monotonic() - begun < 15
        assert process.recv(1) == b""
    process.close()


# The gateway


@pytest.fixture
def agents(swarm):
    """An agent on each worker, by the node's name."""
    made = {node.name: Agent(node).start() for node in swarm.nodes[1:]}
    yield made
    for agent in made.values():
        agent.stop()


@pytest.fixture
def berth(swarm, gateway):
    """A gateway whose facility finds the agents, as its only word about nodes."""
    ca, cert, key = files_of(swarm.manager)
    return gateway({"demo": {
        "backend": "swarm", "swarm_mode": "service", "engine": swarm.url, "image_policy": "open",
        "tls_ca": ca, "tls_cert": cert, "tls_key": key, "node.*": "agent"}})


def names_of(swarm):
    """{service's id: its app's name}"""
    return {service["ID"]: service["Spec"]["Labels"]["berth.app"]
            for service in swarm.api("GET", "/services")[1]}


def spread_apps(berth, swarm):
    """Apps until each node has one, which run; {node's name: an app there}."""
    nodes = {node.id: node.name for node in swarm.nodes}
    apps = {}
    for count in (6, 9, 12, 15):  # the swarm passes over a node that it has not heard of for a while
        for number in range(len(names_of(swarm)), count):
            answer = berth.admin.post("/demo/create-app", image=DEMO, user=f"user{number}")
            assert answer.status == 200, answer

        def running():
            tasks = swarm.api("GET", '/tasks?filters={"desired-state":["running"]}')[1]
            return len(tasks) >= count and tasks if all(
                task["Status"]["State"] == "running" for task in tasks) else None

        tasks = wait_until(running, 60, "the tasks")
        names = names_of(swarm)
        apps = {nodes[task["NodeID"]]: names[task["ServiceID"]] for task in tasks}
        if len(apps) == len(nodes):
            break
    assert len(apps) == 3, apps
    for app in apps.values():
        wait_until(lambda: state_of(berth, app) == "running", what=f"{app} to be seen to run")
    return apps


def state_of(berth, app):
    answer = berth.admin.get("/demo/get-app-status", name=app)
    return answer.json["State"] if answer.status == 200 else answer.status


def stats_of(berth, app):
    """A busy engine may take longer over its first sample than a question waits for it."""
    return wait_until(lambda: (answer := berth.admin.get("/demo/get-app-stats", name=app)).status == 200
                      and answer.json, what=f"a sample of {app}")


def test_the_gateway_reads_through_agents(swarm, agents, berth):
    apps = spread_apps(berth, swarm)
    admin = berth.admin
    for node in swarm.nodes:
        app = apps[node.name]
        info = admin.get("/demo/get-app-info", name=app, fresh="yes").json
        assert info == node.api("GET", f"/containers/{info['Id']}/json")[1]
        wait_until(lambda: "ready" in admin.get("/demo/get-app-logs", name=app).text, what="a line")
        stats = stats_of(berth, app)
        assert stats["Container"] == info["Id"][:12] and stats["MemUsage"] != "-- / --", stats
    for agent in agents.values():
        assert f"{swarm.manager.id}: GET " in agent.log and ": 403, " not in agent.log

    # Behind berth's back: seen by the agent's events.
    victim = swarm.nodes[1]
    [container] = [each for each in victim.api("GET", "/containers/json")[1]
                   if each["Labels"]["berth.app"] == apps[victim.name]]
    victim.docker("pause", container["Id"])
    wait_until(lambda: state_of(berth, apps[victim.name]) == "paused", what="it to be paused")
    victim.docker("unpause", container["Id"])


def test_an_agent_that_is_gone_costs_its_own_node_alone(swarm, agents, berth):
    apps = spread_apps(berth, swarm)
    admin = berth.admin
    gone = swarm.nodes[2].name
    agents.pop(gone).stop()

    def reason():
        answer = admin.get("/demo/get-app-status", name=apps[gone])
        row = answer.json if answer.status == 200 else {"State": "running", "Status": ""}
        return row["Status"] if row["State"] != "running" or gone in row["Status"] else None

    wait_until(reason, 10, "the app to be unknown")
    begun = time.monotonic()
    others = [state_of(berth, app) for node, app in apps.items() if node != gone]
    assert others == ["running"] * 2
    assert time.monotonic() - begun < 4  # nobody waits for the one that does not answer
    back = Agent(swarm.nodes[2]).start()
    agents[gone] = back
    wait_until(lambda: state_of(berth, apps[gone]) == "running", what="the app to be known again")


def test_terminals_open_through_agents(swarm, agents, berth):
    apps = spread_apps(berth, swarm)
    for node in swarm.nodes[1:]:
        name = apps[node.name]
        with Terminal(berth.admin, f"/demo/ws/{name}", cols=100, rows=40) as terminal:
            terminal.type("stty size; hostname\n")
            terminal.until(b"40 100\r\n")
            [container] = [each["Id"] for each in node.api("GET", "/containers/json")[1]
                           if each["Labels"].get("berth.app") == name]
            terminal.until(container[:12].encode())
            terminal.send(type="resize", cols=132, rows=43)
            terminal.type("stty size; exit 7\n")
            terminal.until(b"43 132\r\n")
            assert terminal.rest() == (1000, "exit 7")
    # A closed tab ends what runs, on the node too.
    with Terminal(berth.admin, f"/demo/ws/{name}", tty="no") as terminal:
        terminal.type("echo here; sleep 1234\n")
        terminal.until(b"here\n")
    wait_until(lambda: "sleep 1234" not in node.docker("top", container))
    # So does the agent's end.
    terminal = Terminal(berth.admin, f"/demo/ws/{name}", tty="no")
    terminal.type("echo here; sleep 1234\n")
    terminal.until(b"here\n")
    agents.pop(node.name).stop()
    code, reason = terminal.rest()
    assert code != 1000 and reason
    wait_until(lambda: "sleep 1234" not in node.docker("top", container))


def test_a_node_that_joins_is_found(swarm, agents, berth):
    before = set(berth.admin.get("/demo/get-node-names").json)
    node = swarm.add()
    with Agent(node):
        wait_until(lambda: f'"{node.name}"' in berth.admin.get("/demo/get-node-names").text)
        assert node.name not in before
        node.docker("load", input=swarm.manager.save(DEMO))
        for other in swarm.nodes[:-1]:
            swarm.set_availability(other, "pause")
        berth.admin.post("/demo/create-app", image=DEMO, user="late")
        app = "berth_demo--late"
        wait_until(lambda: state_of(berth, app) == "running", 60, "it to run")
        info = berth.admin.get("/demo/get-app-info", name=app, fresh="yes").json
        assert info == node.api("GET", f"/containers/{info['Id']}/json")[1]
        wait_until(lambda: "ready" in berth.admin.get("/demo/get-app-logs", name=app).text, what="a line")
        stats = stats_of(berth, app)
        assert stats["MemUsage"] != "-- / --", stats
        node.docker("pause", info["Id"])  # told by the agent's events
        wait_until(lambda: state_of(berth, app) == "paused", what="it to be paused")
        node.docker("unpause", info["Id"])
        with Terminal(berth.admin, f"/demo/ws/{app}", tty="no") as terminal:
            terminal.type("hostname\n")
            terminal.until(info["Id"][:12].encode())


def test_what_the_gateway_may_not_read_is_said(swarm, gateway):
    ca, cert, key = files_of(swarm.manager)
    facility = {"backend": "swarm", "engine": swarm.url, "node.*": "agent"}
    berth = gateway({"demo": facility}, start=False)
    assert "facility demo: agents of nodes: tls_ca: /var/lib/docker/swarm/certificates/" in \
        refused(berth.run("check-config"))
    worker = files_of(swarm.nodes[1])
    facility |= {"tls_ca": worker.ca, "tls_cert": worker.cert, "tls_key": worker.key}
    berth.configure({"demo": facility}, {})
    assert "this host is a worker" in refused(berth.run("check-config"))
