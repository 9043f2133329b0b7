"""Documents come out whole, in our own font, or not at all."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from engine import typesetting
from engine.typesetting import FONTS, TypesettingError, typeset
from webui import assets

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ("acceptance_receipt", "seal_refusal_letter")
IN_OUR_FONT = '#set text(font: "Noto Sans SC")\n'

DATA = {
    "county": "示范县",
    "township": "云溪镇",
    "village": "石桥村",
    "receipt": "7K3MPW9Q",
    "item_name": "用印",
    "applicant_name": "张德福",
    "subject": "危房改造申请表用印",
    "document_name": "危房改造申请表",
    "purpose": "申报农村危房改造",
    "copies": 2,
    "date": "2026年11月23日",
    "promise": "5 个工作日",
    "handler": "村文书 李秀兰",
    "service_phone": "0826-5550101",
    "supervision_phone": "0826-5550102",
    "reason": "为第三人借款担保的文件不能盖章。",
    "basis": "印章使用办法第七条",
    "remedy": "请借款人另找担保人。",
}


@pytest.fixture(scope="module", autouse=True)
def own_font():
    """Have the font where the product looks for it, by the product's own build."""
    assert ROOT / assets.FONTS == FONTS
    if not all((FONTS / Path(name).name).is_file() for name in assets.FONT_FILES):
        assets.build(ROOT, print)


def template(name: str) -> bytes:
    return (ROOT / "processes" / "E01_seal_use" / f"{name}.typ").read_bytes()


def streams(pdf: bytes) -> list[bytes]:
    found = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    return [zlib.decompress(body) if body[:1] == b"\x78" else body for body in found]


def drawn_characters(pdf: bytes) -> set[str]:
    """Return every character that some glyph of the document stands for, read from its ToUnicode tables."""
    characters: set[str] = set()
    for body in streams(pdf):
        for block in re.findall(rb"beginbfchar(.*?)endbfchar", body, re.DOTALL):
            for codes in re.findall(rb"<[0-9A-Fa-f]+>\s*<([0-9A-Fa-f]+)>", block):
                characters |= set(bytes.fromhex(codes.decode()).decode("utf-16-be"))
    return characters


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_document_holds_its_data_in_our_font_on_a4(name):
    pdf = typeset(template(name), DATA)

    assert pdf.startswith(b"%PDF-")
    keys = set(DATA) - ({"promise"} if name == "seal_refusal_letter" else {"reason", "basis", "remedy"})
    expected = set("".join(str(DATA[key]) for key in keys)) - {" "}
    assert expected - drawn_characters(pdf) == set()
    whole = pdf + b"".join(streams(pdf))
    assert set(re.findall(rb"/FontName\s*/\w+\+([\w-]+)", whole)) == {b"NotoSansSC-Regular", b"NotoSansSC-Bold"}
    width, height = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", whole).groups()
    assert (round(float(width)), round(float(height))) == (595, 842)


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_not_known_is_a_dash(name):
    unknown = typeset(template(name), {})

    assert "—" in drawn_characters(unknown)
    assert typeset(template(name), dict.fromkeys(DATA, "")) == unknown
    assert typeset(template(name), dict.fromkeys(DATA)) == unknown


def test_the_letter_says_where_to_object():
    assert set("村务监督委员会异议") <= drawn_characters(typeset(template("seal_refusal_letter"), DATA))


def test_the_letter_takes_another_sentence_for_objections():
    told = drawn_characters(typeset(template("seal_refusal_letter"), {**DATA, "appeal": "请向镇政府申诉。"}))

    assert set("申诉") <= told and "异" not in told


@pytest.mark.parametrize("name", TEMPLATES)
def test_long_texts_go_on_to_the_next_page(name):
    pdf = typeset(template(name), {**DATA, "subject": "很长的事由" * 800})

    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf + b"".join(streams(pdf)))) >= 2


def test_the_same_data_gives_the_same_bytes():
    assert typeset(template("acceptance_receipt"), DATA) == typeset(template("acceptance_receipt"), DATA)


def test_data_is_text_and_never_code():
    pdf = typeset(template("acceptance_receipt"), {**DATA, "subject": '#panic("x") *b* $y$ #read("/etc/hostname")'})

    assert set("#*$") <= drawn_characters(pdf)


def test_a_warning_is_a_failure():
    with pytest.raises(TypesettingError, match="unknown font family"):
        typeset('#set text(font: "No Such Font")\n你好'.encode(), {})


@pytest.mark.parametrize("family", ["DejaVu Sans", "Noto Sans CJK SC", "Libertinus Serif"])
def test_fonts_of_the_machine_and_of_typst_are_not_used(family):
    with pytest.raises(TypesettingError, match="unknown font family"):
        typeset(f'#set text(font: "{family}", fallback: false)\nabc'.encode(), {})


@pytest.mark.parametrize("content", [None, {}, {"LICENSE_FONT": b"words"}])
def test_without_a_font_nothing_is_made(tmp_path, content):
    fonts = tmp_path / "fonts"
    if content is not None:
        fonts.mkdir()
        for name, data in content.items():
            (fonts / name).write_bytes(data)

    with pytest.raises(TypesettingError) as failed:
        typeset(template("acceptance_receipt"), DATA, fonts)

    assert failed.value.reason.startswith("没有排文书用的中文字体")


def test_a_damaged_font_is_a_failure_and_not_blank_text(tmp_path):
    (tmp_path / "NotoSansSC_400Regular.ttf").write_bytes(b"\x00\x01\x00\x00 damaged")

    with pytest.raises(TypesettingError):
        typeset(template("acceptance_receipt"), DATA, tmp_path)


def test_a_template_reads_no_file(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")

    for path in (secret.as_posix(), "../" * 12 + secret.as_posix().lstrip("/"), "secret.txt"):
        with pytest.raises(TypesettingError) as failed:
            typeset(f'{IN_OUR_FONT}#read("{path}")'.encode(), {})
        assert re.search("not found|escape", failed.value.reason)


def test_a_template_fetches_nothing():
    with pytest.raises(TypesettingError, match="(?i)package|proxy|connect"):
        typeset(f'{IN_OUR_FONT}#import ("@pre" + "view/cetz:0.3.0"): *'.encode(), {})


@pytest.mark.parametrize("text", ["#let x =", "#nothing", '#panic("no")', "#while true {}", '#("长" * 2000000000)'])
def test_a_template_that_fails_says_why(text):
    with pytest.raises(TypesettingError) as failed:
        typeset((IN_OUR_FONT + text).encode(), {})

    assert failed.value.reason.startswith("文书没有排成：")


def test_a_template_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(typesetting, "SECONDS", 1)

    with pytest.raises(TypesettingError, match="排版程序中断"):
        typeset(b"#for i in range(9000) { for j in range(9000) { for k in range(9000) { let x = k } } }", {})


def test_a_template_that_is_no_text_is_refused():
    with pytest.raises(TypesettingError, match="UTF-8"):
        typeset(b"\xff\xfe\x00", {})


def test_data_without_measure_is_refused():
    with pytest.raises(TypesettingError, match="太大"):
        typeset(template("acceptance_receipt"), {"subject": "长" * 2_000_000})
