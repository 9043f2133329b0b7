"""A process package: the files of one item's folder together with those of every process it calls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from engine.bpmn.document import BPMN, XmlRefused, read_xml
from engine.errors import NotFound

#: what belongs to a version: diagrams, tables, forms, templates of documents
SUFFIXES = (".bpmn", ".dmn", ".form", ".typ", ".md")
#: folder of the called processes, in the library and inside a package
COMMON = "common"

_FOLDER = re.compile(r"(?P<code>[A-Z][0-9]{2})_(?P<id>.+)")
_DIGEST_OF = b"sihua package 1"


@dataclass(frozen=True)
class Package:
    """One version of an item; equal when every byte of its files is."""

    #: folder name without the code = process id
    id: str
    #: E01; "" for a called process
    code: str
    #: name inside the package (``seal_use.bpmn``, ``common/meeting/meeting.bpmn``) → content
    files: Mapping[str, bytes] = field(compare=False, repr=False)
    #: SHA-256 over all names and contents
    digest: str

    @property
    def main(self) -> str:
        """Name of the item's own diagram: the one called like the item, else the first beside the forms."""
        own = [name for name in self.files if name.endswith(".bpmn") and "/" not in name]
        if not own:
            raise NotFound("流程图", self.id)
        return f"{self.id}.bpmn" if f"{self.id}.bpmn" in own else own[0]


def read_folder(path: Path, library: Path | None = None) -> Package:
    """Read an item's folder and, transitively, the folders of the processes it calls.

    :param library: folder of the items, or of ``common``; the folder beside ``path`` when left out.
    :raises NotFound: the folder is missing or holds no diagram.
    """
    if not path.is_dir():
        raise NotFound("流程文件夹", path.name)
    code, id = split_folder(path.name)
    package = read_files(id, code, called_files(dict(_files_of(path)), library or path.parent, id))
    if not any("/" not in name for name in package.files if name.endswith(".bpmn")):
        raise NotFound("流程图", path.name)
    return package


def read_files(id: str, code: str, files: Mapping[str, bytes]) -> Package:
    """Build a package of files already read; what does not belong to a version is left out."""
    kept = {name: files[name] for name in sorted(files) if _belongs(name)}
    digest = hashlib.sha256(_DIGEST_OF)
    for name, content in kept.items():
        digest.update(b"\n" + name.encode() + b"\0" + hashlib.sha256(content).digest())
    return Package(id, code, kept, digest.hexdigest())


def called_files(files: Mapping[str, bytes], library: Path, id: str) -> dict[str, bytes]:
    """Return these files with those of every process they call, transitively, as far as the library has it."""
    found = dict(files)
    _add_called(found, _folders(library), id)
    return found


def split_folder(folder: str) -> tuple[str, str]:
    """Return code and process id of a folder's name; a called process has no code."""
    match = _FOLDER.fullmatch(folder)
    return (match["code"], match["id"]) if match else ("", folder)


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix in SUFFIXES and path.name != "README.md" and not any(p.startswith(".") for p in path.parts)


def _files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # A link could lead out of the folder.
        if _belongs(name) and path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            yield name, path.read_bytes()


def _folders(library: Path) -> dict[str, Path]:
    """Return process id → folder; what lies in ``common`` goes before an item of the same name."""
    folders = {}
    for place in (library, library / COMMON):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.is_dir() and path.name != COMMON:
                folders[split_folder(path.name)[1]] = path
    return folders


def _add_called(files: dict[str, bytes], folders: Mapping[str, Path], id: str) -> None:
    """Add the folders of all called processes; an unknown one is left to lint."""
    known = {id}
    unread = list(files)
    while unread:
        name = unread.pop()
        if not name.endswith(".bpmn"):
            continue
        for called in _called_in(files[name]) - known:
            known.add(called)
            if called in folders:
                added = {f"{COMMON}/{called}/{inner}": content for inner, content in _files_of(folders[called])}
                files.update(added)
                unread.extend(added)


def _called_in(diagram: bytes) -> set[str]:
    try:
        tree = read_xml(diagram)
    except XmlRefused:
        # Lint says what is wrong with the file; here it only calls nothing.
        return set()
    return {call.get("calledElement", "") for call in tree.iter(f"{{{BPMN}}}callActivity")}
