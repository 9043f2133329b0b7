"""Keeps a county of this release for the releases to come: ``python -m tests.upgrade.keep``.

It is the demo county, which has a matter in every state, with a draft and a matter of every further item besides:
once as the file of the embedded database, once as the SQL that makes it anew on PostgreSQL.
"""

from __future__ import annotations

import io
import lzma
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from engine import ProcessEngine
from engine.demo import load
from tests import postgresql

ROOT = Path(__file__).resolve().parents[2]
RELEASES = Path(__file__).with_name("releases")
#: what one release may take in the repository
MOST_BYTES = 200 * 1024
RESOLUTION = {
    "number": ["村代会〔2026〕3号"],
    "body": ["villager_representatives"],
    "subject": ["3组鱼塘对外发包"],
    "decided_on": ["2026-03-02"],
}


def make_embedded(place: Path) -> None:
    """Fill ``county.db`` and ``files`` in a folder."""
    _fill(f"sqlite:///{place / 'county.db'}", place)
    with closing(sqlite3.connect(place / "county.db")) as connection:
        connection.execute("pragma journal_mode = delete")
        connection.execute("vacuum")


def make_on_server(place: Path) -> None:
    """Fill ``county.sql`` and ``files`` in a folder."""
    binaries = postgresql.find_binaries()
    server = postgresql.ThrowAwayServer(binaries)
    try:
        url = server.url(server.create())
        _fill(url, place)
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        options = ["--inserts", "--rows-per-insert=1000", "--no-owner", "--no-privileges"]
        dump = [binaries / "pg_dump", *options, f"--dbname={plain}"]
        sql = subprocess.run(dump, check=True, capture_output=True, text=True, encoding="utf-8").stdout
        # What is for psql alone no other client understands.
        lines = [line for line in sql.splitlines() if not line.startswith("\\")]
        (place / "county.sql").write_text("\n".join(lines) + "\n", "utf-8")
    finally:
        server.stop()


def _fill(url: str, place: Path) -> None:
    """Fill a database and ``files`` in a folder through the public doors of the engine."""
    load(url, place / "files")
    engine = ProcessEngine(url, files=place / "files")
    settings = engine.county.setting("demo")
    village = settings["village"]
    clerk = next(
        person.id
        for person in engine.identity.people(by=_administrator(engine), unit_id=village)
        if any(post.role == "CL" for post in person.posts)
    )
    engine.runtime.start("resolution_entry", unit_id=village, data=RESOLUTION, by=clerk)
    inbox = engine.tasks.inbox(by=clerk)
    first = (inbox.overdue + inbox.today + inbox.later)[0]
    engine.tasks.save_draft(first.id, by=clerk, data={"lack": ["缺照片"]})
    engine.close()


def _administrator(engine: ProcessEngine) -> str:
    with engine.database.read() as connection:
        return connection.exec_driver_sql("select person_id from appointment where role = 'SA'").scalar_one()


def pack(place: Path) -> bytes:
    """Return the folder as one compressed archive, the same for the same contents."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(place).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(entry, content)
    return lzma.compress(archive.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def unpack(kept: Path, place: Path) -> None:
    """Lay a kept county out in a folder."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(kept.read_bytes()))) as tar:
        tar.extractall(place, filter="data")


def main() -> int:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    RELEASES.mkdir(exist_ok=True)
    largest = 0
    for suffix, make in (("", make_embedded), ("-postgresql", make_on_server)):
        with tempfile.TemporaryDirectory(prefix="sihua-keep") as folder:
            make(Path(folder))
            packed = pack(Path(folder))
        target = RELEASES / f"{version}{suffix}.tar.xz"
        target.write_bytes(packed)
        print(f"{target.relative_to(ROOT)}: {len(packed)} bytes")
        largest = max(largest, len(packed))
    return 0 if largest <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
