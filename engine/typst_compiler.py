"""Sets one typst template as PDF with one folder of fonts; run as a script in a confined process."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typst

#: the exit status of confinement.DECLINED
DECLINED_STATUS = 2


class Unprintable(Exception):
    """What typst had to say, warnings included."""


def set_pages(template: str, data: str, fonts: Path, root: Path) -> bytes:
    """Return a PDF of ``template``, which finds ``data`` (JSON) in ``sys.inputs.data``. Raises Unprintable."""
    own = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts])
    try:
        pages, warnings = typst.compile_with_warnings(
            template.encode(),
            root=root,
            font_paths=own,
            format="pdf",
            sys_inputs={"data": data},
            package_path=root,
            package_cache_path=root,
            # The same data gives the same bytes on any day; a date that people read stands in the data.
            timestamp=0,
        )
    except typst.TypstError as error:
        raise Unprintable(_sentence(error)) from error
    # Without its font typst prints blank text and only warns.
    if warnings:
        raise Unprintable("; ".join(_sentence(warning) for warning in warnings))
    return pages


def _sentence(said: typst.TypstError | typst.TypstWarning) -> str:
    return " ".join([said.message, *(f"({hint})" for hint in said.hints)])


def main() -> int:
    """Read ``{template, data}`` from standard input, write a PDF; the only argument is the folder of fonts."""
    request = json.load(sys.stdin.buffer)
    try:
        answer, status = set_pages(request["template"], request["data"], Path(sys.argv[1]), Path.cwd()), 0
    except Unprintable as why:
        answer, status = str(why).encode(), DECLINED_STATUS
    sys.stdout.buffer.write(answer)
    return status


if __name__ == "__main__":
    sys.exit(main())
