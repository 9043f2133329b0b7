"""Runs all tests with one command: ``python3 -m tests [--full] [pytest arguments]``."""

from __future__ import annotations

import importlib
import sys

from webui import bootstrap


def pytest_arguments(arguments: list[str]) -> list[str]:
    """Leave out the tests that take minutes, unless --full asks for them or -m chooses."""
    if "--full" in arguments:
        return [each for each in arguments if each != "--full"]
    return arguments if "-m" in arguments else ["-m", "not full", *arguments]


def needs_browser(arguments: list[str]) -> bool:
    """Say whether to look for a browser first, while progress can be seen: unless other tests are named."""
    named = [each for each in arguments if each.startswith("tests")]
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
