"""Documents: a typst template and its data become a PDF."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from engine import confinement
from engine.errors import EngineError

#: put there by the build; no font of the machine is ever used, so that a document looks the same everywhere
FONTS = Path(__file__).parent / "connectors" / "fonts"
SECONDS = 30
MAX_REQUEST_BYTES = 2 * 1024 * 1024
MAX_PDF_BYTES = 20 * 1024 * 1024
COMPILER = Path(__file__).with_name("typst_compiler.py")

_FONT_SUFFIXES = {".ttf", ".otf", ".ttc"}


class TypesettingError(EngineError):
    """A document could not be made as it should look; ``reason`` is one sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def typeset(template: bytes, data: Mapping[str, object], fonts: Path = FONTS) -> bytes:
    """Return the PDF of a typst template that reads its data by ``json(bytes(sys.inputs.data))``.

    The template sees no file, no network and no other font; every warning counts as a failure. The same template and
    data give the same bytes. Raises TypesettingError.
    """
    if not any(path.suffix.lower() in _FONT_SUFFIXES for path in _entries(fonts)):
        raise TypesettingError("没有排文书用的中文字体：请重新运行安装或启动命令，字体会自动补上")
    try:
        answer = confinement.run(COMPILER, _request(template, data), str(fonts.resolve()), seconds=SECONDS)
    except confinement.Declined as declined:
        raise TypesettingError(f"文书没有排成：{declined}") from None
    except confinement.Broken as broken:
        raise TypesettingError("文书没有排成：排版程序中断，或者用时太长") from broken
    if len(answer) > MAX_PDF_BYTES:
        raise TypesettingError("文书没有排成：排出来的文件太大")
    return answer


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _request(template: bytes, data: Mapping[str, object]) -> bytes:
    try:
        text = template.decode()
    except UnicodeDecodeError:
        raise TypesettingError("文书没有排成：模板不是 UTF-8 文本") from None
    request = json.dumps({"template": text, "data": json.dumps(data, ensure_ascii=False, default=str)}).encode()
    if len(request) > MAX_REQUEST_BYTES:
        raise TypesettingError("文书没有排成：模板和内容太大")
    return request
