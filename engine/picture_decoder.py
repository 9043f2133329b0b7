"""Decodes an untrusted photo within bounds and paints it anew; run as a script in a confined process."""

from __future__ import annotations

import io
import math
import struct
import sys
import zlib

import pi_heif
from PIL import Image

#: a 50-megapixel phone camera just fits; more is refused before it is decoded
MAX_PIXELS = 50_000_000
#: an honest progressive JPEG has some ten scans; thousands of empty ones keep a processor busy for hours
MAX_SCANS = 100
QUALITY = 82

#: words for the two ways to decline; the exit status that goes with them is confinement.DECLINED
DAMAGED = "damaged"
TOO_LARGE = "too_large"
DECLINED_STATUS = 2

_ORIENTATION = 0x0112
#: EXIF 2.3 §4.6.4: what has to be done to see the picture upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: what the decoders raise for damaged input
_FAULTS = (OSError, EOFError, SyntaxError, ValueError, RuntimeError, struct.error, zlib.error)


class Undecodable(Exception):
    """``args[0]`` is DAMAGED or TOO_LARGE."""


def repaint(data: bytes, longest: int) -> bytes:
    """Return the picture as an upright JPEG without notes, at most ``longest`` pixels a side. Raises Undecodable."""
    try:
        picture = _decoded(data, longest)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Undecodable(TOO_LARGE) from None
    except _FAULTS as error:
        raise Undecodable(DAMAGED) from error
    return _painted_anew(picture)


def _decoded(data: bytes, longest: int) -> Image.Image:
    source = _open(data)
    _refuse_too_large(source.size)
    # JPEG can be decoded at half size or less, which saves most of the memory.
    source.draft("RGB", _fitted(source.size, longest))
    source.load()
    orientation = _orientation(source)
    picture = _in_colour(source)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _open(data: bytes) -> Image.Image:
    if data[4:8] == b"ftyp":
        return _open_heic(data)
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:
        raise Undecodable(DAMAGED)
    return Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))


def _open_heic(data: bytes) -> Image.Image:
    heif = pi_heif.open_heif(data)
    main = heif[heif.primary_index]
    # The size stands in the header: ask it before the pixels are decoded.
    _refuse_too_large(main.size)
    # The decoder turns the picture itself and sets its EXIF orientation to 1.
    return main.to_pillow()


def _refuse_too_large(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise Undecodable(TOO_LARGE)


def _orientation(source: Image.Image) -> int:
    try:
        return source.getexif().get(_ORIENTATION, 1)
    except _FAULTS:
        # A photo with broken notes is still a photo.
        return 1


def _fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    scale = min(1.0, longest / max(size))
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def _in_colour(source: Image.Image) -> Image.Image:
    if source.mode.startswith("I"):
        # 16-bit grey of scanners: a plain conversion would cut it off at 255 and show white.
        source = source.convert("I").point(lambda level: level * (1 / 257)).convert("L")
    return source.convert("RGBA" if source.has_transparency_data else "RGB")


def _painted_anew(picture: Image.Image) -> bytes:
    # Pillow hands EXIF, comments and profiles on with an image; a new canvas has none.
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def main() -> int:
    """Read a picture from standard input, write a JPEG; the only argument is the longest side."""
    try:
        answer, status = repaint(sys.stdin.buffer.read(), int(sys.argv[1])), 0
    except Undecodable as why:
        answer, status = str(why).encode(), DECLINED_STATUS
    sys.stdout.buffer.write(answer)
    return status


if __name__ == "__main__":
    sys.exit(main())
