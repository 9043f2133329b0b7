"""A county served by processes as on several machines: own folders, shared database, files and session key."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from uuid import uuid4

from sqlalchemy import update

from engine import ProcessEngine
from engine.clock import Clock
from engine.demo.people import People, load_people
from engine.store.tables import person

ROOT = Path(__file__).resolve().parents[2]
#: seconds until a process that does not answer, or end, is given up
PATIENCE = 60
PASSWORD = "correct horse"
#: village → login of its clerk
CLERKS = {"石桥村": "clerk1", "柳湾村": "clerk2"}


@dataclass
class LivingCounty:
    """A county at real time that processes are started on."""

    url: str
    people: People
    place: Path
    running: list[Process] = field(default_factory=list)

    @property
    def files(self) -> Path:
        return self.place / "files"

    def engine(self, clock: Clock | None = None) -> ProcessEngine:
        return ProcessEngine(self.url, files=self.files, clock=clock)

    def web(self) -> Process:
        """Start a web process on a machine of its own."""
        port = free_port()
        options = ["serve", "--port", str(port), "--session-key", str(self.place / "key")]
        return self._start(options, port)

    def worker(self) -> Process:
        return self._start(["worker"], 0)

    def _start(self, options: list[str], port: int) -> Process:
        machine = self.place / f"machine-{len(self.running)}"
        shared = ["--data", str(machine), "--database", self.url, "--files", str(self.files)]
        process = Process([sys.executable, "-m", "engine", *options, *shared], machine.with_suffix(".log"), port)
        self.running.append(process)
        return process

    def stop(self) -> None:
        for process in self.running:
            process.stop()


def fill(url: str, place: Path) -> People:
    """Make the county: people, items in force, and clerks who may sign in."""
    clock = Clock()
    engine = ProcessEngine(url, files=place / "files", clock=clock)
    engine.county.load_lists()
    people = load_people(engine, clock)
    engine.repository.deploy(ROOT / "processes" / "E01_seal_use")
    administrator = next(who for (_, role), who in people.posts.items() if role == "SA")
    for village, login in CLERKS.items():
        clerk = people.posts[village, "CL"]
        with engine.database.write() as connection:
            connection.execute(update(person).where(person.c.id == clerk).values(login=login))
        engine.identity.set_password(engine.identity.password_link(clerk, by=administrator), PASSWORD)
    engine.close()
    return people


class Process:
    """One web or worker process, which may be killed and started again."""

    def __init__(self, command: list[str], log: Path, port: int) -> None:
        self._command = command
        self._log = log
        self.port = port
        self.start()

    def start(self) -> None:
        with self._log.open("a", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """End it with no chance to tidy up."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM if os.name == "posix" else signal.CTRL_C_EVENT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended by itself."""
        self._process.wait(seconds)

    def wait_until_it_answers(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                if Visitor().get(self, "/healthz").status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"no answer: {self.said()}")

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def hidden(self, name: str) -> str:
        """Return the value of a hidden field of the page."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, f"no {name} on this page: {self.text[:2000]}"
        return unescape(found.group(1))


class Visitor:
    """A browser whose requests may go to any of the county's machines."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def get(self, machine: Process, path: str) -> Answer:
        return self._send(machine, "GET", path, b"", {})

    def post(
        self, machine: Process, path: str, fields: Mapping[str, str], files: Mapping[str, bytes] | None = None
    ) -> Answer:
        if files:
            body, kind = _multipart(fields, files)
        else:
            body, kind = urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded"
        return self._send(machine, "POST", path, body, {"Content-Type": kind})

    def sign_in(self, machine: Process, login: str) -> None:
        token = self.get(machine, "/login").hidden("csrf_token")
        answer = self.post(machine, "/login", {"login": login, "password": PASSWORD, "csrf_token": token})
        assert answer.status == 303, answer.text

    def _send(self, machine: Process, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", machine.port, timeout=PATIENCE)
        try:
            cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            connection.request(method, path, body or None, {**headers, **({"Cookie": cookies} if cookies else {})})
            response = connection.getresponse()
            answer = Answer(response.status, dict(response.getheaders()), response.read())
            for line in response.msg.get_all("Set-Cookie") or ():
                name, _, value = line.partition(";")[0].partition("=")
                self._cookies[name] = value
            return answer
        except http.client.HTTPException as broken:
            raise ConnectionError(str(broken)) from broken
        finally:
            connection.close()


def _multipart(fields: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[bytes, str]:
    boundary = uuid4().hex
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    for name, content in files.items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="photo.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(head.encode() + content)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
    return body + b"--%s--\r\n" % boundary.encode(), f"multipart/form-data; boundary={boundary}"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def living(url: str, people: People, place: Path) -> Iterator[LivingCounty]:
    """A county whose processes all end with the block."""
    (place / "key").write_text(uuid4().hex * 2, "utf-8")
    county = LivingCounty(url, people, place)
    try:
        yield county
    finally:
        county.stop()
