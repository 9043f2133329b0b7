"""A process package: the files of one item's folder together with those of every process it calls."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from engine.bpmn.document import BPMN, MAX_SIZE, XmlRefused, read_xml
from engine.errors import NotFound

#: what belongs to a version: diagrams, tables, forms, templates of documents
SUFFIXES = (".bpmn", ".dmn", ".form", ".typ", ".md")
#: what lies beside the files of a version without belonging to it, and is read elsewhere: scenarios, lists, readmes
_BESIDE = (".json", ".md")
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
    #: name inside the package → where it was read from; empty for one that comes out of the database
    sources: Mapping[str, Path] = field(compare=False, repr=False, default_factory=dict)
    #: a procedure of ``common/`` looked at by itself: no item, and its callers hand it their data
    is_called: bool = False

    @property
    def main(self) -> str:
        """Name of the item's own diagram: the one called like the item, else the first beside the forms."""
        own = [name for name in self.files if name.endswith(".bpmn") and "/" not in name]
        if not own:
            raise NotFound("流程图", self.id)
        return f"{self.id}.bpmn" if f"{self.id}.bpmn" in own else own[0]

    @property
    def own_files(self) -> dict[str, bytes]:
        """The files of the item's folder, without those of the processes it calls."""
        return {name: content for name, content in self.files.items() if not name.startswith(f"{COMMON}/")}


def read_folder(path: Path, library: Path | None = None) -> Package:
    """Read an item's folder and, transitively, the folders of the processes it calls.

    :param library: folder of the items, or of ``common``; the folder beside ``path`` when left out.
    :raises NotFound: the folder is missing or holds no diagram.
    """
    if not path.is_dir():
        raise NotFound("流程文件夹", path.name)
    code, id = split_folder(path.name)
    package = _read(id, code, dict(_files_of(path)), library or path.parent)
    package = replace(package, is_called=path.resolve().parent.name == COMMON)
    if not any("/" not in name for name in package.files if name.endswith(".bpmn")):
        raise NotFound("流程图", path.name)
    return package


def read_file(path: Path) -> Package:
    """Read one diagram with the forms, tables and templates beside it and the processes it calls.

    One that is the diagram of an item's folder is read as that item; a form or table comes alone, and so does a file
    that never belongs to a version: it is there to be told so.

    :raises NotFound: there is no such file.
    """
    if not path.is_file():
        raise NotFound("文件", path.name)
    code, id = split_folder(path.parent.name)
    if path.name == f"{id}.bpmn":
        return read_folder(path.parent)
    files = {path.name: path}
    if path.suffix == ".bpmn":
        beside = (each for each in sorted(path.parent.iterdir()) if each.is_file() and each.suffix != ".bpmn")
        files |= {each.name: each for each in beside if belongs(each.name)}
        id = process_in(_content(path)) or path.stem
    package = _read(id if path.suffix == ".bpmn" else path.stem, "", files, path.parent.parent)
    if belongs(path.name) or path.suffix in _BESIDE:
        return package
    return replace(package, files={path.name: _content(path)}, sources={path.name: path})


def read_files(
    id: str, code: str, files: Mapping[str, bytes], sources: Mapping[str, Path] = MappingProxyType({})
) -> Package:
    """Build a package of files already read; what does not belong to a version is left out."""
    kept = {name: files[name] for name in sorted(files) if belongs(name)}
    digest = hashlib.sha256(_DIGEST_OF)
    for name, content in kept.items():
        digest.update(b"\n" + name.encode() + b"\0" + hashlib.sha256(content).digest())
    return Package(id, code, kept, digest.hexdigest(), sources)


def _read(id: str, code: str, sources: dict[str, Path], library: Path) -> Package:
    """Build a package of files on disk and of the folders of all processes they call."""
    files = {name: _content(path) for name, path in sources.items()}
    _add_called(files, sources, _folders(library), id)
    return read_files(id, code, files, sources)


def called_files(files: Mapping[str, bytes], library: Path, id: str) -> dict[str, bytes]:
    """Return these files with those of every process they call, transitively, as far as the library has it."""
    found = dict(files)
    _add_called(found, {}, _folders(library), id)
    return found


def split_folder(folder: str) -> tuple[str, str]:
    """Return code and process id of a folder's name; a called process has no code."""
    match = _FOLDER.fullmatch(folder)
    return (match["code"], match["id"]) if match else ("", folder)


def _content(path: Path) -> bytes:
    """Return what is in a file, as far as a file may reach: one that is longer is refused by its size."""
    with path.open("rb") as file:
        return file.read(MAX_SIZE + 1)


def belongs(name: str) -> bool:
    """Tell whether a file of this name is part of a version."""
    path = PurePosixPath(name)
    return path.suffix in SUFFIXES and path.name != "README.md" and not any(p.startswith(".") for p in path.parts)


def _files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # A link could lead out of the folder.
        if belongs(name) and path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            yield name, path


def _folders(library: Path) -> dict[str, Path]:
    """Return process id → folder; what lies in ``common`` goes before an item of the same name."""
    folders = {}
    for place in (library, library / COMMON):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.is_dir() and path.name != COMMON:
                folders[split_folder(path.name)[1]] = path
    return folders


def _add_called(files: dict[str, bytes], sources: dict[str, Path], folders: Mapping[str, Path], id: str) -> None:
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
                added = {f"{COMMON}/{called}/{inner}": path for inner, path in _files_of(folders[called])}
                files.update((inner, _content(path)) for inner, path in added.items())
                sources.update(added)
                unread.extend(added)


def process_in(diagram: bytes) -> str:
    """Return the id of the first process, "" when there is none to be read."""
    try:
        tree = read_xml(diagram)
    except XmlRefused:
        return ""
    return next((process.get("id", "") for process in tree.iter(f"{{{BPMN}}}process")), "")


def _called_in(diagram: bytes) -> set[str]:
    try:
        tree = read_xml(diagram)
    except XmlRefused:
        # Lint says what is wrong with the file; here it only calls nothing.
        return set()
    return {call.get("calledElement", "") for call in tree.iter(f"{{{BPMN}}}callActivity")}
