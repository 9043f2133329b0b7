"""A confined script gives its answer, declines, or breaks, and touches nothing outside."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pytest

from engine import confinement
from engine.confinement import Broken, Declined, run

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets limits on another process")


@pytest.fixture
def script(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "script.py"
        path.write_text(text)
        return path

    return write


def test_it_returns_what_the_script_makes_of_the_request(script):
    upper = script("import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read().upper() + sys.argv[1].encode())\n")

    assert run(upper, b"abc" * 100_000, "x", seconds=20) == b"ABC" * 100_000 + b"x"


def test_a_script_that_declines_says_why(script):
    with pytest.raises(Declined, match="不行"):
        run(script(f"import sys\nprint('不行')\nsys.exit({confinement.DECLINED})\n"), b"", seconds=20)


@pytest.mark.parametrize(
    "end", ["raise RuntimeError('broken here')", "import os; os.abort()", "import sys; sys.exit(1)"]
)
def test_any_other_end_is_broken(script, end):
    with pytest.raises(Broken, match="status"):
        run(script(end), b"", seconds=20)


def test_a_script_that_hangs_is_ended_in_time(script):
    begun = time.monotonic()
    with pytest.raises(Broken, match=r"more than 0\.5 s"):
        run(script("while True: pass"), b"", seconds=0.5)

    assert time.monotonic() - begun < 10


def test_it_starts_in_an_empty_folder_that_is_removed(script, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    look = script("import os, pathlib\nprint(os.getcwd(), sorted(pathlib.Path('.').iterdir()), sep='|')\n")

    folder, content = run(look, b"", seconds=20).decode().strip().split("|")

    assert Path(folder).parent == scratch.resolve()
    assert content == "[]"
    assert list(scratch.iterdir()) == []


def test_modules_beside_the_script_do_not_shadow_the_library(script, tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")

    assert run(script("import json\nprint(json.dumps(1))"), b"", seconds=20).strip() == b"1"


@linux_only
def test_it_cannot_take_more_memory_than_it_may(script):
    with pytest.raises(Broken, match="MemoryError"):
        run(script("import sys\nsys.stdin.read()\nx = bytearray(3 * 1024**3)"), b"", seconds=20)


@linux_only
def test_it_cannot_write_files(script, tmp_path):
    target = tmp_path / "written"
    with pytest.raises(Broken, match="File too large"):
        run(script(f"import sys\nsys.stdin.read()\nopen({str(target)!r}, 'wb', 0).write(b'x')"), b"", seconds=20)

    assert target.read_bytes() == b""
