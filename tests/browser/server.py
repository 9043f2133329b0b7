"""A county of its own behind a real server on this machine."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: seconds until a server that does not answer is given up
PATIENCE = 60
#: what ``python3 -m webui`` does once the environment is ready
_SERVE = (
    "import sys; from pathlib import Path; from webui.app import serve;"
    " serve('127.0.0.1', int(sys.argv[1]), Path(sys.argv[2]), None)"
)


@dataclass(frozen=True)
class Served:
    """A running server and where it writes what it has to say."""

    address: str
    log: Path

    def faults(self) -> list[str]:
        """Return what the server said about faults of its own."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if "Traceback" in line or "fault" in line]


@contextmanager
def served(data: Path) -> Iterator[Served]:
    """Serve the county in ``data``, the demo county when it is empty, until the block ends."""
    port = _free_port()
    log = data.with_name(f"{data.name}.log")
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(port), str(data)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield Served(address, log)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def set_up_real_county(data: Path) -> str:
    """Make a county that is no demo, with the administrator admin; return the path at which he sets his password."""
    made = _sihua(
        "init", "--county", "清河县", "--administrator", "宋明德", "--login", "admin", "--data", str(data),
        "--format", "json",
    )  # fmt: skip
    _sihua("deploy", "--data", str(data))
    return json.loads(made)["rows"][0]["value"]


def _sihua(*arguments: str) -> str:
    command = [sys.executable, "-m", "engine", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8").stdout


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text(encoding='utf-8')}")
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    raise TimeoutError(f"no answer at {address}: {log.read_text(encoding='utf-8')}")
