# SPDX-License-Identifier: MIT
"""Runs the examples of a page of the documentation and compares what they print.

A fenced block `console` holds commands after `$ ` and beneath each what it prints, error output
too. `…` stands for any text within a line, and alone on a line for any number of lines. JSON is
compared as values: it may be broken into lines for the reader, `…` in a string stands for any
text, as a value for any value, and at the end of an object or a list for more of them.
A fenced block `sh` holds commands that must succeed, a curl with a status below 400; what they
print is not compared.
All blocks of a page run in one shell, in order.

`<!-- test: WORDS -->` before a block says to the test, and not to the reader, what has to be so
while it runs.
"""

import json
import re
import select
import subprocess
import time

COMMAND_TIMEOUT_S = 60
_REST = "\uE000"  # what a bare … becomes in JSON


class Block:
    """language, commands [(command, what it prints)], needs (the words for the test), line."""

    def __init__(self, language, text, needs, line):
        self.language = language
        self.text = text
        self.needs = needs
        self.line = line

    @property
    def commands(self):
        if self.language == "sh":
            joined = re.sub(r"\\\n\s*", "", self.text)
            return [(line, None) for line in joined.splitlines() if line.strip()]
        found = []
        for line in self.text.splitlines():
            if found and found[-1][0].endswith("\\"):
                found[-1][0] = found[-1][0][:-1] + line.strip()
            elif line.startswith("$ "):
                found.append([line.removeprefix("$ "), ""])
            else:
                found[-1][1] += line + "\n"
        return [(command, printed.rstrip("\n")) for command, printed in found]


def blocks(page):
    """The fenced blocks of a page's text."""
    found = []
    pattern = re.compile(r"(?:<!-- test: (?P<needs>.*?) -->\s*)?^```(?P<language>\w+)\n"
                         r"(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in pattern.finditer(page):
        line = page.count("\n", 0, match.start("text")) + 1
        found.append(Block(match["language"], match["text"], match["needs"], line))
    return found


class Shell:
    """One bash that runs command after command; run() returns (exit status, what was printed)."""

    def __init__(self, directory, environment):
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=directory, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=False, start_new_session=True)
        # At a terminal curl shows no meter.
        self.run('curl() { command curl -sS $refuse "$@"; }')

    def run(self, command, must_succeed=False):
        """must_succeed: an answer from 400 on is a failure of curl, too."""
        refuse = "--fail-with-body" if must_succeed else ""
        mark = f"--- {time.monotonic_ns()} "
        self._process.stdin.write(f"refuse={refuse}\n{command}\nprintf '%s%d\\n' '{mark}' $?\n".encode())
        self._process.stdin.flush()
        printed = b""
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        pattern = re.compile(re.escape(mark).encode() + rb"(\d+)\n")
        while not (end := pattern.search(printed)):
            ready = select.select([self._process.stdout], [], [], deadline - time.monotonic())[0]
            data = self._process.stdout.read1(65536) if ready else b""
            if not data:
                raise AssertionError(f"{command}\ndid not end; it printed\n{printed.decode()}")
            printed += data
        return int(end[1]), printed[:end.start()].decode().replace("\r\n", "\n").strip("\n")

    def close(self):
        self._process.stdin.close()
        self._process.wait(COMMAND_TIMEOUT_S)


# Comparing


def agrees(shown, printed):
    """Whether a page that shows this is right about what was printed."""
    wanted = _parse(_mark_rest(shown))
    if wanted is not None:
        return _json_agrees(wanted, _parse(printed))
    return _text_agrees(shown, printed)


def _parse(text):
    """The value of a JSON object or array; None where the text is none."""
    try:
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else None
    except ValueError:
        return None


def _mark_rest(shown):
    """The same with each … outside of a string made a value, or a member at the end of an object."""
    parts = re.split(r'("(?:[^"\\]|\\.)*")', shown)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<=[,{])(\s*)…(\s*})", rf'\1"{_REST}": 0\2', parts[i])
        parts[i] = parts[i].replace("…", f'"{_REST}"')
    return "".join(parts)


def _json_agrees(wanted, value):
    if wanted == _REST:
        return True
    if isinstance(wanted, dict) and isinstance(value, dict):
        more = _REST in wanted
        left = iter(value.items())
        return (more or len(wanted) == len(value)) and all(
            name == _REST or any(
                _text_agrees(name, given) and _json_agrees(member, found)
                for given, found in (left if more else [next(left)]))
            for name, member in wanted.items())
    if isinstance(wanted, list) and isinstance(value, list):
        if wanted and wanted[-1] == _REST:
            wanted, value = wanted[:-1], value[:len(wanted) - 1]
        return len(wanted) == len(value) and all(map(_json_agrees, wanted, value))
    if isinstance(wanted, str) and isinstance(value, str):
        return _text_agrees(wanted, value)
    return type(wanted) is type(value) and wanted == value


def _text_agrees(shown, printed):
    pattern = "\n".join(".*?" if line.strip() == "…" else
                        "[^\n]*?".join(map(re.escape, line.rstrip().split("…")))
                        for line in shown.split("\n"))
    pattern = re.sub(r"\n\.\*\?(?=\n|$)", r"(?:\n.*?)?", pattern)
    printed = "\n".join(line.rstrip() for line in printed.split("\n"))
    return re.fullmatch(pattern, printed, re.DOTALL) is not None
