"""Files are kept once, named by their content, judged by their content and bounded in size."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from engine.errors import InvalidFile, NotFound, Unavailable
from engine.store.files import FileStore

MB = 1024 * 1024
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + b"j" * 3000
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"p" * 3000
HEIC = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heicmiaf" + b"h" * 3000
HEIC_UNDER_GENERAL_BRAND = b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic" + b"h" * 3000
PDF = b"%PDF-1.7\n" + b"d" * 3000


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def kept_paths(store: FileStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


class Dribble(io.RawIOBase):
    """A stream that gives three bytes at a time, as a slow line may."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def read(self, size: int = -1) -> bytes:
        piece, self.rest = self.rest[:3], self.rest[3:]
        return piece


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (JPEG, "image/jpeg"),
        (PNG, "image/png"),
        (HEIC, "image/heic"),
        (HEIC_UNDER_GENERAL_BRAND, "image/heic"),
        (PDF, "application/pdf"),
    ],
)
def test_it_keeps_an_upload_under_the_digest_of_its_content(store, data, media_type):
    kept = store.keep(io.BytesIO(data), MB)

    assert (kept.sha256, kept.size, kept.media_type) == (hashlib.sha256(data).hexdigest(), len(data), media_type)
    assert kept_paths(store) == [store.root / kept.sha256[:2] / kept.sha256]
    assert store.read(kept.sha256) == data


def test_the_same_content_is_kept_once(store):
    first = store.keep(io.BytesIO(JPEG), MB)
    written_at = kept_paths(store)[0].stat().st_mtime_ns

    assert store.keep(io.BytesIO(JPEG), MB) == first
    assert store.put(JPEG) == first.sha256
    assert [path.stat().st_mtime_ns for path in kept_paths(store)] == [written_at]


def test_a_stream_that_gives_few_bytes_at_a_time_is_kept_whole(store):
    assert store.read(store.keep(Dribble(JPEG), MB).sha256) == JPEG


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><script>alert(1)</script>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        b"PK\x03\x04" + b"z" * 100,
        b"GIF89a" + b"g" * 100,
        b"\n" + PDF,
        b"<script>1</script>" + JPEG,
        b"%PDF-<script>alert(1)</script>",
        b"\xff\xd8\xff<script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n<svg/>",
        b"\x00\x00\x00\x1cftypisom\x00\x00\x00\x00mp41heicmiaf" + b"v" * 100,
        b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif" + b"a" * 100,
        b"\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00mif1heic",
        b"\xff\xd8\xff",
        b"hello",
    ],
)
def test_anything_but_photos_and_pdf_is_refused_whatever_it_is_called(store, data):
    with pytest.raises(InvalidFile) as refused:
        store.keep(io.BytesIO(data), MB)

    assert refused.value.status == 415
    assert refused.value.reason == "没传上：这个文件不是照片，也不是 PDF"
    assert "JPEG、PNG、HEIC 照片或 PDF" in refused.value.remedy
    assert kept_paths(store) == []


def test_an_empty_file_is_refused(store):
    with pytest.raises(InvalidFile) as refused:
        store.keep(io.BytesIO(b""), MB)

    assert (refused.value.status, refused.value.reason) == (415, "没传上：文件是空的")


def test_a_file_of_exactly_the_limit_is_kept_and_one_byte_more_is_not(store):
    limit = 20 * MB
    whole = JPEG + b"\0" * (limit - len(JPEG))

    with pytest.raises(InvalidFile) as refused:
        store.keep(io.BytesIO(whole + b"\0"), limit)

    assert refused.value.status == 413
    assert refused.value.reason == "没传上：文件超过 20 MB"
    assert "改小再传" in refused.value.remedy
    assert kept_paths(store) == []
    assert store.keep(io.BytesIO(whole), limit).size == limit


def test_an_endless_stream_is_read_no_further_than_the_limit(store):
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            piece = (JPEG if not self.given else b"\0" * size)[:size]
            self.given += len(piece)
            return piece

    stream = Endless()
    with pytest.raises(InvalidFile):
        store.keep(stream, MB)

    assert stream.given <= MB + 64 * 1024


def test_a_line_that_breaks_leaves_nothing_behind(store):
    class Broken(io.RawIOBase):
        pieces = [JPEG]

        def read(self, size: int = -1) -> bytes:
            if not self.pieces:
                raise ConnectionResetError
            return self.pieces.pop()

    with pytest.raises(ConnectionResetError):
        store.keep(Broken(), MB)

    assert kept_paths(store) == []


def test_a_disk_that_fails_at_the_rename_leaves_nothing_behind(store, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        store.keep(io.BytesIO(JPEG), MB)

    assert kept_paths(store) == []


@pytest.mark.parametrize("name", ["", "../secret", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "../" + "a" * 61])
def test_no_name_leads_out_of_the_folder(store, name):
    (store.root.parent / "secret").write_text("secret")

    with pytest.raises(NotFound):
        store.read(name)


def test_what_a_crash_left_of_an_upload_is_swept_away_after_a_day(store):
    old, young = store.root / ".incoming-old", store.root / ".incoming-young"
    for left_over in (old, young):
        left_over.write_bytes(b"half")
    os.utime(old, (0, 0))

    FileStore(store.root)

    assert kept_paths(store) == [young]


@pytest.mark.parametrize(
    ("number", "cause"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EIO, "gone"), (errno.EROFS, "gone")]
)
def test_a_disk_that_is_full_or_away_is_told_apart_and_leaves_nothing(store, monkeypatch, number, cause):
    def fail(_handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable) as refused:
        store.keep(io.BytesIO(JPEG), MB)

    assert refused.value.cause == cause
    assert kept_paths(store) == []


def test_a_folder_that_is_away_is_no_missing_file(store):
    name = store.put(JPEG)
    store.root.rename(store.root.with_name("away"))

    for act in (lambda: store.read(name), lambda: store.put(PNG)):
        with pytest.raises(Unavailable) as refused:
            act()
        assert refused.value.cause == "gone"


def test_an_unknown_digest_is_not_found(store):
    with pytest.raises(NotFound):
        store.read("0" * 64)


def test_what_the_engine_made_itself_is_kept_whatever_its_kind(store):
    assert store.read(store.put(b"made here")) == b"made here"
