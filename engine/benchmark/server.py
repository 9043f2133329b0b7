"""The web process under load: completions a second through real HTTP, and the memory of an idle county."""

from __future__ import annotations

import http.client
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from engine.benchmark import packages
from engine.benchmark.county import PASSWORD, BenchCounty, Open

CLIENTS = 4
#: matters each client has open at once
MATTERS = 30
#: completions after which the figure stands
COMPLETIONS = 1_000
#: seconds until a server that does not answer is given up
PATIENCE = 60
#: what ``sihua serve`` and ``python3 -m webui`` do once the environment is ready
_SERVE = (
    "import sys; from pathlib import Path; from webui.app import serve;"
    " serve('127.0.0.1', int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] or None)"
)
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """One person's browser: keeps the connection, the cookie and the token of the session."""

    def __init__(self, port: int, login: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._cookie = ""
        self._token = self._token_of("/login")
        self.post("/login", {"login": login, "password": PASSWORD})
        self._token = self._token_of("/tasks")

    def get(self, path: str) -> str:
        """Return the page."""
        return self._ask("GET", path, b"", 200)

    def post(self, path: str, fields: dict[str, str]) -> None:
        """Send a form; anything but "go on there" is a failure."""
        body = urllib.parse.urlencode({"csrf_token": self._token, **fields}).encode()
        self._ask("POST", path, body, 303)

    def _token_of(self, path: str) -> str:
        return _TOKEN.search(self.get(path))[1]

    def _ask(self, method: str, path: str, body: bytes, wanted: int) -> str:
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        page = answer.read().decode()
        if answer.status != wanted:
            raise RuntimeError(f"{method} {path}: {answer.status}\n{page[:2000]}")
        cookie = answer.getheader("Set-Cookie")
        if cookie:
            self._cookie = cookie.partition(";")[0]
        return page


def completions_per_second(county: BenchCounty, database: str | None) -> tuple[float, float]:
    """Return (POST completions a second, rounds of page, completion and next page a second) of four clients."""
    logins = county.set_passwords()
    with serving(county.place, database) as (_, port):
        people = [person_id for village in county.villages for person_id in village.posts.values()]
        visitors = {person_id: Visitor(port, logins[person_id]) for person_id in people}
        posted = _rate(county, lambda open_task, fields: _post(visitors[open_task.assignee_id], open_task, fields))
        walked = _rate(county, lambda open_task, fields: _walk(visitors[open_task.assignee_id], open_task, fields))
    return posted, walked


def _post(visitor: Visitor, open_task: Open, fields: dict[str, str]) -> None:
    visitor.post(f"/tasks/{open_task.id}", fields)


def _walk(visitor: Visitor, open_task: Open, fields: dict[str, str]) -> None:
    visitor.get(f"/tasks/{open_task.id}")
    visitor.post(f"/tasks/{open_task.id}", fields)
    visitor.get(f"/tasks/{open_task.id}/done")


def _rate(county: BenchCounty, act: Callable[[Open, dict[str, str]], None]) -> float:
    """Lead many matters on, step by step, a client for each village; only the acting itself is timed."""
    matters = [[county.start("twenty_steps", village) for _ in range(MATTERS)] for village in county.villages]
    done, spent = 0, 0.0
    with ThreadPoolExecutor(CLIENTS) as clients:
        while done < COMPLETIONS:
            work = [_round(county, matter_ids) for matter_ids in matters]
            began = time.perf_counter()
            for result in [clients.submit(_act_on, act, part) for part in work]:
                result.result()
            spent += time.perf_counter() - began
            done += sum(map(len, work))
    return done / spent


def _round(county: BenchCounty, matter_ids: Sequence[str]) -> list[tuple[Open, dict[str, str]]]:
    """Return the next step of each matter with what is typed there."""
    return [
        (tasks[0], {key: values[0] for key, values in typed.items()})
        for tasks in county.open_tasks(matter_ids).values()
        if (typed := packages.as_typed(packages.values_of(tasks[0].element, again=False)))
    ]


def _act_on(act: Callable, part: Sequence[tuple[Open, dict[str, str]]]) -> None:
    for open_task, fields in part:
        act(open_task, {**fields, "form_token": secrets.token_urlsafe(12)})


def idle_rss(place: Path) -> float:
    """Return MB of the web process that has made and loaded the demo county and shown its first pages."""
    with serving(place / "demo", None) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        for page in ("/", "/demo", "/progress"):
            connection.request("GET", page)
            connection.getresponse().read()
        status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@contextmanager
def serving(data: Path, database: str | None) -> Iterator[tuple[subprocess.Popen, int]]:
    """Serve the county in that folder, a demo county when there is none, until the block ends."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, str(port), str(data), database or ""]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield process, port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def _wait_for(process: subprocess.Popen, port: int) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except ConnectionError:
            time.sleep(0.1)
    raise RuntimeError("the server does not answer")
