"""Runs all tests with one command: ``python3 -m tests [--full] [pytest arguments]``."""

from __future__ import annotations

import importlib
import os
import sys

from webui import bootstrap

#: processes that run tests side by side at most: each has a database server and a browser of its own
MOST_PROCESSES = 4


def pytest_arguments(arguments: list[str]) -> list[str]:
    """Leave out the tests that take minutes, unless --full asks for them or -m chooses; run all others side by side."""
    if "--full" in arguments:
        # Those that take minutes watch what happens under load of their own making.
        return [each for each in arguments if each != "--full"]
    chosen = [] if "-m" in arguments else ["-m", "not full"]
    return [*chosen, *([] if named_tests(arguments) else side_by_side()), *arguments]


def side_by_side() -> list[str]:
    """Return what lets pytest use the cores of this machine, a file of tests in one process."""
    count = min(os.cpu_count() or 1, MOST_PROCESSES)
    return ["-n", str(count), "--dist", "loadfile"] if count > 1 else []


def named_tests(arguments: list[str]) -> list[str]:
    return [each for each in arguments if each.startswith("tests")]


def needs_browser(arguments: list[str]) -> bool:
    """Say whether to look for a browser first, while progress can be seen: unless other tests are named."""
    named = named_tests(arguments)
    return not named or any("browser" in each for each in named)


def main(arguments: list[str]) -> int:
    with bootstrap.speaking_plainly():
        bootstrap.enter("tests", arguments, extra="tests")
        # Only now can anything outside the standard library be imported.
        if needs_browser(arguments):
            importlib.import_module("tests.chromium").find(bootstrap.say)
    return importlib.import_module("pytest").main(pytest_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
