"""Runs a script over untrusted bytes in a process of its own: what crashes, hangs or swells there harms nobody else.

Decoders are native code: a photo with one wrong byte has been seen to end the whole process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

if sys.platform == "linux":
    import resource

#: the script ends with this status after printing why it declines
DECLINED = 2
MEMORY_BYTES = 2 * 1024**3

#: no network: the discard port answers nobody. One thread: a pool per processor would reserve more than the limit.
_ENVIRONMENT = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
    "RAYON_NUM_THREADS": "1",
    "PYTHONUTF8": "1",
}


class Declined(Exception):
    """The script looked at the bytes and said why not."""


class Broken(Exception):
    """The script ended otherwise than it should, or went over its time."""


def run(script: Path, request: bytes, *arguments: str, seconds: float) -> bytes:
    """Give ``request`` to a Python script on its standard input; return what it prints.

    The script starts in an empty folder that is removed afterwards. On Linux it can neither write files nor take more
    than MEMORY_BYTES. Raises Declined or Broken.
    """
    with tempfile.TemporaryDirectory(prefix="sihua-") as folder, _start(script, arguments, folder) as process:
        _limit(process.pid)
        try:
            answer, complaint = process.communicate(request, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Broken(f"more than {seconds:g} s") from None
        finally:
            process.kill()
    if process.returncode == DECLINED:
        raise Declined(answer.decode("utf-8", "replace"))
    if process.returncode:
        raise Broken(f"status {process.returncode}: {complaint[-500:].decode('utf-8', 'replace')}")
    return answer


def _start(script: Path, arguments: tuple[str, ...], folder: str) -> subprocess.Popen[bytes]:
    # -P: the script's own folder, the engine's, must not shadow modules of the same name.
    return subprocess.Popen(
        [sys.executable, "-P", "-B", str(script), *arguments],
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _limit(process_id: int) -> None:
    # Set from outside, before the script has its input; other systems know no such call.
    if sys.platform != "linux":
        return
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.prlimit(process_id, limit, (value, value))
