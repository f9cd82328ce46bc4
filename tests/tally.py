# SPDX-License-Identifier: MIT
"""Count test cases: python3 tests/tally.py FILE, a meson log (.json) or a JUnit report (.xml).

Prints "PASSED FAILED SKIPPED", then a line for each that failed. A program of Check tests counts as many as it says it checked; one
that crashed, timed out or checked nothing counts as one failed more, and so does a missing file.
"""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE)
CHECK_FAILED = re.compile(r"^\S+:\d+:[FE]:.*$", re.MULTILINE)


def of_meson(text):
    passed = failed = skipped = 0
    names = []
    for line in text.splitlines():
        test = json.loads(line)
        cases = [tuple(map(int, found)) for found in CHECK.findall(test.get("stdout", ""))]
        ran = sum(case[0] for case in cases)
        bad = sum(case[1] + case[2] for case in cases)
        if test["result"] == "SKIP":
            skipped += 1
        elif test["result"] == "OK":
            passed += ran - bad
            failed += bad + (1 if ran == 0 else 0)
        else:
            passed += ran - bad
            failed += max(bad, 1)
            names.append(test["name"] + " " + test["result"])
            names += CHECK_FAILED.findall(test.get("stdout", ""))
    return (passed, failed, skipped), names


def of_junit(text):
    passed = failed = skipped = 0
    names = []
    for case in xml.etree.ElementTree.fromstring(text).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            names.append(case.get("classname") + "." + case.get("name"))
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return (passed, failed, skipped), names


def main():
    path = pathlib.Path(sys.argv[1])
    try:
        counts, names = (of_meson if path.suffix == ".json" else of_junit)(path.read_text())
    except (OSError, ValueError, xml.etree.ElementTree.ParseError):
        counts, names = (0, 1, 0), ["no report"]
    print(*counts)
    print(*names, sep="\n")


if __name__ == "__main__":
    main()
