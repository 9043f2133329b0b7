"""Whatever a file holds, lint answers in time, says where, and nothing is executed, opened or fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of CPU and memory are set the POSIX way")


def fuzz(first: int, count: int) -> dict:
    """Run the cases in a process of their own, which an attack may not leave."""
    command = [sys.executable, "-m", "tests.bpmn.fuzz", "--first", str(first), "--count", str(count)]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-2_000:]
    return json.loads(ended.stdout)


def check(told: dict, count: int) -> None:
    assert told["wrong"] == []
    assert told["cases"] == count
    assert told["longest"][0][0] < 2


def test_damaged_files_are_answered():
    check(fuzz(0, 2_000), 2_000)


@pytest.mark.full
@pytest.mark.parametrize("first", range(2_000, 102_000, 10_000))
def test_a_hundred_thousand_damaged_files_are_answered(first: int):
    check(fuzz(first, 10_000), 10_000)
