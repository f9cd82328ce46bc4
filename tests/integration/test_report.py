# SPDX-License-Identifier: MIT
"""The report on uptime: its formats, with a gateway and without, its errors, and its cron file."""

import csv
import html.parser
import io
import json
import os
import pathlib
import re
import stat
import subprocess
import time

import pytest

from harness import BINARY, refused, stores, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRON = ROOT / "scripts" / "berth-report.cron"
HOUR = 3600 * 1000
TITLE = "Lab <b> & \"friends\""
FACILITIES = {"demo": {"backend": "memory", "title": TITLE}, "empty": {"backend": "memory"}}

# Hours before now: state, from, to (None: open). What comes of them in a day, by hand:
SPANS = {
    "web--ana": [("running", 40, 10), ("exited", 10, 9), ("running", 9, 5), ("running", 3, 1)],
    "never--bob": [("created", 6, 2)],
    "again--cleo": [("running", 20, 18), ("removing", 18, 17), ("created", 8, 7), ("running", 7, 2)],
    "old--dora": [("running", 60, 50)],
    "alone": [("unknown", 5, 4), ("paused", 4, 3)],
}
# running, observed and unknown hours, gaps, interruptions, longest outage, last seen hours ago
FIGURES = {
    "again--cleo": (7, 9, 9, 1, 1, 1, 2),
    "alone": (0, 1, 1, 1, 0, 1, 3),
    "never--bob": (0, 4, 0, 0, 0, 4, 2),
    "web--ana": (20, 21, 2, 1, 1, 1, 1),
}


def fill(berth, spans, facility="demo"):
    """Write the spans into the store of a gateway that does not run; returns now, in ms."""
    berth.cli("user", "list")  # makes the store
    now = int(time.time() * 1000)
    rows = ", ".join(
        f"('{facility}', '{app}', '{state}', {now - int(begin * HOUR)},"
        f" {'NULL' if end is None else now - int(end * HOUR)})"
        for app, spans_of in spans.items() for state, begin, end in spans_of)
    stores.execute(
        berth, *([f"INSERT INTO uptime_span (facility, app, state, from_ms, to_ms) VALUES {rows}"]
                 if rows else []),
        f"INSERT INTO uptime_watermark VALUES ('{facility}', {now})")
    return now


@pytest.fixture(params=["offline", "running"])
def berth(request, gateway):
    """A gateway with the spans above in its store, running or not."""
    berth = gateway(FACILITIES, start=False)
    berth.now = fill(berth, SPANS)
    return berth if request.param == "offline" else berth.start()


def report(berth, *args, since="day", facility="demo"):
    return berth.cli("report", "uptime", "--facility", facility, "--since", since, *args)


def approximately(hours, **others):
    return pytest.approx(hours, abs=0.02, **others)  # a minute: the window moves while tests run


def test_json(berth):
    body = json.loads(report(berth, "--format", "json"))
    assert (body["facility"], body["title"], body["window"]) == ("demo", TITLE, "day")
    assert [app["name"] for app in body["apps"]] == sorted(FIGURES)
    for app in body["apps"]:
        running, observed, unknown, gaps, interruptions, longest, _ = FIGURES[app["name"]]
        assert app["running_ms"] / HOUR == approximately(running)
        assert app["observed_ms"] / HOUR == approximately(observed)
        assert app["unknown_ms"] / HOUR == approximately(unknown)
        assert app["longest_outage_ms"] / HOUR == approximately(longest)
        assert (app["gaps"], app["interruptions"]) == (gaps, interruptions)
        assert app["running_share"] == pytest.approx(running / observed, abs=0.002)
        states = [(span["state"], span["from"] < span["to"]) for span in app["spans"]]
        assert states == [(state, True) for state, _, _ in SPANS[app["name"]]]
    cleo = next(app for app in body["apps"] if app["name"] == "again--cleo")
    assert (cleo["user"], cleo["state"]) == ("cleo", "running")
    assert cleo["spans"][0]["from"] == cleo["first_seen"] == moment(berth.now - 20 * HOUR)
    assert cleo["last_seen"] == moment(berth.now - 2 * HOUR)
    summary = body["summary"]
    assert (summary["apps"], summary["running"], summary["interruptions"]) == (4, 2, 2)
    assert summary["running_ms"] == sum(app["running_ms"] for app in body["apps"])
    assert summary["longest_outage_app"] == "never--bob"


def moment(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def documented(heading):
    """The names in the first column of the table under a heading of docs/reports.md."""
    page = (ROOT / "docs" / "reports.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([a-z_]+)`", section, re.MULTILINE)


def test_csv(berth):
    text = report(berth, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == documented("csv")
    assert [row["app"] for row in rows] == sorted(FIGURES)
    ana = rows[-1]
    assert (ana["facility"], ana["user"], ana["state"]) == ("demo", "ana", "running")
    assert float(ana["observed_s"]) / 3600 == approximately(21)
    assert (ana["gaps"], ana["interruptions"], ana["longest_outage_s"]) == ("1", "1", "3600.000")
    assert ana["first_seen"] == moment(berth.now - 40 * HOUR)


def test_csv_ends_its_lines_as_the_rfc_says(berth):
    output = berth.directory / "report.csv"
    report(berth, "--format", "csv", "--output", output)
    lines = output.read_bytes().split(b"\r\n")
    assert len(lines) == 6 and lines[-1] == b"" and not any(b"\n" in line for line in lines)


def test_text_fits_a_terminal(berth):
    text = report(berth)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80 and text.isascii()
    web = next(number for number, line in enumerate(lines) if line.startswith("web--ana"))
    assert re.fullmatch(r"web--ana +95\.\d\d% +2[01]h \d\dm +(2h 00m|1h 59m) +1 +1h 00m", lines[web])
    bar = lines[web + 1].split("  ")[1]
    assert len(bar) == 24 and {"#", ".", "+"} <= set(bar) <= set("#-+.")
    bob = next(number for number, line in enumerate(lines) if line.startswith("never--bob"))
    assert re.fullmatch(r" {17}( |-)-+\.+", lines[bob + 1][2:26])  # first seen 6 hours ago


class Page(html.parser.HTMLParser):
    """What there is in a page, and whether each element is closed."""

    VOID = {"meta", "rect", "line", "circle", "path", "use"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.text, self.attributes = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID or (tag == "rect" and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_needs_nothing_else(berth):
    text = report(berth, "--format", "html")
    page = Page(text)
    assert f"Uptime of {TITLE}" in page.text
    assert page.tags.count("section") == len(FIGURES) and "script" not in page.tags
    assert not {"link", "img", "iframe", "base"} & set(page.tags)
    named = dict(page.attributes)
    assert not any(name.startswith("on") or name == "src" for name in named)
    links = [value for name, value in page.attributes if "href" in name]
    assert links and all(value.startswith("#") for value in links)
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    charts = re.findall(r'<svg class="chart" role="img" aria-labelledby="(\w+) (\w+)">'
                        r'<title id="(\w+)">[^<]+</title><desc id="(\w+)">[^<]+</desc>', text)
    assert len(charts) == len(FIGURES) and all(chart[:2] == chart[2:] for chart in charts)
    assert "prefers-color-scheme:dark" in text and "@media print" in text
    bob = next(section for section in text.split("<section")[1:] if "never--bob" in section)
    before = re.search(r'<rect class="k" height="24" x="0%" width="(\d+)', bob)[1]
    assert before in ("74", "75")  # first seen 6 hours ago: no dots until then


@pytest.mark.parametrize("form", ["text", "csv", "json", "html"])
def test_no_apps(berth, form):
    text = report(berth, "--format", form, facility="empty")
    assert {"text": "No app was seen in this time." in text, "csv": text.count("\n") == 1,
            "json": '"apps":[]' in text, "html": "No app was seen in this time." in text}[form]


def test_what_runs_now(gateway):
    berth = gateway({"demo": {"backend": "memory", "image_policy": "open", "auth": "open"}})
    assert berth.anyone.post("/demo/create-app", image="demo", user="ana").status == 200
    assert berth.anyone.post("/demo/start-app", name="demo--ana").status == 200

    def running():
        apps = json.loads(report(berth, "--format", "json", since="hour"))["apps"]
        return [app["name"] for app in apps if app["state"] == "running" and app["running_ms"] > 0]

    wait_until(lambda: running() == ["demo--ana"], what="the app in the report")
    assert [app["name"] for app in json.loads(report(berth, "--format", "json"))["apps"]] == ["demo--ana"]


def test_open_spans_hold_until_the_gateway_was_last_heard_of(offline):
    now = fill(offline, {"web--ana": [("running", 5, None)]})
    app = json.loads(report(offline, "--format", "json"))["apps"][0]
    assert app["last_seen"] == moment(now) and app["observed_ms"] == 5 * HOUR
    # Looking changes nothing.
    assert stores.ask(offline, "SELECT count(*) FROM uptime_span WHERE to_ms IS NULL") == "1"


def test_an_hour_that_is_there_twice(offline):
    offline.environment["TZ"] = "Europe/Berlin"
    fill(offline, SPANS)
    text = report(offline, "--format", "json", since="month")
    begin, end = re.search(r'"from":"([^"]+)","to":"([^"]+)"', text).groups()
    assert begin[-6:] in ("+01:00", "+02:00") and end[-6:] in ("+01:00", "+02:00")


@pytest.mark.parametrize("form", ["text", "csv", "json", "html"])
def test_many_apps_come_in_pieces(gateway, form):
    berth = gateway(FACILITIES, start=False)
    fill(berth, {f"image--user{number}": [("running", 20, 2), ("exited", 2, 1)] for number in range(2000)})
    offline = report(berth, "--format", form)
    berth.start()
    assert len(report(berth, "--format", form)) == pytest.approx(len(offline), rel=0.01)
    assert offline.count("user1999") >= 1
    if form == "json":
        assert len(json.loads(offline)["apps"]) == 2000


# Errors


@pytest.mark.parametrize("args, code, said", [
    (["--facility", "dmeo", "--since", "day"], 1, "there is no facility dmeo; did you mean demo?"),
    (["--facility", "demo", "--since", "year"], 2, "--since must be one of hour, day, week, month"),
    (["--facility", "demo", "--since", "weak"], 2, "did you mean week?"),
    (["--facility", "demo", "--since", "day", "--format", "pdf"], 2,
     "--format must be one of text, csv, json, html"),
    (["--since", "day"], 2, "--facility is missing"),
    (["--facility", "demo"], 2, "--since is missing"),
    (["--facility", "demo", "--since", "day", "--output", "/no/such/folder/report"], 1,
     "/no/such/folder/report cannot be written: No such file or directory"),
    (["--facility", "demo", "--since", "day", "--output", "/dev/full"], 1,
     "/dev/full is there and is no file"),
    (["--facility", "demo", "--since", "day", "--output", ""], 1, "cannot be written"),
])
def test_errors(berth, args, code, said):
    assert said in refused(berth.run("report", "uptime", *args), code=code)


@pytest.mark.parametrize("wrong", [{"since": "year"}, {"format": "pdf"}, {"since": None}])
def test_the_gateway_checks_for_itself(gateway, wrong):
    berth = gateway(FACILITIES)
    request = {"command": "report-uptime", "facility": "demo", "since": "day", **wrong}
    answer = subprocess.run(
        ["/usr/bin/python3", "-c", "import socket,sys; s=socket.socket(socket.AF_UNIX);"
         "s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode()+b'\\n'); print(s.recv(65536).decode())",
         berth.data / "control.sock", json.dumps(request)], capture_output=True, text=True, timeout=20)
    assert '"error"' in answer.stdout and '"output"' not in answer.stdout


def test_a_file_as_a_whole_or_not_at_all(berth):
    folder = berth.directory / "reports"
    folder.mkdir()
    output = folder / "report.html"
    report(berth, "--format", "html", "--output", output)
    assert stat.S_IMODE(output.stat().st_mode) & ~0o640 == 0
    whole = output.read_text()
    assert whole.endswith("</html>\n")
    refused(berth.run("report", "uptime", "--facility", "nowhere", "--since", "day", "--output", output))
    assert output.read_text() == whole and os.listdir(folder) == ["report.html"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [BINARY, "report", "uptime", "--facility", "demo", "--since", "day", "--config", berth.config],
            stdout=full, stderr=subprocess.PIPE, text=True)
    assert "stdout cannot be written" in refused(done.returncode and done)


def test_a_full_disk_leaves_what_was_there(offline):
    fill(offline, SPANS)
    folder = offline.directory / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", folder], check=True)
    try:
        output = folder / "report"
        output.write_text("the last one")
        done = offline.run("report", "uptime", "--facility", "demo", "--since", "day", "--format", "html",
                           "--output", output)
        assert "No space left on device" in refused(done)
        assert output.read_text() == "the last one" and os.listdir(folder) == ["report"]
    finally:
        subprocess.run(["umount", folder], check=True)


# The cron file


def crontab():
    """The settings and the entries (times, user, command) of the cron file, as cron reads them."""
    settings, entries = {}, []
    for line in CRON.read_text().splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if setting := re.fullmatch(r"([A-Z_]+)=(\S+)", line):
            settings[setting[1]] = setting[2]
            continue
        *times, user, command = line.split(None, 6)
        assert len(line) < 998 and len(times) == 5
        assert not re.search(r"(?<!\\)%", command), "a % ends the command"
        entries.append((times, user, command.replace("\\%", "%")))
    return settings, entries


def test_the_cron_file_is_read_by_cron():
    settings, entries = crontab()
    assert set(settings) == {"SHELL", "PATH", "MAILTO", "BERTH_CONFIG", "FACILITY", "REPORTS"}
    bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    for times, user, _ in entries:
        assert user == "root"
        for field, (low, high) in zip(times, bounds):
            assert field == "*" or low <= int(field) <= high
    assert [times[2:] for times, _, _ in entries] == [["*", "*", "*"], ["*", "*", "1"], ["1", "*", "*"]]
    assert CRON.read_bytes().endswith(b"\n") and not stat.S_IMODE(CRON.stat().st_mode) & 0o022


def test_the_commands_of_the_cron_file(berth):
    settings, entries = crontab()
    programs = berth.directory / "bin"
    programs.mkdir()
    (programs / "berth").symlink_to(BINARY)
    reports = berth.directory / "a folder"
    environment = {**settings, "PATH": f"{programs}:{settings['PATH']}", "BERTH_CONFIG": str(berth.config),
                   "REPORTS": str(reports), "HOME": "/"}
    for _, _, command in entries:
        done = subprocess.run([settings["SHELL"], "-c", command], env=environment, capture_output=True,
                              text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    day = r"demo-\d{4}-\d\d-\d\d"
    names = sorted((path.name for path in reports.iterdir()),
                   key=lambda name: name.rpartition("-")[2])  # a new day may have begun
    assert len(names) == 3
    for name, window in zip(names, ("day", "month", "week")):
        assert re.fullmatch(f"{day}-{window}\\.html", name)
        assert f"the last {window}" in (reports / name).read_text()
        assert stat.S_IMODE((reports / name).stat().st_mode) == 0o640
