"""Photos made fit to be shown: nothing but the picture survives."""

from __future__ import annotations

from pathlib import Path

from engine import confinement
from engine.errors import InvalidFile

#: the largest picture that is taken, a 50-megapixel PNG, took 3 s when tried
SECONDS = 30
DECODER = Path(__file__).with_name("picture_decoder.py")


class PictureError(InvalidFile):
    """The bytes are no picture that can be shown; ``reason`` says why, ``remedy`` what to do."""


def clean(data: bytes, longest: int = 1600) -> bytes:
    """Return an upright JPEG no longer than ``longest`` pixels on either side.

    It carries pixels only: no EXIF, position, colour profile, comment, thumbnail or XMP. Transparent parts turn white.
    Takes JPEG, PNG and HEIC (its main picture). Raises PictureError for anything else, damaged or too large.
    """
    try:
        return confinement.run(DECODER, data, str(longest), seconds=SECONDS)
    except confinement.Declined as declined:
        # The words are those of picture_decoder, whose libraries this process does not load.
        raise _too_large() if str(declined) == "too_large" else _damaged() from None
    except confinement.Broken as broken:
        raise _damaged() from broken


def _damaged() -> PictureError:
    return PictureError("照片打不开：文件不完整，或者不是照片", "重新拍一张，或者截屏再传。")


def _too_large() -> PictureError:
    return PictureError("照片太大：超过 5000 万像素", "把照片改小再传，或者截屏再传。", status=413)
