"""Photographs as phones make them, for tests to hand in."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

_PLACE, _LATITUDE, _MAKER = 0x8825, 2, 0x010F
MAKER = "SecretPhoneMaker"


def photograph(name: str = "文件.jpg") -> dict[str, object]:
    """Return a JPEG that says where and with what it was taken."""
    return {"name": name, "mimeType": "image/jpeg", "buffer": jpeg()}


def jpeg(size: tuple[int, int] = (900, 1200)) -> bytes:
    image = Image.new("RGB", size, "#f4f1e8")
    draw = ImageDraw.Draw(image)
    for row in range(8):
        draw.line((80, 160 + row * 110, size[0] - 80, 160 + row * 110), fill="#667066", width=6)
    exif = image.getexif()
    exif[_MAKER] = MAKER
    exif.get_ifd(_PLACE)[_LATITUDE] = (29.0, 33.0, 12.0)
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, comment=b"SecretComment")
    return out.getvalue()
