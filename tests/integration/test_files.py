# SPDX-License-Identifier: MIT
"""Uploads and downloads of an app's files, over HTTP and with what a kill leaves of them."""

import http.client
import io
import os
import signal
import subprocess
import threading
import zipfile

import pytest

from harness import stores, wait_until
from lab import Engine, compose

DEMO = "berth/demo:latest"
BOOT = b"print('up')\n"


@pytest.fixture(scope="module")
def engine():
    """No engine is asked for files: one will do."""
    with Engine("26.1") as engine:
        engine.import_image(DEMO)
        yield engine


def facility(engine, **keys):
    return {"backend": "compose", "engine": engine.url, "image_policy": "open",
            "compose": compose(), **keys}


class App:
    """A container of a facility of Compose projects, and its files."""

    def __init__(self, berth):
        self.berth = berth
        self.client = berth.anyone
        made = self.client.post("/demo/create-app", image="berth/demo", user="ana")
        assert made.status == 200, made
        (folder,) = (path for path in (berth.data / "demo").iterdir()
                     if path.name.startswith("c") and path.is_dir())
        self.cuid = folder.name
        self.folder = folder
        self.mount = folder / "mount"
        self.path = f"/demo/containers/{self.cuid}"

    def upload(self, body, content_type="application/zip", **headers):
        return self.client.request("POST", f"{self.path}/upload-zip", body=body,
                                   headers={"Content-Type": content_type, **headers})

    def download(self, path, how="download", **headers):
        return self.client.request("GET", f"{self.path}/{how}", {"path": path}, headers=headers)

    def left(self):
        """What is beside the mount, and is not of the project."""
        return [name for name in os.listdir(self.folder) if name.startswith(".upload")]


@pytest.fixture
def patience_s():
    """For how long a client, and the engine, may say nothing."""
    return 30


@pytest.fixture
def app(engine, gateway, patience_s):
    berth = gateway({"demo": facility(engine, auth="open")}, settings={
        "limits": {"max_upload_bytes": "8m", "request_timeout_s": patience_s}})
    app = App(berth)
    yield app
    app.client.post("/demo/delete-app", name="berth_demo--ana")


def archive(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in files.items():
            written.writestr(name.replace("__", "/"), content)
    return data.getvalue()


def form(*parts):
    """multipart/form-data of (name, filename or None, content), and its type."""
    body = b""
    for name, filename, content in parts:
        body += b"--XYZ\r\nContent-Disposition: form-data; name=\"%s\"" % name
        body += b'; filename="%s"' % filename if filename else b""
        body += b"\r\n\r\n" + content + b"\r\n"
    return body + b"--XYZ--\r\n", "multipart/form-data; boundary=XYZ"


# Uploads


def test_an_archive_is_unpacked_over_the_files(app):
    done = app.upload(archive(boot="old", data__a="a"))
    assert done.status == 200, done
    assert done.json == {"cuid": app.cuid, "files": 2, "bytes": 4}
    body, content_type = form((b"note", None, b"x"), (b"file", b"a.zip", archive(boot=BOOT)))
    done = app.upload(body, content_type)
    assert done.status == 200, done
    assert (app.mount / "boot").read_bytes() == BOOT
    assert (app.mount / "data/a").read_text() == "a"
    assert app.left() == []
    # The connection is kept.
    assert app.client.get("/livez").status == 200


def test_a_client_that_waits_for_leave_is_told_to_go_on(app):
    body = archive(a="text")
    head = (f"POST {app.path}/upload-zip HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    with app.client.connect() as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert (app.mount / "a").read_text() == "text"


@pytest.mark.parametrize("body, content_type, status, code", [
    (b"", "application/zip", 400, "INVALID_REQUEST"),
    (b"no archive", "application/zip", 400, "BAD_ARCHIVE"),
    (archive(**{"../x": "x"}), "application/zip", 400, "PATH_ESCAPE"),
    (archive(a="x")[:-1], "application/zip", 400, "BAD_ARCHIVE"),
    (*form((b"field", None, b"x")), 400, "INVALID_REQUEST"),
    (*form((b"a", b"a", b""), (b"b", b"b", b"")), 400, "INVALID_REQUEST"),
    (archive(boot__x="x"), "application/zip", 409, "FILE_CONFLICT"),
    (b"\0" * (8 << 20), "application/zip", 400, "BAD_ARCHIVE"),
    (b"\0" * ((8 << 20) + 1), "application/zip", 413, "TOO_LARGE"),
], ids=["empty", "no archive", "traversal", "cut", "no file", "two files", "conflict",
        "as long as may be", "too long"])
def test_what_is_refused_changes_nothing(app, body, content_type, status, code):
    assert app.upload(archive(boot=BOOT)).status == 200
    refused = app.client.again().request("POST", f"{app.path}/upload-zip", body=body,
                                         headers={"Content-Type": content_type})
    assert (refused.status, refused.json["code"]) == (status, code), refused
    assert os.listdir(app.mount) == ["boot"] and (app.mount / "boot").read_bytes() == BOOT
    assert app.left() == []


@pytest.mark.parametrize("patience_s", [4])
def test_nothing_is_left_of_an_upload_that_is_cut_short(app):
    head = f"POST {app.path}/upload-zip HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    used = os.statvfs(app.berth.data)
    with app.client.connect() as connection:
        connection.sendall(head.encode() + b"PK\3\4")
    silent = app.client.raw(head.encode() + b"PK\3\4")
    assert silent.startswith(b"HTTP/1.1 408 "), silent
    wait_until(lambda: app.left() == [], what="nothing of the two")
    assert os.listdir(app.mount) == []
    assert os.statvfs(app.berth.data).f_blocks == used.f_blocks


def chunked(target, body, content_type, piece=7, end=b"0\r\n\r\n"):
    head = (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            f"Content-Type: {content_type}\r\n\r\n").encode()
    pieces = (body[at:at + piece] for at in range(0, len(body), piece))
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in pieces) + end


@pytest.mark.parametrize("patience_s", [4])
def test_a_body_may_come_in_chunks(app):
    upload = f"{app.path}/upload-zip"
    body, content_type = form((b"file", b"a.zip", archive(b="form")))
    for sent in (chunked(upload, archive(a="text"), "application/zip"),
                 chunked(upload, body, content_type, 1),
                 chunked("/demo/containers", b'{"image": "berth/demo"}', "application/json")):
        answer = app.client.raw(sent + b"GET /livez HTTP/1.1\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 201 ")), answer
        assert answer.count(b"HTTP/1.1") == 1, "what follows is not taken for a request"
    assert (app.mount / "a").read_text() == "text" and (app.mount / "b").read_text() == "form"
    # To its bounds.
    zeros = b"\0" * (8 << 20)
    for body, status in ((zeros, b"400"), (zeros + b"\0", b"413")):
        answer = app.client.raw(chunked(upload, body, "application/zip", 65536))
        assert answer.startswith(b"HTTP/1.1 " + status), answer
    for content, status in ((b"{" + b" " * 65534 + b"}", b"400"), (b" " * 65537, b"413")):
        answer = app.client.raw(chunked("/demo/containers", content, "application/json", 65536))
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:500]
    # Breaking off, malformed, silent; and where nobody has a use for it.
    for end, status in ((b"5\nx", b"400"), (b"1000\r\nxx", b"408")):
        answer = app.client.raw(chunked(upload, archive(c="x"), "application/zip", end=end))
        assert answer.startswith(b"HTTP/1.1 " + status), answer
    with app.client.connect() as connection:
        connection.sendall(chunked(upload, archive(c="x"), "application/zip", end=b""))
    answer = app.client.raw(chunked(f"{app.path}/start", b"{}", "application/json"))
    assert answer.startswith(b"HTTP/1.1 411 "), answer
    wait_until(lambda: app.left() == [], what="nothing of what broke off")
    assert sorted(os.listdir(app.mount)) == ["a", "b"]


def test_a_full_disk_changes_nothing(gateway):
    """The data is on a disk of 24 MiB: what does not fit as it comes, and what does not unpacked."""
    berth = gateway(start=False)
    berth.data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", berth.data], check=True)
    try:
        with Engine("26.1") as engine:  # which sees what was mounted before it started
            engine.import_image(DEMO)
            berth.configure({"demo": facility(engine, auth="open")}, {"gateway": {
                "data_dir": berth.data, "listen": f"127.0.0.1:{berth.port}"}})
            berth.start()
            app = App(berth)
            assert app.upload(archive(a="old")).status == 200
            for body in (os.urandom(25 << 20), archive(a="new", noise=os.urandom(13 << 20)),
                         archive(a="new", text=b"text" * (6 << 20))):
                refused = app.client.again().request("POST", f"{app.path}/upload-zip", body=body)
                assert (refused.status, refused.json["code"]) == (500, "NO_SPACE"), refused
                assert os.listdir(app.mount) == ["a"] and (app.mount / "a").read_text() == "old"
                assert app.left() == []
            assert app.upload(archive(a="new")).status == 200
            assert app.client.post("/demo/delete-app", name="berth_demo--ana").status == 200
            berth.stop()
    finally:
        subprocess.run(["umount", "--lazy", berth.data], check=True)


def test_an_upload_is_watched(app):
    with app.client.watch("/demo/watch") as watcher:
        watcher.until("ready")
        assert app.upload(archive(a="text"), **{"X-Request-Id": "mine"}).status == 200
        phases = []
        while phases[-1:] != ["done"]:
            event = watcher.until("upload")[-1].data
            if event["phase"] not in phases:  # told again while it lasts
                phases.append(event["phase"])
    assert phases == ["receiving", "unpacking", "done"]
    assert event["request_id"] == "mine" and event["cuid"] == app.cuid
    assert (event["files"], event["unpacked_bytes"]) == (1, 4)


# Killed at any moment


def test_a_kill_leaves_the_old_files_or_the_new(app):
    """Each round replaces all files by those of the round, and kills the gateway meanwhile."""
    names = [f"d{n % 7}/e{n % 3}/f{n}" for n in range(300)]
    seen = set()
    before = None
    for number in range(8):
        text = f"round {number}"
        body = archive(**{name: text for name in names})
        sender = threading.Thread(target=_send, args=(app, body))
        sender.start()
        wait_until(lambda: app.left() or _content(app) == {text})
        if number % 2:  # rather while they are moved
            wait_until(lambda: any(name.startswith(".uploaded") for name in app.left())
                       or _content(app) == {text})
        app.berth.process.send_signal(signal.SIGKILL)
        sender.join()
        app.berth.kill()
        app.berth.start()
        wait_until(lambda: app.left() == [])
        content = _content(app)
        assert content in ({text}, {before} if before else set()), content
        assert before is None or len(_files(app)) == len(names)
        seen.add(content == {text})
        before = text if content == {text} else before
    assert True in seen


def _send(app, body):
    try:
        app.client.again().request("POST", f"{app.path}/upload-zip", body=body)
    except (OSError, http.client.HTTPException):
        pass  # it was killed


def _files(app):
    return [path for path in app.mount.rglob("*") if path.is_file()]


def _content(app):
    found = set()
    for path in _files(app):
        try:
            found.add(path.read_text())
        except FileNotFoundError:
            pass
    return found


# Downloads


def test_a_file_is_sent_whole_or_in_parts(app):
    text = bytes(range(256)) * 4096
    (app.mount / "däta.bin").write_bytes(text)
    whole = app.download("däta.bin")
    assert whole.status == 200 and whole.body == text
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Content-Disposition"] == (
        "attachment; filename=\"d__ta.bin\"; filename*=UTF-8''d%C3%A4ta.bin")
    part = app.download("däta.bin", Range="bytes=10-19")
    assert (part.status, part.body) == (206, text[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(text)}"
    tag = whole.headers["ETag"]
    assert app.download("däta.bin", Range="bytes=-5", **{"If-Range": tag}).body == text[-5:]
    assert app.download("däta.bin", Range="bytes=-5", **{"If-Range": '"x"'}).status == 200
    assert app.download("däta.bin", **{"If-None-Match": tag}).status == 304
    past = app.download("däta.bin", Range=f"bytes={len(text)}-")
    assert past.status == 416 and past.headers["Content-Range"] == f"bytes */{len(text)}"
    head = app.client.request("HEAD", f"{app.path}/download", {"path": "däta.bin"})
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(text)))
    (app.mount / "empty").write_bytes(b"")
    assert app.download("empty").body == b""


@pytest.mark.parametrize("path, status, code", [
    ("../compose.yaml", 400, "PATH_ESCAPE"), ("/etc/passwd", 400, "PATH_ESCAPE"),
    ("out", 400, "PATH_ESCAPE"), ("absent", 404, "FILE_NOT_FOUND"), (".", 400, "WRONG_KIND"),
    ("", 400, "WRONG_KIND"), ("x" * 300, 404, "FILE_NOT_FOUND"),
])
def test_paths_stay_within(app, path, status, code):
    (app.mount / "out").symlink_to("../compose.yaml")
    refused = app.download(path)
    assert (refused.status, refused.json["code"]) == (status, code)


def test_a_folder_is_sent_as_an_archive(app):
    (app.mount / "data/empty").mkdir(parents=True)
    (app.mount / "data/a").write_text("a" * 100000)
    (app.mount / "data/run").write_text("#!/bin/sh")
    (app.mount / "data/run").chmod(0o755)
    answer = app.download("data", "download-zip")
    assert answer.status == 200 and answer.type == "application/zip"
    assert 'filename="data.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as packed:
        assert packed.testzip() is None
        assert sorted(packed.namelist()) == ["a", "empty/", "run"]
        assert packed.getinfo("run").external_attr >> 16 == 0o100755
    assert app.download("data/a", "download-zip").status == 400
    head = app.client.request("HEAD", f"{app.path}/download-zip")
    assert head.status == 200 and f'"{app.cuid}.zip"' in head.headers["Content-Disposition"]
    # What came out goes in.
    assert app.upload(app.client.get(f"{app.path}/download-zip").body).status == 200


def test_no_engine_is_needed(app, engine):
    engine.freeze()
    try:
        wait_until(lambda: app.client.get("/demo/get-app-names").status == 503)
        assert app.upload(archive(a="x")).status == 200
        assert app.download("a").body == b"x"
        assert app.download(".", "download-zip").status == 200
    finally:
        engine.thaw()
    wait_until(lambda: app.client.get("/demo/get-app-names").status == 200)


def test_a_repeated_upload_is_answered_alone(app):
    key = {"Idempotency-Key": "once"}
    first = app.upload(archive(a="1"), **key)
    again = app.client.again()
    second = again.request("POST", f"{app.path}/upload-zip", body=archive(a="2"), headers=key)
    assert (second.status, second.json) == (200, first.json)
    assert second.headers["Connection"] == "close"  # what was sent is not read
    assert app.download("a").body == b"1"


def test_who_stops_reading_holds_up_nobody(app):
    with open(app.mount / "big", "wb") as file:
        file.truncate(64 << 20)
    with app.client.connect(receive_buffer=4096) as connection:
        connection.sendall(f"GET {app.path}/download?path=big HTTP/1.1\r\nHost: localhost\r\n\r\n"
                           .encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        assert app.upload(archive(a="x")).status == 200
        assert app.download("a").body == b"x"


# Who may


def test_files_are_for_who_may_see_the_app(engine, gateway):
    berth = gateway({"demo": facility(engine)},
                    environment={"APP_USER": "root", "APP_PASS": "roots-password"})
    root = berth.client("root", "roots-password")
    ana, eve = berth.user("ana", demo="researcher"), berth.user("eve", demo="researcher")
    viewer = berth.user("vic", demo="viewer")
    assert ana.post("/demo/create-app", image="berth/demo", user="ana").status == 200
    (folder,) = [path for path in (berth.data / "demo").iterdir() if path.name[0] == "c"]
    path = f"/demo/containers/{folder.name}"

    def tried(client):
        return [client.request("POST", f"{path}/upload-zip", body=archive(a="x")).status,
                client.get(f"{path}/download?path=a").status,
                client.get(f"{path}/download-zip").status]

    assert tried(ana) == [200, 200, 200] and tried(root) == [200, 200, 200]
    assert tried(eve) == [404, 404, 404]
    assert tried(viewer) == [403, 404, 404]
    assert tried(berth.anyone) == [401, 401, 401]
    assert stores.ask(berth, "SELECT count(*) FROM audit WHERE action = 'upload-zip'"
                      " AND target = 'berth_demo--ana' AND detail = '1 files, 1 bytes'") == "2"
    root.post("/demo/delete-app", name="berth_demo--ana")
