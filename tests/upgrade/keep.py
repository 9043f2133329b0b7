"""Keeps a county of this release for the releases to come: ``python -m tests.upgrade.keep``.

It is the demo county, which has a matter in every state, with a draft and a matter of every further item besides.
"""

from __future__ import annotations

import io
import lzma
import sqlite3
import sys
import tarfile
import tempfile
import tomllib
from contextlib import closing
from pathlib import Path

from engine import ProcessEngine
from engine.demo import load

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


def make(place: Path) -> None:
    """Fill ``county.db`` and ``files`` in a folder through the public doors of the engine."""
    url = f"sqlite:///{place / 'county.db'}"
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
    with closing(sqlite3.connect(place / "county.db")) as connection:
        connection.execute("pragma journal_mode = delete")
        connection.execute("vacuum")


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
    with tempfile.TemporaryDirectory(prefix="sihua-keep") as folder:
        make(Path(folder))
        packed = pack(Path(folder))
    target = RELEASES / f"{version}.tar.xz"
    RELEASES.mkdir(exist_ok=True)
    target.write_bytes(packed)
    print(f"{target.relative_to(ROOT)}: {len(packed)} bytes")
    return 0 if len(packed) <= MOST_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
