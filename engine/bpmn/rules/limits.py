"""Rules of security and limits: no secrets in what is published, nothing without measure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from engine.bpmn.document import BPMN, CAMUNDA, POWER
from engine.bpmn.expressions import EvaluationError, ExpressionError, parse
from engine.bpmn.lint_levels import NAME
from engine.bpmn.rules import RULES, package_rule, rule
from engine.bpmn.rules.subject import Diagram, Place, Subject, camunda, kind, title

#: how often one step may be repeated, and how many steps an item and all it calls may have
MAX_INSTANCES = 1_000
MAX_STEPS = 3_000
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?|secret|token|api[-_.]?key|credential|密码|口令|密钥", re.IGNORECASE)
_SECRETS = {
    "访问网址里的密码": re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{1,80}:[^\s/:@\"']{1,80}@"),
    "私钥": re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"),
    "访问密钥": re.compile(
        r"(?<!\w)(AKIA[0-9A-Z]{16}|ghp_\w{36}|sk-\w{32,}|eyJ[\w-]{20,}\.[\w-]{20,}\.[\w-]{10,})(?!\w)"
    ),
    "身份证号": re.compile(r"(?<![\w.])[1-9]\d{5}(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\w)"),
    "手机号": re.compile(r"(?<![\w.-])1[3-9]\d{9}(?![\w.])"),
}
_SETTINGS = (camunda("inputParameter"), camunda("property"))
_IDS = ("id", "targetNamespace", "exporterVersion")
#: what every secret has in it: asked first, since nearly no text has
_NUMBER = re.compile(r"\d{11}")
_TRACE = re.compile("://|-----BEGIN|AKIA|ghp_|sk-|eyJ")


@package_rule("secret-in-model")
def nothing_secret_is_published(subject: Subject) -> Iterator[Place]:
    """A diagram is published with everything in it: passwords, keys and personal numbers do not belong there."""
    for diagram in subject.diagrams:
        yield from _in_diagram(diagram)
    for file, data in subject.package.files.items():
        text = "" if file.endswith(".bpmn") else data.decode("utf-8", "replace")
        if _is_suspect(text):
            for number, line in enumerate(text.splitlines(), 1):
                for what in _found(line):
                    message = f"文件里写有像{what}的内容，这个文件是公开的。"
                    yield subject.in_file(file, number, message, _HINT)


_HINT = "请删去它；密码交给系统管理员保管，个人的号码由办理时填写。"


def _in_diagram(diagram: Diagram) -> Iterator[Place]:
    for element in diagram.root.iter(f"{{{BPMN}}}*", f"{{{CAMUNDA}}}*", f"{{{POWER}}}*"):
        texts = [element.text or "", *(value for name, value in element.attrib.items() if name not in _IDS)]
        if _is_suspect("\n".join(texts)):
            for what in dict.fromkeys(what for text in texts for what in _found(text)):
                yield diagram.at(element, f"{_owner(element)}里写有像{what}的内容，流程图是公开的。", _HINT)
        value = (element.text or element.get("value") or "").strip() if element.tag in _SETTINGS else ""
        if value and not value.startswith("=") and _SECRET_NAME.search(element.get("name", "")):
            message = f"{_owner(element)}里写有 {element.get('name')}，像是密码，流程图是公开的。"
            yield diagram.at(element, message, _HINT)


def _owner(element: etree._Element) -> str:
    """Return how people call the element, or the one around it that has an id."""
    around = (each for each in (element, *element.iterancestors()) if each.get("id"))
    return title(next(around, element.getroottree().getroot()))


def _is_suspect(text: str) -> bool:
    # One pattern for both would be tried at every character.
    return bool(_TRACE.search(text) or _NUMBER.search(text))


def _found(text: str) -> list[str]:
    # A number given as an example belongs to nobody.
    if not _is_suspect(text) or "例如" in text:
        return []
    return [what for what, pattern in _SECRETS.items() if pattern.search(text)]


@rule("instance-limit")
def repetitions_are_few(diagram: Diagram) -> Iterator[Place]:
    """A step repeated thousands of times would fill the lists of everybody."""
    for element in diagram.drawn("loopCardinality"):
        count = _number(element.text or "")
        if count and count > MAX_INSTANCES:
            owner = next(each for each in element.iterancestors() if each.get("id") and "Loop" not in kind(each))
            message = f"{title(owner)}要重复 {count} 次，最多 {MAX_INSTANCES:,} 次。"
            yield diagram.at(element, message, "请改小次数，或者按村分成几个事项来办。")


def _number(text: str) -> int | None:
    try:
        value = parse(text.strip().removeprefix("=") or "0").evaluate({})
    except (ExpressionError, EvaluationError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@package_rule("step-limit")
def items_are_readable(subject: Subject) -> Iterator[Place]:
    """An item of thousands of steps can neither be read nor loaded in time."""
    steps = sum(len(diagram.nodes) for diagram in subject.diagrams)
    if steps > MAX_STEPS:
        message = f"这个事项连同它调用的流程共有 {steps:,} 个步骤和事件，最多 {MAX_STEPS:,} 个。"
        yield subject.in_file(
            subject.main or next(iter(subject.package.files)), 1, message, "请拆成几个事项，用消息来接。"
        )


@package_rule("config-invalid", "warning")
def settings_are_understood(subject: Subject) -> Iterator[Place]:
    """What .bpmnlintrc asks for exists, and does not silence what would run wrongly."""
    levels = subject.world.levels
    for text in levels.unknown:
        message = f"检查设置里的“{text}”不认识，没有照办。"
        yield subject.in_file(NAME, 1, message, "规则名称见 sihua lint --rules，级别写 off、info、warn 或者 error。")
    for each in RULES.values() if levels.said else ():
        names = (each.id, *(alias for alias in each.aliases if alias not in RULES))
        asked = [levels.said[name] for name in names if name in levels.said]
        if each.is_firm and asked and asked[0] != "error":
            message = f"检查设置想调低 {each.id}，它说的是办不下去的错误，不能调低。"
            yield subject.in_file(NAME, 1, message, "请从 .bpmnlintrc 里删去这一行。")
