"""Opening a county for the web: the demo county on a new embedded database, otherwise what is there."""

from __future__ import annotations

import secrets
from pathlib import Path

from engine.demo import Demo, load
from engine.process_engine import ProcessEngine


def open_for_web(data: Path, database: str | None = None) -> tuple[ProcessEngine, str]:
    """Return the engine and the key that signs sessions.

    Without ``database`` the embedded one in ``data`` is used; if it does not exist yet it becomes the demo county.
    What a database is, demo or real, is fixed when it is made.
    """
    data.mkdir(parents=True, exist_ok=True)
    embedded = data / "sihua.db"
    url = database or f"sqlite:///{embedded}"
    files = data / "files"
    if database is None and not embedded.exists():
        _load_demo(embedded, files)
    engine = ProcessEngine(url, files=files)
    engine.demo = Demo(engine) if engine.county.setting("demo") else None
    return engine, _secret(data / "session.key")


def _load_demo(embedded: Path, files: Path) -> None:
    """Fill a database beside the place and move it there whole: an interrupted first start leaves nothing half."""
    draft = embedded.with_suffix(".new")
    for left_over in draft.parent.glob(f"{draft.name}*"):
        left_over.unlink()
    load(f"sqlite:///{draft}", files)
    draft.rename(embedded)


def _secret(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48), "utf-8")
    return path.read_text("utf-8")
