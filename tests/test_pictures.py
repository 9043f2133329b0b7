"""A cleaned photo shows the same picture, upright, and carries nothing else.

What the decoder does is tried in this process, which is quick; that it runs confined is tried through ``clean``.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pi_heif
import pytest
from PIL import Image, ImageChops, PngImagePlugin

from engine import confinement, pictures
from engine.picture_decoder import DAMAGED, TOO_LARGE, Undecodable, repaint
from engine.pictures import PictureError, clean

RED, BLUE, WHITE = (220, 30, 30), (30, 30, 220), (255, 255, 255)
SECRETS = (b"SecretMake", b"secret-", b"Exif", b"GPS", b"ICC_PROFILE", b"xmpmeta", b"Photoshop")

#: 64 × 32, left half red, right half blue, stored to be turned a quarter to the right (EXIF orientation 6, which HEIF
#: writes as "irot"), with maker, position and XMP. Kept as text because the installed library decodes only.
TURNED_HEIC = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAf5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAAEZpbG9jAA
AAAERAAAMAAQAAAAACIgABAAAAAAAAAEAAAgAAAAACYgABAAAAAAAAAK4AAwAAAAADEAABAAAAAAAAACEAAABiaWluZgAAAAAAAwAAABVpbmZl
AgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAACppbmZlAgAAAQADAABtaW1lAGFwcGxpY2F0aW9uL3JkZit4bWwAAAAAAA5waX
RtAAAAAAABAAAA82lwcnAAAADTaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroC
QGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAAUaXNwZQAAAAAAAABAAAAAQAAAAC
hjbGFwAAAAQAAAAAEAAAAgAAAAAQAAAAAAAAAC////4AAAAAIAAAAQcGl4aQAAAAADCAgIAAAACWlyb3QDAAAAGGlwbWEAAAAAAAAAAQABBYEC
BIOFAAAAKGlyZWYAAAAAAAAADmNkc2MAAgABAAEAAAAOY2RzYwADAAEAAQAAARdtZGF0AAAAPCgBr1jm9Oq//+M9f/7EpIfNd/9f/129V/AD8/
65XVJLUGhYjJHHg8y+NM2btQxgYjKa9N7KxGnAnD78rQAAAAZFeGlmAABNTQAqAAAACAADAQ8AAgAAAAsAAAAyARIAAwAAAAEABgAAiCUABAAA
AAEAAAA+AAAAAFNlY3JldE1ha2UAAAAEAAEAAgAAAAJOAAAAAAIABQAAAAMAAAB0AAMAAgAAAAJFAAAAAAQABQAAAAMAAACMAAAAAAAAAB4AAA
ABAAAAFwAAAAEAAAALAAAAAQAAAGoAAAABAAAALgAAAAEAAAAMAAAAATx4OnhtcG1ldGE+c2VjcmV0LXhtcDwveDp4bXBtZXRhPg==
""")


def two_halves(size: tuple[int, int] = (64, 32)) -> Image.Image:
    picture = Image.new("RGB", size, BLUE)
    picture.paste(RED, (0, 0, size[0] // 2, size[1]))
    return picture


def notes(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "SecretMake"
    exif[0x0112] = orientation
    position = exif.get_ifd(0x8825)
    position.update({1: "N", 2: (30.0, 23.0, 11.0), 3: "E", 4: (106.0, 46.0, 12.0)})
    return exif


def as_jpeg(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def as_png(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def segments(data: bytes) -> set[int]:
    """Return the markers that stand before the pixels of a JPEG."""
    found, at = set(), 2
    while data[at + 1] != 0xDA:
        found.add(data[at + 1])
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found


def assert_bare(data: bytes) -> None:
    picture = opened(data)
    assert picture.format == "JPEG"
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert not picture.getexif()
    # APP0 is the JFIF header; any other APP segment or COM would be baggage.
    assert {marker for marker in segments(data) if 0xE0 <= marker <= 0xEF or marker == 0xFE} == {0xE0}
    assert [secret for secret in SECRETS if secret in data] == []


def assert_near(pixel: tuple[int, ...], colour: tuple[int, int, int]) -> None:
    assert max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 25, pixel


def test_nothing_but_the_picture_survives_of_a_jpeg():
    dirty = as_jpeg(
        two_halves(), exif=notes(), comment=b"secret-comment", icc_profile=b"secret-profile" * 20, xmp=b"<x:xmpmeta/>"
    )
    for secret in (b"SecretMake", b"secret-comment", b"secret-profile", b"xmpmeta"):
        assert secret in dirty

    cleaned = clean(dirty)

    assert_bare(cleaned)
    assert opened(cleaned).size == (64, 32)


def test_nothing_but_the_picture_survives_of_a_png():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", "secret-text")
    texts.add_text("Author", "secret-packed", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>secret-xmp</x:xmpmeta>")
    dirty = as_png(two_halves(), pnginfo=texts, exif=notes())
    for secret in (b"secret-text", b"secret-xmp", b"SecretMake"):
        assert secret in dirty

    assert_bare(clean(dirty))


def test_nothing_but_the_picture_survives_of_a_heic_that_is_turned_once_and_not_twice():
    assert b"SecretMake" in TURNED_HEIC and b"secret-xmp" in TURNED_HEIC

    cleaned = clean(TURNED_HEIC)

    assert_bare(cleaned)
    picture = opened(cleaned)
    assert picture.size == (32, 64)
    assert_near(picture.getpixel((16, 8)), RED)
    assert_near(picture.getpixel((16, 56)), BLUE)


def test_bytes_after_the_end_of_the_picture_are_left_behind():
    assert b"secret-" not in repaint(as_jpeg(two_halves()) + b"PK\x03\x04secret-archive", 1600)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_as_other_programs_show_it(orientation):
    quarters = Image.new("RGB", (64, 32), WHITE)
    for at, colour in (((0, 0), RED), ((32, 0), BLUE), ((0, 16), (20, 160, 20))):
        quarters.paste(colour, (*at, at[0] + 32, at[1] + 16))
    stored = quarters.transpose(HOW_CAMERAS_STORE[orientation]) if orientation > 1 else quarters

    cleaned = opened(repaint(as_jpeg(stored, exif=notes(orientation), subsampling=0), 1600))

    assert cleaned.size == (64, 32)
    middle = ImageChops.difference(cleaned, quarters).resize((4, 2), Image.Resampling.BOX)
    assert max(high for _, high in middle.getextrema()) < 25


#: the inverse of each orientation, by the table of EXIF 2.3
HOW_CAMERAS_STORE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize(
    ("size", "expected"),
    [((4000, 3000), (1600, 1200)), ((300, 2000), (240, 1600)), ((800, 600), (800, 600)), ((20000, 1), (1600, 1))],
)
def test_a_photo_is_made_smaller_and_never_larger(size, expected):
    assert opened(repaint(as_jpeg(Image.new("RGB", size, RED)), 1600)).size == expected


def test_a_small_preview_can_be_asked_for():
    assert opened(clean(as_jpeg(two_halves((400, 200))), longest=100)).size == (100, 50)


def test_transparent_parts_turn_white():
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture.paste((*RED, 255), (0, 0, 20, 40))

    cleaned = opened(repaint(as_png(picture), 1600))

    assert_near(cleaned.getpixel((8, 20)), RED)
    assert_near(cleaned.getpixel((32, 20)), WHITE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_every_colour_mode_is_taken(mode):
    picture = two_halves().convert(mode)
    dirty = as_jpeg(picture) if mode == "CMYK" else as_png(picture)

    assert opened(repaint(dirty, 1600)).mode == "RGB"


def test_a_sixteen_bit_scan_keeps_its_greys():
    scan = Image.new("I;16", (40, 40), 32768)

    assert_near(opened(repaint(as_png(scan), 1600)).getpixel((20, 20)), (128, 128, 128))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
def test_a_photo_with_broken_notes_is_still_a_photo():
    cleaned = repaint(as_jpeg(two_halves(), exif=b"Exif\x00\x00" + b"II*\x00\xff\xff\xff\xff" + b"\xff" * 20), 1600)

    assert_bare(cleaned)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7\n",
        b"\xff\xd8\xff\xe0",
        as_jpeg(two_halves())[:400],
        as_png(two_halves())[:60],
        TURNED_HEIC[:700],
        b"\x00\x00\x00\x18ftypheic" + b"\x00" * 300,
    ],
)
def test_what_cannot_be_decoded_is_damaged(data):
    with pytest.raises(Undecodable, match=DAMAGED):
        repaint(data, 1600)


@pytest.mark.parametrize("other", ["GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_formats_that_are_not_taken_are_not_even_tried(other):
    out = io.BytesIO()
    two_halves().save(out, other)

    with pytest.raises(Undecodable, match=DAMAGED):
        repaint(out.getvalue(), 1600)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def jpeg_that_claims(width: int, height: int) -> bytes:
    data = as_jpeg(two_halves())
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def heic_that_claims(width: int, height: int) -> bytes:
    at = TURNED_HEIC.index(b"ispe") + 8
    data = TURNED_HEIC[:at] + struct.pack(">II", width, height) + TURNED_HEIC[at + 8 :]
    # The picture is shown through a window cut out of it; without the window its whole size counts.
    return data.replace(b"clap", b"free")


@pytest.mark.parametrize("size", [(7100, 7100), (10_000, 10_000), (30_000, 30_000)])
@pytest.mark.parametrize("bomb", [png_that_claims, jpeg_that_claims, heic_that_claims])
def test_a_bomb_is_refused_before_it_is_decoded(bomb, size, monkeypatch):
    data, decoded = bomb(*size), []
    monkeypatch.setattr(Image.Image, "load", lambda *_: decoded.append("Pillow"))
    monkeypatch.setattr(pi_heif.HeifImage, "to_pillow", lambda *_: decoded.append("HEIF"))

    with pytest.raises(Undecodable, match=TOO_LARGE):
        repaint(data, 1600)

    assert decoded == []


def test_a_packed_text_that_swells_is_refused():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    honest = as_png(two_halves())
    swelling = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 200_000_000, 9))

    with pytest.raises(Undecodable):
        repaint(honest[:33] + swelling + honest[33:], 1600)


def test_a_jpeg_of_thousands_of_empty_scans_is_refused():
    honest = as_jpeg(two_halves(), progressive=True)
    first = honest.index(b"\xff\xda")
    second = honest.index(b"\xff\xda", first + 2)

    with pytest.raises(Undecodable, match=DAMAGED):
        repaint(honest[:second] + honest[first:second] * 5000 + honest[second:], 1600)


@pytest.mark.parametrize("data", [b"", b"<svg/>", as_jpeg(two_halves())[:400], TURNED_HEIC[:700]])
def test_a_damaged_photo_is_refused_with_a_sentence(data):
    with pytest.raises(PictureError) as refused:
        clean(data)

    assert refused.value.reason == "照片打不开：文件不完整，或者不是照片"
    assert refused.value.remedy == "重新拍一张，或者截屏再传。"
    assert refused.value.status == 415


def test_a_bomb_is_refused_with_a_sentence():
    with pytest.raises(PictureError) as refused:
        clean(png_that_claims(10_000, 10_000))

    assert (refused.value.reason, refused.value.status) == ("照片太大：超过 5000 万像素", 413)


def test_a_heic_that_brings_its_decoder_down_harms_nobody_else():
    # A type name that is no UTF-8 ended the process in pi-heif 1.4.0.
    data = TURNED_HEIC.replace(b"application/rdf+xml", b"applicati\xff\xff/rdf+xml")
    assert data != TURNED_HEIC

    with pytest.raises(PictureError) as refused:
        clean(data)

    assert refused.value.reason.startswith("照片打不开")


def test_a_decoder_that_hangs_is_stopped(tmp_path, monkeypatch):
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(pictures, "DECODER", hanging)
    monkeypatch.setattr(pictures, "SECONDS", 0.5)

    with pytest.raises(PictureError) as refused:
        clean(as_jpeg(two_halves()))

    assert isinstance(refused.value.__cause__, confinement.Broken)
