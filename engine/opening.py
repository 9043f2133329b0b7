"""Opening a county for the web: the demo county on a new embedded database, otherwise what is there."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from engine.demo import Demo, load_apart
from engine.errors import EngineError
from engine.process_engine import ProcessEngine

#: environment variable of the key that processes of one county share
SECRET = "SIHUA_SECRET"
SECRET_LENGTH = 32


class NoSessionKey(EngineError):
    """The key that was named is missing or too short to sign sessions with; the text is the sentence to show."""


def open_for_web(
    data: Path, database: str | None = None, *, files: Path | None = None, session_key: Path | None = None
) -> tuple[ProcessEngine, str]:
    """Return the engine and the key that signs sessions.

    Without ``database`` the embedded one in ``data`` is used; if it does not exist yet it becomes the demo county.
    What a database is, demo or real, is fixed when it is made. Processes that serve one county together are given
    the same ``database``, ``files`` and key: the file ``session_key`` or the environment variable SIHUA_SECRET.

    :raises NoSessionKey: the key that was named is missing or too short.
    """
    data.mkdir(parents=True, exist_ok=True)
    embedded = data / "sihua.db"
    url = database or f"sqlite:///{embedded}"
    files = files or data / "files"
    secret = _given_secret(session_key) or _own_secret(data / "session.key")
    if database is None and not embedded.exists():
        _load_demo(embedded, files)
    engine = ProcessEngine(url, files=files)
    engine.demo = Demo(engine) if engine.county.setting("demo") else None
    return engine, secret


def _load_demo(embedded: Path, files: Path) -> None:
    """Fill a database beside the place and move it there whole: an interrupted first start leaves nothing half."""
    draft = embedded.with_suffix(".new")
    for left_over in draft.parent.glob(f"{draft.name}*"):
        left_over.unlink()
    load_apart(f"sqlite:///{draft}", files)
    draft.rename(embedded)


def _given_secret(path: Path | None) -> str:
    """Return the key of the file, else of the environment; "" when neither is named."""
    if path is None and SECRET not in os.environ:
        return ""
    try:
        secret = (path.read_text("utf-8") if path else os.environ[SECRET]).strip()
    except (OSError, UnicodeDecodeError):
        raise NoSessionKey(f"读不出会话密钥文件 {path}。") from None
    if len(secret) < SECRET_LENGTH:
        raise NoSessionKey(f"会话密钥太短：{path or SECRET} 里至少要有 {SECRET_LENGTH} 个随机字符。")
    return secret


def _own_secret(path: Path) -> str:
    """Return the key of this folder, made at the first start."""
    if not path.exists():
        # Written beside it and put there whole: a process that starts at the same time reads all of it or none.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as draft:
            draft.write(secrets.token_urlsafe(48))
        try:
            os.link(draft.name, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(draft.name)
    return path.read_text("utf-8")
