"""Parse the bytes of an untrusted XML file into a tree that keeps its line numbers."""

from __future__ import annotations

import re

from lxml import etree

from engine.errors import EngineError

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
BPMNDI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DI = "http://www.omg.org/spec/DD/20100524/DI"
CAMUNDA = "http://camunda.org/schema/1.0/bpmn"
POWER = "urn:sihua:power:1"

#: bytes of one file
MAX_SIZE = 2 * 1024 * 1024
#: elements inside each other; the root counts as 1
MAX_DEPTH = 100
#: elements of one file, the picture included
MAX_ELEMENTS = 30_000

_XINCLUDE = ("http://www.w3.org/2001/XInclude", "http://www.w3.org/2003/XInclude")
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# Some exporters write the declaration of a text in memory over a file that is UTF-8.
_FALSE_UTF16 = re.compile(rb"""<\?xml[^>]*encoding\s*=\s*["']utf-?(16|32)""", re.IGNORECASE)

# In these bytes a DOCTYPE can only be written as it is: UTF-8 by its first line, or by saying nothing.
_PLAIN_UTF8 = re.compile(
    rb"""(\xef\xbb\xbf)?\s*<([^?]|\?xml\s+version\s*=\s*["']1\.0["'](\s+encoding\s*=\s*["']utf-8["'])?"""
    rb"""(\s+standalone\s*=\s*["'](yes|no)["'])?\s*\?>)""",
    re.IGNORECASE,
)
_COUNT = etree.XPath("count(//*)")
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")

_ENCODING_ERRORS = {
    etree.ErrorTypes.ERR_UNKNOWN_ENCODING,
    etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING,
    etree.ErrorTypes.ERR_INVALID_ENCODING,
    etree.ErrorTypes.ERR_ENCODING_NAME,
    etree.ErrorTypes.I18N_CONV_FAILED,
}
_REASONS = {
    etree.ErrorTypes.ERR_RESERVED_XML_NAME: "“<?xml …?>”这一行要写在文件的最开头，前面不能有空行",
    etree.ErrorTypes.ERR_TAG_NAME_MISMATCH: "开始标签和结束标签对不上",
    etree.ErrorTypes.ERR_TAG_NOT_FINISHED: "有标签没有结束",
    etree.ErrorTypes.ERR_GT_REQUIRED: "标签少了右尖括号“>”",
    etree.ErrorTypes.ERR_DOCUMENT_END: "文件结束以后还有多余的内容",
    etree.ErrorTypes.ERR_ATTRIBUTE_REDEFINED: "同一个属性写了两次",
    etree.ErrorTypes.ERR_ATTRIBUTE_NOT_STARTED: "属性值没有加引号",
    etree.ErrorTypes.ERR_LT_IN_ATTRIBUTE: "属性值里的小于号“<”要写成 &lt;",
    etree.ErrorTypes.ERR_NAME_REQUIRED: "标签没有名称，或者“&”没有写成 &amp;",
    etree.ErrorTypes.ERR_INVALID_CHAR: "有不能使用的控制字符",
    etree.ErrorTypes.ERR_UNDECLARED_ENTITY: "用了没有定义的实体",
    etree.ErrorTypes.NS_ERR_QNAME: "冒号前面或者后面的名称写得不对",
    etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE: "用了没有声明的命名空间前缀",
}


class XmlRefused(EngineError):
    """The bytes are not taken as XML; ``rule`` is the lint rule, ``line`` is 1 when the whole file is meant."""

    def __init__(self, rule: str, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.line = line


class _DoctypeGuard:
    """Parser target that stops at a DOCTYPE, before any entity in it can be declared, let alone expanded."""

    def __init__(self, data: bytes) -> None:
        # not called "data": lxml would take that for the callback that gets the text
        self.source = data

    def doctype(self, name: str, public_id: str, system: str) -> None:
        # A parser target is not told the line; without the zero bytes the search also works in UTF-16.
        before = self.source.replace(b"\0", b"").partition(b"<!DOCTYPE")[0]
        message = "文件里有 DOCTYPE 声明，为了安全不能使用，请删去。"
        raise XmlRefused("xml-doctype-forbidden", message, before.count(b"\n") + 1)

    def close(self) -> None:
        return None


def read_xml(data: bytes) -> etree._ElementTree:
    """Return the tree of ``data``; every element keeps its ``sourceline``.

    Nothing is fetched, expanded or included. Raises XmlRefused.
    """
    if len(data) > MAX_SIZE:
        raise XmlRefused("size-limit", f"文件太大，最多 {MAX_SIZE:,} 字节。")
    _refuse_other_formats(data)
    try:
        if _may_have_doctype(data):
            etree.fromstring(data, _parser(_DoctypeGuard(data)))
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from error
    _refuse_xinclude(root)
    _refuse_depth_and_width(root)
    return root.getroottree()


def _may_have_doctype(data: bytes) -> bool:
    return b"<!DOCTYPE" in data or b"\0" in data or _PLAIN_UTF8.match(data) is None


def _parser(target: _DoctypeGuard | None = None) -> etree.XMLParser:
    return etree.XMLParser(
        target=target, resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )


def _refuse_other_formats(data: bytes) -> None:
    for mark in _BYTE_ORDER_MARKS:
        data = data.removeprefix(mark)
    # In UTF-16 the first sign may be preceded by a zero byte.
    if not data[:1000].lstrip(b"\x00 \t\r\n").startswith(b"<"):
        raise XmlRefused("not-xml", "这不是 XML 文件，打不开。" if data.strip() else "文件是空的。")
    if _FALSE_UTF16.match(data):
        raise XmlRefused("xml-bad-encoding", "文件第一行写着 UTF-16 编码，内容却不是，请另存为 UTF-8。")


def _refusal(error: etree.XMLSyntaxError) -> XmlRefused:
    line = max(error.lineno or 1, 1)
    text = error.msg or ""
    if error.code in _ENCODING_ERRORS:
        return XmlRefused("xml-bad-encoding", "文件的字符编码读不出来，请另存为 UTF-8。", line)
    if "depth" in text:
        return XmlRefused("nesting-limit", f"元素一层套一层，超过 {MAX_DEPTH} 层。", line)
    reason = _REASONS.get(error.code, "写法不合 XML 的规则")
    return XmlRefused("xml-not-well-formed", f"第 {line} 行附近{reason}。", line)


def _refuse_xinclude(root: etree._Element) -> None:
    for namespace in _XINCLUDE:
        for element in root.iter(f"{{{namespace}}}*"):
            message = "文件里有 XInclude 引用，为了安全不能使用，请删去。"
            raise XmlRefused("xml-xinclude-forbidden", message, element.sourceline or 1)


def _refuse_depth_and_width(root: etree._Element) -> None:
    if _COUNT(root) <= MAX_ELEMENTS and not _TOO_DEEP(root):
        return
    depth = count = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if count > MAX_ELEMENTS:
            message = f"文件里的元素太多，最多 {MAX_ELEMENTS:,} 个。"
            raise XmlRefused("size-limit", message, element.sourceline or 1)
        if depth > MAX_DEPTH:
            raise XmlRefused("nesting-limit", f"元素一层套一层，超过 {MAX_DEPTH} 层。", element.sourceline or 1)
