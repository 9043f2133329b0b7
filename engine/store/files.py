"""The bytes of uploaded materials and rendered documents, kept on disk under the SHA-256 of their content."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import InvalidFile, NotFound, Unavailable

#: enough to tell the kind of a file by its content
HEAD_BYTES = 512
CHUNK_BYTES = 64 * 1024
MEGABYTE = 1024 * 1024
#: no upload takes that long
ABANDONED_SECONDS = 24 * 3600
_INCOMING = ".incoming-"

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_AWAY = {errno.ENOENT, errno.EIO, errno.EROFS, getattr(errno, "ESTALE", errno.EIO)}

_NAME = re.compile(r"[0-9a-f]{64}")
_PDF = re.compile(rb"%PDF-[12]\.[0-9]")
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis"})
#: the general HEIF brand: what is inside is named by the compatible brands
_HEIF_BRAND = b"mif1"


@dataclass(frozen=True)
class KeptFile:
    """What a database row needs to know of bytes that are safely on disk."""

    #: 64 lower-case hex digits; the name to read it by
    sha256: str
    #: bytes
    size: int
    #: judged by content, never by name or by what the browser said
    media_type: str


class FileStore:
    """One folder of files named by content; the same content is kept once and never changes."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def keep(self, stream: BinaryIO, max_bytes: int) -> KeptFile:
        """Take in an upload. Raises InvalidFile (415 for the kind, 413 for the size); then nothing is kept."""
        head = _read_head(stream)
        media_type = _media_type(head)
        rest = iter(lambda: stream.read(CHUNK_BYTES), b"")
        sha256, size = self._store(itertools.chain([head], rest), max_bytes)
        return KeptFile(sha256, size, media_type)

    def put(self, data: bytes) -> str:
        """Keep bytes that the engine itself has made; return the name to read them by."""
        sha256, _ = self._store([data], len(data))
        return sha256

    def read(self, sha256: str) -> bytes:
        """Return the bytes of that name. Raises NotFound."""
        path = self._path(sha256)
        with _own_faults():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                if not self.root.is_dir():
                    raise
                raise NotFound("file", sha256) from None

    def _sweep(self) -> None:
        """Remove what uploads left that were cut off by a crash; other machines' uploads under way are younger."""
        for left_over in self.root.glob(f"{_INCOMING}*"):
            with suppress(OSError):
                if left_over.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                    left_over.unlink()

    def _path(self, sha256: str) -> Path:
        # Only a digest ever becomes a path, so that no name leads out of the folder.
        if not _NAME.fullmatch(sha256):
            raise NotFound("file", sha256)
        return self.root / sha256[:2] / sha256

    def _store(self, chunks: Iterable[bytes], max_bytes: int) -> tuple[str, int]:
        # In the same folder, so that the rename stays inside one file system.
        with _own_faults():
            incoming = tempfile.NamedTemporaryFile(dir=self.root, prefix=_INCOMING, delete=False)
            try:
                with incoming:
                    sha256, size = _copy(chunks, incoming, max_bytes)
                    incoming.flush()
                    os.fsync(incoming.fileno())
                self._place(Path(incoming.name), sha256)
            finally:
                Path(incoming.name).unlink(missing_ok=True)
        return sha256, size

    def _place(self, incoming: Path, sha256: str) -> None:
        target = self._path(sha256)
        if target.exists():
            return
        target.parent.mkdir(exist_ok=True)
        os.replace(incoming, target)
        _sync_folder(target.parent)
        _sync_folder(self.root)


@contextmanager
def _own_faults() -> Iterator[None]:
    """Tell a disk that is full or away from other faults."""
    try:
        yield
    except OSError as fault:
        if fault.errno in _FULL:
            raise Unavailable("full", str(fault)) from fault
        if fault.errno in _AWAY:
            raise Unavailable("gone", str(fault)) from fault
        raise


def _read_head(stream: BinaryIO) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (chunk := stream.read(HEAD_BYTES - len(head))):
        head += chunk
    return head


def _copy(chunks: Iterable[bytes], target: BinaryIO, max_bytes: int) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise InvalidFile(
                f"没传上：文件超过 {_size_words(max_bytes)}", "把照片或文件改小再传，您填的其他内容都在。", status=413
            )
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest(), size


def _media_type(head: bytes) -> str:
    if not head:
        raise InvalidFile("没传上：文件是空的", "重新拍照或选文件再传，您填的其他内容都在。")
    if head.startswith(b"\xff\xd8\xff") and head[3:4] >= b"\xc0":
        return "image/jpeg"
    if head.startswith(_PNG):
        return "image/png"
    if _is_heic(head):
        return "image/heic"
    if _PDF.match(head):
        return "application/pdf"
    raise InvalidFile(
        "没传上：这个文件不是照片，也不是 PDF", "换成 JPEG、PNG、HEIC 照片或 PDF 再传，您填的其他内容都在。"
    )


def _is_heic(head: bytes) -> bool:
    # ISO 14496-12 §4.3: size, "ftyp", major brand, minor version, compatible brands.
    if head[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, compatible = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    return major in _HEIC_BRANDS or (major == _HEIF_BRAND and bool(compatible & _HEIC_BRANDS))


def _size_words(size: int) -> str:
    return f"{size // MEGABYTE} MB" if size >= MEGABYTE else f"{size} 字节"


def _sync_folder(folder: Path) -> None:
    # A rename is on disk only when its folder is; Windows offers no such call.
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
