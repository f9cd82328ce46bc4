# SPDX-License-Identifier: MIT
"""SIGHUP: what a reload changes, what it keeps, and what it refuses."""

import datetime
import os
import re
import signal
import threading
import time

import pytest

from harness import free_port, wait_until

MEMORY = {"backend": "memory", "memory_apps": 2}


def settings_of(berth, **sections):
    """The settings the gateway was started with, and others."""
    merged = {"gateway": {"data_dir": berth.data, "worker_threads": 32,
                          "listen": f"127.0.0.1:{berth.port}"}}
    for section, keys in sections.items():
        merged[section] = {**merged.get(section, {}), **keys}
    return merged


def hang_up(berth, said):
    """Have the configuration read again, and wait until the log says how that went."""
    before = len(berth.errors)
    berth.process.send_signal(signal.SIGHUP)
    wait_until(lambda: re.search(said, berth.errors[before:]), what=said)
    return berth.errors[before:]


def reload(berth, facilities, **sections):
    berth.configure(facilities, settings_of(berth, **sections))
    return hang_up(berth, "was loaded: .*\n")


def refused(berth, facilities, **sections):
    berth.configure(facilities, settings_of(berth, **sections))
    return hang_up(berth, "the configuration stays as it was: .*\n")


def names(client, facility="demo"):
    answer = client.get(f"/{facility}/get-app-names")
    assert answer.status == 200, answer
    return sorted(answer.json)


def test_facilities_come_and_go(gateway):
    berth = gateway({"demo": MEMORY})
    admin = berth.admin
    before = names(admin)
    unknown = admin.get("/other/get-users")

    said = reload(berth, {"demo": MEMORY, "other": MEMORY, "another": MEMORY})
    assert "3 facilities; added another, other\n" in said
    assert len(names(admin, "other")) == 2 and names(admin) == before
    assert set(admin.get("/readyz").json["facilities"]) == {"demo", "other", "another"}
    berth.user("ana", other="viewer")

    said = reload(berth, {"other": MEMORY})
    assert "1 facility; removed another, demo\n" in said
    gone = admin.get("/demo/get-users")
    assert (gone.status, gone.text) == (unknown.status, unknown.text.replace("other", "demo"))
    assert set(admin.get("/readyz").json["facilities"]) == {"other"}
    assert "no facility demo" in berth.run("image", "list", "--facility", "demo").stderr

    reload(berth, {"demo": MEMORY, "other": MEMORY})
    assert len(names(admin)) == 2


def test_a_change_of_policy_keeps_the_engine(gateway):
    berth = gateway({"demo": {**MEMORY, "image_policy": "open"}})
    admin = berth.admin
    assert admin.post("/demo/create-app", image="demo", user="ana").status == 200
    before = names(admin)
    tag = admin.get("/demo/get-app-names").headers["ETag"]
    assert admin.post("/demo/create-app", image="demo", user="ben").status == 200

    said = reload(berth, {"demo": {**MEMORY, "image_policy": "open", "max_apps_per_user": 1}})
    assert "; changed demo\n" in said
    assert set(before) < set(names(admin))  # apps in memory would be gone with their engine
    assert tag != admin.get("/demo/get-app-names").headers["ETag"]
    assert admin.post("/demo/request-image", image="jupyter").status == 200
    full = admin.post("/demo/create-app", image="jupyter", user="ana")
    assert full.status == 403 and "1 apps already" in full.text

    said = reload(berth, {"demo": {**MEMORY, "max_apps_per_user": 1}})
    assert "not approved" in admin.post("/demo/create-app", image="demo", user="eva").text
    hang_up(berth, "was loaded: 1 facility\n")
    said = reload(berth, {"demo": {**MEMORY, "memory_apps": 5}})
    assert "; opened anew demo\n" in said
    assert len(names(admin)) == 5


def test_auth_changes_at_once(gateway):
    berth = gateway({"demo": MEMORY})
    assert berth.anyone.get("/demo/get-users").status == 401
    reload(berth, {"demo": {**MEMORY, "auth": "open"}})
    assert berth.anyone.get("/demo/get-users").status == 200
    reload(berth, {"demo": MEMORY})
    assert berth.anyone.get("/demo/get-users").status == 401


@pytest.mark.parametrize("facilities, sections, said", [
    ({"demo": {**MEMORY, "image_polcy": "open"}}, {},
     r"berth.conf:\d+: unknown key image_polcy; did you mean image_policy\?"),
    ({"demo": {**MEMORY, "max_inflight": 0}}, {}, r"berth.conf:\d+: max_inflight must be"),
    ({"demo": MEMORY}, {"gateway": {"root_facility": "dmo"}}, "did you mean demo"),
    ({"demo": MEMORY, "other": {"backend": "solo", "engine": "tcp://127.0.0.1:1",
                                "tls_cert": "/nowhere", "tls_key": "/nowhere"}}, {},
     "facility other: .*tls_ca is missing"),
    ({"demo": MEMORY}, {"log": {"file": "/proc/nowhere/actions.jsonl"}}, "/proc/nowhere"),
])
def test_what_is_wrong_changes_nothing(gateway, facilities, sections, said):
    berth = gateway({"demo": {**MEMORY, "title": "as it was"}})
    before = names(berth.admin)
    threads = count_threads(berth)
    message = refused(berth, facilities, **sections)
    assert re.search(said, message), message
    assert names(berth.admin) == before
    assert berth.admin.get("/other/get-users").status == 400
    wait_until(lambda: count_threads(berth) <= threads, what="no thread more than before")
    log = berth.data / "logs" / "actions.jsonl"
    log.rename(log.with_suffix(".old"))
    refused(berth, facilities, **sections)
    berth.anyone.get("/healthz")
    wait_until(lambda: log.exists() and "healthz" in log.read_text(), what="the log, opened anew")


def test_what_waits_for_a_start(gateway, tmp_path):
    berth = gateway({"demo": MEMORY})
    said = reload(berth, {"demo": {**MEMORY, "max_apps_per_user": 1}},
                  gateway={"listen": "127.0.0.1:1", "data_dir": tmp_path / "elsewhere",
                           "worker_threads": 8})
    assert "; changed demo\n" in said
    wait_until(lambda: "listen, data_dir, worker_threads: takes effect at the next start"
               in berth.errors)
    assert names(berth.admin) and not (tmp_path / "elsewhere").exists()
    wait_until(lambda: "livez" in (berth.data / "logs" / "actions.jsonl").read_text())


def test_open_mode_is_judged_by_the_listeners_there_are(gateway):
    port = free_port()
    berth = gateway({"demo": MEMORY}, settings={"gateway": {"listen": f"0.0.0.0:{port}"}})
    berth.port = port
    message = refused(berth, {"demo": {**MEMORY, "auth": "open"}})  # and listen on loopback
    assert "with listen as at the last start" in message and "auth = open needs" in message
    assert berth.anyone.get("/demo/get-users").status == 401


def test_limits_and_logs(gateway, tmp_path):
    berth = gateway({"demo": MEMORY})
    admin = berth.admin
    assert "RateLimit" not in admin.get("/demo/get-users").headers
    other = tmp_path / "logs" / "other.jsonl"
    reload(berth, {"demo": MEMORY}, limits={"requests_per_second": 1, "burst": 2},
           log={"file": other, "level": "debug"})
    answers = [admin.get("/demo/get-users").status for _ in range(2)]
    assert answers == [200, 200]
    wait_until(lambda: admin.get("/demo/get-users").status == 429)
    wait_until(lambda: other.exists() and '"status":429,' in other.read_text())
    assert 429 not in [line["status"] for line in berth.actions()]
    berth.configure({"demo": MEMORY}, settings_of(
        berth, limits={"requests_per_second": 0, "max_body_bytes": 1024}, uptime={
            "sample_interval_s": 1}, log={"file": other}))
    berth.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "RateLimit" not in admin.get("/demo/get-users").headers)
    assert admin.request("POST", "/demo/stop-app", body=b"x" * 1025).status == 413


def test_pages_of_other_origins(gateway):
    berth = gateway({"demo": MEMORY})
    page = {"Origin": "https://portal.example.org"}
    assert berth.admin.post("/demo/stop-app", page, name="nothing").status == 403
    reload(berth, {"demo": MEMORY}, gateway={"cors_origins": "https://portal.example.org",
                                             "root_facility": "demo"})
    answer = berth.admin.post("/stop-app", page, name="nothing")
    assert answer.status == 400 and "Access-Control-Allow-Origin" in answer.headers


def test_a_request_under_way_ends_as_it_began(gateway):
    slow = {"backend": "memory", "memory_apps": 1, "memory_delay_ms": 3000}
    berth = gateway({"demo": slow, "other": {**slow, "image_policy": "open"}})
    admin = berth.admin
    answers = {}

    def ask(facility):
        answers[facility] = admin.again().post(f"/{facility}/delete-app", name=name)

    name = names(admin)[0]
    wait_until(lambda: in_flight(berth) == 0)
    threads = [threading.Thread(target=ask, args=(f,)) for f in ("demo", "other")]
    for thread in threads:
        thread.start()
    wait_until(lambda: in_flight(berth) == 2, what="both requests to be under way")
    said = reload(berth, {"other": {**slow, "memory_delay_ms": 0}})
    assert "removed demo; opened anew other" in said
    assert admin.get("/demo/get-users").status == 400
    assert name in names(admin, "other")  # of the new engine, while the old one works on
    for thread in threads:
        thread.join()
    assert [answers[f].text for f in ("demo", "other")] == ["Success"] * 2
    wait_until(lambda: {row["facility"] for row in berth.actions()
                        if row["action"] == "delete-app"} == {"demo", "other"})


def in_flight(berth):
    """How many requests the gateway is at, beside this one."""
    return berth.anyone.get("/healthz").json["requests_in_flight"] - 1


def count_threads(berth):
    return len(os.listdir(f"/proc/{berth.process.pid}/task"))


def test_who_follows_a_facility_is_told_of_its_end(gateway):
    opened = {**MEMORY, "auth": "open"}
    berth = gateway({"demo": opened, "other": opened})
    with berth.anyone.connect() as demo, berth.anyone.connect() as other:
        for connection, facility in ((demo, "demo"), (other, "other")):
            connection.settimeout(60)
            connection.sendall(f"GET /{facility}/watch HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            read_until(connection, b"event: ready")
        reload(berth, {"demo": {**opened, "max_apps_per_user": 7}, "other": MEMORY})
        read_until(other, b"settled otherwise")
        reload(berth, {"other": MEMORY})
        read_until(demo, b"the facility was closed")
    wait_until(lambda: in_flight(berth) == 0, what="both to end")


def read_until(connection, said):
    text = b""
    while said not in text:
        piece = connection.recv(65536)
        assert piece, text
        text += piece
    return text


def test_many_reloads_under_load_leave_nothing_behind(gateway):
    opened = {**MEMORY, "auth": "open", "image_policy": "open"}
    berth = gateway({"demo": opened})
    ended, wrong = threading.Event(), []

    def ask():
        client = berth.anyone.again()
        while not ended.is_set():
            for facility in ("demo", "other"):
                answer = client.get(f"/{facility}/get-app-status")
                if answer.status != 200 and (facility, answer.status) != ("other", 400):
                    wrong.append(answer)

    def turn(rounds):
        for number in range(rounds):
            reload(berth, {"demo": {**opened, "title": str(number)}, "other": opened,
                           "gone": {"engine": "unix:///nowhere.sock"}})
            reload(berth, {"demo": opened, **({"other": {**opened, "memory_apps": 3}}
                                              if number % 2 else {})})

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        turn(4)
        threads, files = count_threads(berth), count_files(berth)
        turn(20)
    finally:
        ended.set()
        for asker in askers:
            asker.join()
    assert not wrong, wrong[:3]
    wait_until(lambda: count_threads(berth) <= threads, what="no thread more than before")
    wait_until(lambda: count_files(berth) <= files + 4, what="no file more than before")


def count_files(berth):
    return len(os.listdir(f"/proc/{berth.process.pid}/fd"))


def test_uptime_has_a_gap_while_a_facility_is_away(gateway, engine):
    app = "berth_demo--ana"
    solo = {"engine": engine.url, "image_policy": "open"}
    fine = {"uptime": {"sample_interval_s": 1}}
    berth = gateway({"demo": solo}, settings=fine)
    admin = berth.admin
    assert admin.post("/demo/create-app", image="berth/demo", user="ana").status == 200
    assert admin.post("/demo/start-app", name=app).status == 200

    def samples():
        return admin.get("/demo/get-uptime-summary", name=app, duration="hour").json

    wait_until(lambda: list(samples().values()).count(True) >= 2)
    reload(berth, {}, **fine)
    away = datetime.datetime.utcnow()
    assert engine.docker("inspect", "--format", "{{.State.Running}}", app).strip() == "true"
    time.sleep(4)  # nothing tells of a sample that is not taken
    back = datetime.datetime.utcnow()
    reload(berth, {"demo": solo}, **fine)
    wait_until(lambda: max(samples()) > (back + datetime.timedelta(seconds=1)).isoformat())
    between = [at for at in samples() if (away + datetime.timedelta(seconds=1)).isoformat() < at
               < (back - datetime.timedelta(seconds=1)).isoformat()]
    assert between == []
    before = names(admin)
    assert "opened anew demo" in reload(berth, {"demo": {**solo, "adopt": "yes"}}, **fine)
    assert names(admin) == before
