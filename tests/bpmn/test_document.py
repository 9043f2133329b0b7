"""Untrusted XML: what is read, and what is refused with which rule and line."""

from __future__ import annotations

import pytest

from engine.bpmn.document import MAX_DEPTH, MAX_ELEMENTS, MAX_SIZE, XmlRefused, read_xml


def refusal(data: bytes) -> tuple[str, int]:
    with pytest.raises(XmlRefused) as caught:
        read_xml(data)
    assert any("\u4e00" <= sign <= "\u9fff" for sign in caught.value.message)
    return caught.value.rule, caught.value.line


def nested(depth: int) -> bytes:
    return b"\n<a>" * depth + b"</a>" * depth


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "GB18030", "GBK"])
def test_it_reads_chinese_in_every_legal_encoding(encoding):
    data = f'<?xml version="1.0" encoding="{encoding}"?>\n<a name="用印"/>'.encode(encoding)
    assert read_xml(data).getroot().get("name") == "用印"


@pytest.mark.parametrize("order", ["le", "be"])
def test_it_reads_utf_16_without_a_byte_order_mark(order):
    data = '<?xml version="1.0" encoding="UTF-16"?>\n<a name="用印"/>'.encode(f"utf-16-{order}")
    assert read_xml(data).getroot().get("name") == "用印"


def test_it_reads_latin_1():
    data = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<a name="é"/>'.encode("latin-1")
    assert read_xml(data).getroot().get("name") == "é"


def test_it_reads_utf_8_with_a_byte_order_mark():
    assert read_xml('<a name="用印"/>'.encode("utf-8-sig")).getroot().get("name") == "用印"


def test_every_element_keeps_its_line_even_in_a_long_file():
    root = read_xml(b"<a>\n" + b"\n\n<b/>\n" * 25_000 + b"</a>").getroot()
    assert root[0].sourceline == 4
    # Beyond 65,535 lines libxml2 goes by the text beside the element.
    assert abs(root[-1].sourceline - 75_001) <= 3


@pytest.mark.parametrize("data", [b"", b" \n", b'{"type": "default"}', b"PK\x03\x04", bytes(range(256))])
def test_what_is_no_xml_at_all_is_told_so(data):
    assert refusal(data) == ("not-xml", 1)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"<a>\n<b></a>", 2),
        (b"<a>\n<b>", 2),
        (b'<a\nb="1" b="2"/>', 2),
        (b"<a>\n\n<x:b/></a>", 3),
        (b"<a>\n&unknown;</a>", 2),
        (b"<a/>\n<b/>", 2),
        (b"<a>\n\x01</a>", 2),
        (b"<!-- nothing -->", 1),
    ],
)
def test_a_mistake_is_named_with_its_line(data, line):
    assert refusal(data) == ("xml-not-well-formed", line)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ('<?xml version="1.0" encoding="UTF-8"?>\n<a name="用印"/>'.encode("gbk"), 2),
        (b"<a>\n\n\xff\xfe\x80</a>", 3),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', 1),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', 1),
    ],
)
def test_a_wrong_encoding_is_named(data, line):
    assert refusal(data) == ("xml-bad-encoding", line)


def test_an_external_entity_is_refused_and_never_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("canary")
    data = f'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]>\n<a>&x;</a>'
    assert refusal(data.encode()) == ("xml-doctype-forbidden", 2)


def test_an_entity_bomb_is_refused_as_a_doctype():
    entities = b"".join(b'<!ENTITY x%d "%s">' % (n, b"&x%d;" % (n - 1) * 10 if n else b"lol") for n in range(20))
    assert refusal(b"<!DOCTYPE a [" + entities + b']>\n<a b="&x19;">&x19;</a>') == ("xml-doctype-forbidden", 1)


def test_a_doctype_is_found_in_utf_16_too():
    data = '<?xml version="1.0" encoding="UTF-16"?>\n<!DOCTYPE a>\n<a/>'.encode("utf-16")
    assert refusal(data) == ("xml-doctype-forbidden", 2)


def test_a_doctype_in_a_comment_or_a_text_is_only_text():
    root = read_xml(b"<!-- <!DOCTYPE a> --><a><![CDATA[<!DOCTYPE a>]]></a>").getroot()
    assert root.text == "<!DOCTYPE a>"


def test_an_include_is_refused():
    data = b'<a>\n<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd" parse="text"/></a>'
    assert refusal(data) == ("xml-xinclude-forbidden", 2)


def test_the_deepest_allowed_nesting_is_read():
    assert len(list(read_xml(nested(MAX_DEPTH)).getroot().iter())) == MAX_DEPTH


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 256, 300, 50_000])
def test_deeper_nesting_is_refused(depth):
    rule, line = refusal(nested(depth))
    assert rule == "nesting-limit"
    assert line > MAX_DEPTH


def test_the_largest_allowed_file_is_read():
    assert read_xml(b"<a>" + b" " * (MAX_SIZE - 7) + b"</a>").getroot().tag == "a"


def test_a_larger_file_is_refused():
    assert refusal(b"<a>" + b" " * MAX_SIZE + b"</a>") == ("size-limit", 1)


def test_a_file_of_too_many_elements_is_refused_where_they_become_too_many():
    assert read_xml(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>").getroot().tag == "a"
    assert refusal(b"<a>" + b"\n<b/>" * MAX_ELEMENTS + b"</a>") == ("size-limit", MAX_ELEMENTS + 1)
