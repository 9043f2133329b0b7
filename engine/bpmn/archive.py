"""An uploaded diagram or zip archive as a package, for checking only: nothing of it is stored."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from lxml import etree

from engine.bpmn.document import XmlRefused, read_xml
from engine.bpmn.facts import FactsError, read_all_facts
from engine.bpmn.package import Package, called_files, process_in, read_files, split_folder
from engine.errors import InvalidFile
from engine.model import ProcessFacts

#: bytes of all files of an archive, unpacked
MAX_UNPACKED = 8 * 1024 * 1024
#: files of an archive
MAX_FILES = 300


def read_upload(name: str, data: bytes, library: Path, in_force: Callable[[str], Package | None]) -> Package:
    """Return the package in a ``.bpmn`` or ``.zip`` file, with the processes it calls taken from the library.

    A diagram alone is one that somebody has changed: its forms and tables are those of the version in force.

    :param in_force: item id → its package in force, None when there is none.
    :raises InvalidFile: it is neither, or too large when unpacked.
    """
    if data[:4] == b"PK\x03\x04":
        folder, files = _unpacked(data)
        code, id = split_folder(folder or PurePosixPath(name).stem)
    else:
        id = process_in(data) or PurePosixPath(name).stem
        known = in_force(id)
        code, files = (known.code, known.own_files) if known else ("", {})
        files = {**files, f"{id}.bpmn": data}
    return read_files(id, code, {**called_files(files, library, id), **files})


def what_is_drawn(package: Package) -> tuple[str, ProcessFacts | None]:
    """Return the main diagram as text and what the package says, as far as either can be read."""
    if not any("/" not in name for name in package.files if name.endswith(".bpmn")):
        return "", None
    try:
        diagram = etree.tostring(read_xml(package.files[package.main]), encoding="unicode")
    except XmlRefused:
        return "", None
    try:
        return diagram, read_all_facts(package)
    except (FactsError, XmlRefused):
        return diagram, None


def _unpacked(data: bytes) -> tuple[str, dict[str, bytes]]:
    """Return the folder that all files of an archive lie in, "" without one, and the files by their names inside it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and "__MACOSX" not in entry.filename]
            if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED:
                raise InvalidFile("压缩包里的文件太多或者太大。", "请只放这一个事项的文件夹，再传一次。")
            read = {PurePosixPath(entry.filename): archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        # RuntimeError: it asks for a password; NotImplementedError: packed in a way Python does not know.
        raise InvalidFile("压缩包打不开。", "请重新压缩成不带密码的 zip 文件，再传一次。") from error
    tops = {path.parts[0] if len(path.parts) > 1 else "" for path in read}
    folder = tops.pop() if len(tops) == 1 else ""
    return folder, {path.relative_to(folder).as_posix() if folder else path.as_posix(): read[path] for path in read}
