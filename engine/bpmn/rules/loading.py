"""Rules of loading: files that are no diagram, or name what is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from lxml import etree

from engine.bpmn.content_model import CONTENT_MODEL, TEXTS, allows, is_misplaced
from engine.bpmn.document import BPMN
from engine.bpmn.facts import FLOW_NODES, FactsError
from engine.bpmn.package import belongs
from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.subject import (
    OTHER_STEPS,
    Diagram,
    Place,
    Subject,
    bpmn,
    full_title,
    is_true,
    kind,
    kind_name,
    title,
)

#: the kinds a reference may mean, in a word
_MEANT = {
    ("process",): "流程",
    ("sequenceFlow",): "箭头",
    ("dataObject",): "数据对象",
    ("dataStore",): "数据存储",
    ("categoryValue",): "分组的名称",
}
_LONGEST_QUOTE = 20
_NEEDS_ID = ("process", "lane", "message", "error")


def _refused(subject: Subject, rule_id: str, hint: str) -> Iterator[Place]:
    for file, error in subject.refused:
        if error.rule == rule_id:
            yield subject.in_file(file, error.line, error.message, hint)


@package_rule("not-xml")
def is_xml(subject: Subject) -> Iterator[Place]:
    """A diagram is an XML file, not a picture, an archive or an empty file."""
    return _refused(subject, "not-xml", "请在流程图编辑器里重新保存成 .bpmn 文件。")


@package_rule("xml-not-well-formed")
def is_well_formed(subject: Subject) -> Iterator[Place]:
    """XML that breaks off or is nested wrongly cannot be read to its end."""
    return _refused(subject, "xml-not-well-formed", "请在流程图编辑器里重新保存，或者改正这一行。")


@package_rule("xml-bad-encoding")
def is_encoded(subject: Subject) -> Iterator[Place]:
    """The bytes must be in the encoding that the first line names."""
    return _refused(subject, "xml-bad-encoding", "请用 UTF-8 编码另存。")


@package_rule("xml-doctype-forbidden")
def has_no_doctype(subject: Subject) -> Iterator[Place]:
    """A DOCTYPE can fetch files and blow up memory."""
    return _refused(subject, "xml-doctype-forbidden", "请删去 DOCTYPE 这一段，流程图用不到它。")


@package_rule("xml-xinclude-forbidden")
def has_no_xinclude(subject: Subject) -> Iterator[Place]:
    """XInclude would take other files into the diagram."""
    return _refused(subject, "xml-xinclude-forbidden", "请把要引用的内容直接画在图里。")


@package_rule("size-limit")
def is_small_enough(subject: Subject) -> Iterator[Place]:
    """A diagram is far smaller than the limit; what is not would only keep the server busy."""
    return _refused(subject, "size-limit", "请删去图里没有用的内容，或者把一段画成另一个流程来调用。")


@package_rule("nesting-limit")
def is_flat_enough(subject: Subject) -> Iterator[Place]:
    """Elements nested without end would exhaust the stack."""
    return _refused(subject, "nesting-limit", "请减少嵌套，把里层的内容画成另一个流程来调用。")


@package_rule("not-bpmn")
def is_bpmn(subject: Subject) -> Iterator[Place]:
    """The root of a diagram is ``definitions`` of BPMN 2.0, and its name says that it is one."""
    yield from _refused(subject, "not-bpmn", "请在流程图编辑器里重新保存成 BPMN 2.0 文件。")
    for file in subject.package.files:
        if not belongs(file):
            wrong = "以点开头" if PurePosixPath(file).name.startswith(".") else "不是以 .bpmn、.dmn 或者 .form 结尾"
            message = f"文件的名称{wrong}，启用的时候不会读它。"
            yield subject.in_file(
                file, 1, message, "是流程图的，请把名称改成以 .bpmn 结尾；表格改成 .dmn，表单改成 .form。"
            )


@rule("import-refused")
def imports_nothing(diagram: Diagram) -> Iterator[Place]:
    """A diagram must stand for itself: nothing outside the package is fetched."""
    for element in diagram.root.iterchildren(bpmn("import")):
        yield diagram.at(element, "图里引用了别的文件，不会去读。", "请删去引用（import），把要用的内容画在图里。")


@package_rule("no-process")
def has_process(subject: Subject) -> Iterator[Place]:
    """Without a process there is nothing to run."""
    if not subject.main:
        message = "文件夹里没有流程图。"
        yield subject.in_file(f"{subject.package.id}.bpmn", 1, message, "请画一张 .bpmn 流程图放进文件夹。")
    for diagram in subject.diagrams:
        if not diagram.processes:
            yield diagram.at(diagram.root, "图里没有流程。", "请在泳池里画出流程；只有泳池、没有步骤的图不能执行。")


@rule("process-empty")
def has_steps(diagram: Diagram) -> Iterator[Place]:
    """A process without a single node does nothing."""
    for process in diagram.processes:
        if not diagram.children(process):
            yield diagram.at(process, f"{full_title(process)}里什么也没有画。", "请画出开始、步骤和结束。")


@rule("process-not-executable")
def is_executable(diagram: Diagram) -> Iterator[Place]:
    """Exactly one process of a file is run, and it says so."""
    for number, process in enumerate(diagram.processes):
        if number:
            message = f"一个文件里只能有一个流程，{title(process)}不会执行。"
            yield diagram.at(process, message, "请把它画到自己的文件里，用调用活动来调用。")
        elif not is_true(process, "isExecutable"):
            message = f"{full_title(process)}没有标成可以执行。"
            yield diagram.at(process, message, "请在流程的属性里勾上“可执行”（isExecutable=true）。")


@rule("id-missing")
def has_ids(diagram: Diagram) -> Iterator[Place]:
    """What is run or referred to needs an id; SpiffWorkflow drops what has none."""
    named = [element for element in diagram.elements if kind(element) in _NEEDS_ID]
    for element in [*diagram.nodes, *named]:
        if not element.get("id"):
            called = title(element) if element.get("name", "").strip() else f"有一个{kind_name(element)}"
            yield diagram.at(element, f"{called}没有编号（id）。", "请给它一个编号，例如 Task_approve。")


@rule("duplicate-id")
def has_unique_ids(diagram: Diagram) -> Iterator[Place]:
    """Two elements of the same id are taken for one."""
    identified = [element for element in diagram.elements if element.get("id")]
    seen: Counter[str] = Counter()
    for element in identified:
        id = element.get("id")
        seen[id] += 1
        if seen[id] == 2:
            first = diagram.by_id[id]
            message = f"编号 {id} 用了两次：{title(first)}（第 {first.sourceline} 行）和{title(element)}。"
            yield diagram.at(element, message, "请给其中一个换一个编号。")


@package_rule("duplicate-node")
def names_each_node_once(subject: Subject) -> Iterator[Place]:
    """A node of a called process has an id of its own: rows, hands and the log know a step by its id alone."""
    known: dict[str, tuple[str, etree._Element]] = {}
    for diagram in sorted(subject.diagrams, key=lambda each: not each.is_main):
        for element in (*diagram.nodes, *diagram.flows):
            file, first = known.setdefault(element.get("id", ""), (diagram.file, element))
            if element.get("id") and file != diagram.file:
                message = f"编号 {element.get('id')} 在 {file} 里已经给了{title(first)}。"
                yield diagram.at(element, message, "一个事项连同它调用的流程，编号都不能重复，请换一个。")


@package_rule("duplicate-definition")
def defines_once(subject: Subject) -> Iterator[Place]:
    """A process or a decision that stands in two files: only one of them would be used."""
    for id, file, line in subject.tables_twice:
        message = f"决策表 {id} 在 {subject.table_files[id]} 里已经有了。"
        yield subject.in_file(file, line, message, "请给这张决策表换一个编号，或者删去一张。")
    known: dict[str, str] = {}
    for diagram in subject.diagrams:
        for process in diagram.processes:
            id = process.get("id", "")
            if known.setdefault(id, diagram.file) != diagram.file:
                message = f"流程 {id} 在 {known[id]} 里已经有了。"
                yield diagram.at(process, message, "请给这个流程换一个编号，或者删去一个文件。")


@rule("dangling-reference")
def refers_to_what_is_there(diagram: Diagram) -> Iterator[Place]:
    """A reference to an element that does not exist leads nowhere."""
    for element, reference, allowed in _references(diagram):
        found = diagram.by_id.get(reference.rpartition(":")[2])
        if found is None or (allowed and kind(found) not in allowed):
            if found is None:
                what = f"指向的 {reference} 不存在" if reference else "有一头没有接上"
            else:
                what = f"指向的{full_title(found)}不是{_MEANT.get(allowed, '步骤')}"
            owner = element if element.get("id") else element.getparent()
            yield diagram.at(element, f"{title(owner)}{what}。", "请重新连一次，或者删去这一条。")


def _references(diagram: Diagram) -> Iterator[tuple[etree._Element, str, tuple[str, ...]]]:
    """Return element, what it refers to, and the kinds that may be meant; () when any will do."""
    node_kinds = (*FLOW_NODES, *OTHER_STEPS)
    for element in diagram.elements:
        match kind(element):
            case "sequenceFlow":
                yield element, element.get("sourceRef", ""), node_kinds
                yield element, element.get("targetRef", ""), node_kinds
            case "association":
                yield element, element.get("sourceRef", ""), ()
                yield element, element.get("targetRef", ""), ()
            case "flowNodeRef":
                yield element, (element.text or "").strip(), node_kinds
            case "eventDefinitionRef":
                # What is there has been copied into the event.
                yield element, (element.text or "").strip(), ()
            case "boundaryEvent":
                yield element, element.get("attachedToRef", ""), node_kinds
            case "participant" if element.get("processRef"):
                yield element, element.get("processRef"), ("process",)
            case "dataObjectReference" if element.get("dataObjectRef"):
                yield element, element.get("dataObjectRef"), ("dataObject",)
            case "dataStoreReference" if element.get("dataStoreRef"):
                yield element, element.get("dataStoreRef"), ("dataStore",)
            case "group" if element.get("categoryValueRef"):
                yield element, element.get("categoryValueRef"), ("categoryValue",)
        if element.get("default") and element.tag.startswith(f"{{{BPMN}}}"):
            yield element, element.get("default"), ("sequenceFlow",)


@rule("schema-invalid")
def stands_where_bpmn_has_it(diagram: Diagram) -> Iterator[Place]:
    """What stands where BPMN does not have it is lost, or taken for something else."""
    for element in diagram.elements:
        content = CONTENT_MODEL.get(kind(element))
        if content is None:
            continue
        for child in element.iterchildren(f"{{{BPMN}}}*"):
            if is_misplaced(kind(child), kind(element)):
                message = f"{full_title(child)}放在{full_title(element)}里，BPMN 里没有这个位置，读不到它。"
                yield diagram.at(child, message, "请删去它，在流程图编辑器里重新画到该在的地方。")
        stray = next((text for text in _texts_in(element) if text.strip()), "")
        if stray and kind(element) not in TEXTS:
            message = f"{full_title(element)}里夹着文字“{_short(stray)}”，读不到它。"
            yield diagram.at(element, message, "请删去这些文字；要说明的写进文档（documentation）。")
        for attribute, value in element.attrib.items():
            if attribute in content.attributes:
                allowed = content.attributes[attribute]
                if not allows(allowed, value):
                    known = f"只能写 {'、'.join(allowed)}" if isinstance(allowed, tuple) else "要写整数"
                    message = f"{full_title(element)}的 {attribute} 写成了“{value}”，读不懂。"
                    yield diagram.at(element, message, f"{attribute} {known}；不需要的，请删去这一项。")
            elif attribute.startswith(f"{{{BPMN}}}"):
                name = etree.QName(attribute).localname
                message = f"{full_title(element)}的 {name} 前面写了前缀，读不到它。"
                yield diagram.at(element, message, f'请去掉前缀，只写 {name}="…"。')
            elif not attribute.startswith("{"):
                message = f"{full_title(element)}没有 {attribute} 这一项，写了也不起作用。"
                yield diagram.at(element, message, "请删去它；附加的说明写在扩展元素（extensionElements）里。")


def _texts_in(element: etree._Element) -> Iterator[str]:
    """Return the texts that stand directly in an element."""
    yield element.text or ""
    for child in element:
        yield child.tail or ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


@rule("fact-invalid")
def says_readable_facts(diagram: Diagram) -> Iterator[Place]:
    """A limit or promise that is not written like one cannot be kept."""
    if isinstance(diagram.facts, FactsError):
        element = diagram.by_id.get(diagram.facts.element)
        name = "" if element is None else element.get("name", "")
        hint = "请写整数和单位：三个工作日写 3 和 wd，七天写 7 和 d。"
        yield Place(diagram.file, diagram.facts.line, diagram.facts.element, name, diagram.facts.message, hint)
