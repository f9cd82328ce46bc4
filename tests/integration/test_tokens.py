# SPDX-License-Identifier: MIT
"""API tokens, from the command line to a request and back to nothing."""

import re

import pytest

from harness import wait_until

MEMORY = {"backend": "memory", "image_policy": "open"}


class Bearer:
    """Asks with a token in place of a password."""

    def __init__(self, berth, token):
        self.client = berth.anyone
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path, **params):
        return self.client.get(path, headers=self.headers, **params)

    def post(self, path, **params):
        return self.client.post(path, headers=self.headers, **params)


@pytest.fixture
def berth(gateway):
    return gateway(facilities={"demo": MEMORY, "other": MEMORY})


@pytest.fixture
def ana(berth):
    return berth.user("ana", demo="researcher", other="viewer")


def create(berth, *args):
    """The text alone, on a line of its own."""
    printed = berth.cli("token", "create", *args)
    assert re.fullmatch(r"berth_[A-Za-z0-9_-]{43}\n", printed)
    return printed.strip()


def listed(berth, name):
    """The rows of `token list`, under the names of its columns."""
    head, *rows = berth.cli("token", "list", name).splitlines()
    starts = [head.index(word) for word in ("ID", "LABEL", "SCOPE", "EXPIRES", "LAST USED")]
    names = ("id", "label", "scope", "expires", "used")
    return [dict(zip(names, (row[a:b].strip() for a, b in zip(starts, starts[1:] + [None]))))
            for row in rows]


def test_a_token_does_what_its_user_may(berth, ana):
    program = Bearer(berth, create(berth, "ana", "--label", "nightly run"))
    assert program.post("/demo/create-app", image="demo", user="ana").text == "Success"
    assert program.get("/demo/get-app-names").json == ["demo--ana"]
    assert program.post("/demo/create-app", image="demo", user="bob").status == 403
    assert program.get("/other/get-app-names").json == []
    assert program.post("/other/create-app", image="demo", user="ana").status == 403
    lines = wait_until(lambda: [a for a in berth.actions() if a["action"] == "create-app"])
    assert lines[0]["user"] == "ana" and lines[0]["status"] == 200


def test_a_scope_is_the_most_it_may(berth, ana):
    reader = Bearer(berth, create(berth, "ana", "--facility", "demo", "--role", "viewer"))
    assert reader.get("/demo/get-app-names").status == 200
    refused = reader.post("/demo/create-app", image="demo", user="ana")
    assert refused.status == 403 and "this token of user ana is viewer" in refused.text
    assert reader.get("/other/get-app-names").status == 403

    writer = Bearer(berth, create(berth, "ana", "--facility", "demo", "--role", "researcher"))
    berth.cli("user", "grant", "ana", "demo", "viewer")
    assert writer.post("/demo/create-app", image="demo", user="ana").status == 403
    berth.cli("user", "revoke", "ana", "demo")
    assert writer.get("/demo/get-app-names").status == 403


def test_revocation_and_removal_count_at_the_next_request(berth, ana):
    first, second = (Bearer(berth, create(berth, "ana")) for _ in range(2))
    number = listed(berth, "ana")[0]["id"]
    assert berth.cli("token", "revoke", number) == f"token {number} was revoked\n"
    assert first.get("/demo/get-app-names").status == 401
    assert second.get("/demo/get-app-names").status == 200
    assert "there is no token" in berth.run("token", "revoke", number).stderr
    berth.cli("user", "remove", "ana")
    assert second.get("/demo/get-app-names").status == 401
    assert "there is no user ana" in berth.run("token", "list", "ana").stderr


def test_the_list_says_all_but_the_token(berth, ana):
    token = create(berth, "ana", "--label", "nightly run", "--facility", "demo",
                   "--role", "viewer", "--expires", "never")
    create(berth, "ana")
    row, other = listed(berth, "ana")
    assert (row["label"], row["scope"], row["expires"], row["used"]) == (
        "nightly run", "viewer in demo", "never", "never")
    assert (other["label"], other["scope"]) == ("-", "all") and other["expires"] > "20"
    assert token not in berth.cli("token", "list", "ana")

    Bearer(berth, token).get("/demo/get-app-names")
    used = wait_until(lambda: listed(berth, "ana")[0]["used"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", used)
    berth.stop()
    assert listed(berth, "ana")[0]["used"] == used  # without a gateway, from the store
    offline = create(berth, "ana")
    berth.start()
    assert Bearer(berth, offline).get("/demo/get-app-names").status == 200
    assert Bearer(berth, token).get("/demo/get-app-names").status == 200


def test_a_wrong_token_is_told_what_would_do_and_then_throttled(berth, ana):
    good = Bearer(berth, create(berth, "ana"))
    wrong = Bearer(berth, "berth_" + 43 * "A")
    refused = wrong.get("/demo/get-app-names")
    assert refused.status == 401
    challenges = refused.headers.get_all("WWW-Authenticate")
    assert challenges == ['Basic realm="berth", charset="UTF-8"',
                          'Bearer realm="berth", error="invalid_token"']
    assert berth.anyone.get("/demo/get-app-names").headers.get_all("WWW-Authenticate") == [
        'Basic realm="berth", charset="UTF-8"', 'Bearer realm="berth"']
    answers = [wrong.get("/demo/get-app-names") for _ in range(12)]
    assert answers[-1].status == 429 and int(answers[-1].headers["Retry-After"]) > 0
    assert good.get("/demo/get-app-names").status == 200
    assert ana.get("/demo/get-app-names").status == 200


def test_a_token_is_in_the_header_alone_and_nowhere_written(berth, ana):
    token = create(berth, "ana")
    for name in ("access_token", "token"):
        assert berth.anyone.get("/demo/get-app-names", **{name: token}).status == 401
    Bearer(berth, token).get("/demo/get-app-names")
    Bearer(berth, token + "x").get("/demo/get-app-names")
    berth.stop()
    for path in berth.directory.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("args, says", [
    (["nobody"], "there is no user nobody"),
    (["ana", "--facility", "demo"], "belong together"),
    (["ana", "--role", "viewer"], "belong together"),
    (["ana", "--facility", "demo", "--role", "operator"], "ana is researcher in facility demo"),
    (["ana", "--facility", "dem", "--role", "viewer"], "did you mean demo?"),
    (["ana", "--expires", "0d"], "expires must be"),
    (["ana", "--expires", "3651d"], "expires must be"),
    (["ana", "--expires", "90"], "expires must be"),
    (["ana", "--expires", "d"], "expires must be"),
    (["ana", "--expires", "1d "], "expires must be"),
    (["ana", "--label", 65 * "x"], "label is longer than 64 bytes"),
    (["ana", "--label", "a\nb"], "without control characters"),
])
def test_what_is_refused(berth, ana, args, says):
    done = berth.run("token", "create", *args)
    assert done.returncode == 1 and says in done.stderr and done.stdout == ""
    assert listed(berth, "ana") == []


def test_bounds_are_allowed(berth, ana):
    for args in (["--expires", "3650d"], ["--expires", "521w"], ["--expires", "1h"],
                 ["--label", 64 * "x"]):
        create(berth, "ana", *args)
