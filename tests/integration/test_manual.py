# SPDX-License-Identifier: MIT
"""Help and manual pages: every command has both, and they agree."""

import pathlib
import re
import subprocess

import pytest

from harness import BINARY, refused

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(BINARY).resolve().parent
SECTIONS = ["Options:", "Exit status:", "Environment:", "Files:"]


def run(*args):
    return subprocess.run([BINARY, *args], capture_output=True, text=True)


def help_of(*words):
    done = run(*words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def commands():
    """The commands that berth --help lists."""
    listed = help_of().split("\nCommands:\n")[1].split("\n\n")[0]
    return re.findall(r"^  (\S+(?: \S+)?)(?: {2,}|\n)", listed, re.MULTILINE)


COMMANDS = commands()
PAGES = ["berth.1", "berth.conf.5", *sorted({f"berth-{name.split()[0]}.1" for name in COMMANDS})]


def rendered(page):
    """The page as one line of plain words."""
    done = subprocess.run(["mandoc", "-T", "ascii", BUILD / "gateway" / page], capture_output=True,
                          text=True, check=True)
    return " ".join(re.sub(r".\x08", "", done.stdout).split())


def test_all_commands_are_listed():
    assert {"serve", "check-config", "version", "user add", "token create", "image list",
            "report uptime"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_that_its_page_repeats(command):
    text = help_of(*command.split())
    assert text.startswith(f"usage: berth {command}")
    assert max(map(len, text.splitlines())) <= 80
    sections = re.findall(r"^[A-Z][a-z ]+:$", text, re.MULTILINE)
    assert sections == ["Options:", "Examples:", "Exit status:", "Environment:", "Files:"]
    assert run("help", *command.split()).stdout == text
    page = rendered(f"berth-{command.split()[0]}.1")
    usage = " ".join(text.split("\n\n")[0].removeprefix("usage: ").split())
    assert usage in page
    for section in re.split(r"^[A-Z][a-z ]+:\n", text, flags=re.MULTILINE)[1:]:
        for entry in re.split(r"\n(?=  \S)", section.strip("\n")):
            for part in re.split(r" {3,}|\n {24}", entry.strip()):
                assert " ".join(part.split()) in page, (command, part)
    for paragraph in text.split("\n\n")[1:]:
        if not re.match(r"^[A-Z][a-z ]+:\n", paragraph):
            assert " ".join(paragraph.split()) in page, (command, paragraph)


@pytest.mark.parametrize("word", sorted({name.split()[0] for name in COMMANDS if " " in name}))
def test_help_of_commands_with_one_first_word(word):
    text = help_of(word)
    assert all(f"  {name}" in text for name in COMMANDS if name.startswith(word + " "))
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"]])
def test_help(args):
    done = run(*args)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(section in done.stdout for section in ["Commands:", *SECTIONS])
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("args", [["help", "usr"], ["user", "ad", "--help"], ["nonsense", "-h"]])
def test_help_of_what_there_is_not(args):
    assert "there is no command" in refused(run(*args), code=2)


@pytest.mark.parametrize("page", PAGES)
def test_pages_render_without_a_warning(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", BUILD / "gateway" / page],
                          capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_page_of_the_configuration_has_every_key():
    text = (ROOT / "docs" / "configuration.md").read_text()
    page = rendered("berth.conf.5")
    keys = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    assert len(keys) > 40
    assert all(f" {key.replace('`', '')} " in page for key in keys)
    assert all(f" {title} " in page for title in re.findall(r"^## (\[.*\])$", text, re.MULTILINE))


def test_what_is_installed(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", tmp_path],
                   check=True, capture_output=True)
    installed = [path for path in tmp_path.rglob("*") if path.is_file()]
    names = {path.name for path in installed if path.parent.name in ("man1", "man5", "bin")}
    assert names >= {"berth", *PAGES}
    assert not {"manual", "libgateway.a"} & {path.name for path in installed}
