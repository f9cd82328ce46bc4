# SPDX-License-Identifier: MIT
"""docs/dependencies.md says what scripts/setup installs and Meson looks for."""

import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/dependencies.md").read_text()
OF_LIBC = {"threads"}


def tables():
    """The rows of all tables of the page as {column: cell}."""
    rows, names = [], None
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            names = None
        elif names is None:
            names = cells
        elif not line.startswith("|---"):
            rows.append(dict(zip(names, cells, strict=True)))
    return rows


def test_each_package_that_is_installed_has_a_row():
    arrays = re.findall(r"^\w*packages=\((.*?)\)$", (ROOT / "scripts/setup").read_text(),
                        re.MULTILINE | re.DOTALL)
    installed = [name for array in arrays for name in array.split() if "$" not in name]
    documented = [row["package"].strip("`") for row in tables() if row["package"] != "–"]
    assert sorted(documented) == sorted(installed)


def test_each_library_that_is_looked_for_is_told_with_its_bound():
    looked_for = set()
    for path in ROOT.glob("**/meson.build"):
        if path.relative_to(ROOT).parts[0] not in ("subprojects", "build"):
            looked_for |= set(re.findall(r"\bdependency\('([^']+)'(?:, version: '([^']+)')?",
                                         path.read_text()))
    expected = {f"{name} {bound}".strip() for name, bound in looked_for if name not in OF_LIBC}
    told = {row.get("in Meson", "–").strip("`") for row in tables()}
    assert told - {"–"} == expected


def test_each_row_has_a_licence_and_a_reason():
    for row in tables():
        assert row["licence"] and (row.get("for") or row["for, and why this one"]), row


def test_the_versions_are_those_of_this_machine():
    column = "Debian " + platform.freedesktop_os_release()["VERSION_ID"]
    for row in tables():
        name = row["package"].strip("`")
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True,
                              text=True)
        if done.returncode == 0 and done.stdout:
            version = done.stdout.split(":")[-1]
            shown = row.get(column, "any")
            assert shown == "any" or re.match(re.escape(shown) + r"\b", version), \
                f"{name}: {version}"
