"""What a designer reads: the items in force, each with its diagram, facts, findings and versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from engine import errors
from engine.model import Finding, ProcessFacts
from webui import auth
from webui.current import engine

blueprint = Blueprint("designer", __name__)

#: BPMN tag → what a designer calls it
KINDS = {
    "userTask": lazy_gettext("人办"),
    "manualTask": lazy_gettext("纸上办"),
    "serviceTask": lazy_gettext("系统办"),
    "businessRuleTask": lazy_gettext("判定"),
    "receiveTask": lazy_gettext("等待"),
    "callActivity": lazy_gettext("公共流程"),
    "exclusiveGateway": lazy_gettext("分叉"),
    "inclusiveGateway": lazy_gettext("分叉"),
    "parallelGateway": lazy_gettext("同时"),
    "eventBasedGateway": lazy_gettext("等哪个先到"),
    "startEvent": lazy_gettext("开始"),
    "endEvent": lazy_gettext("结束"),
    "boundaryEvent": lazy_gettext("中途"),
    "intermediateCatchEvent": lazy_gettext("等待"),
    "intermediateThrowEvent": lazy_gettext("发出"),
}
#: tags whose facts get a panel: everything that acts or waits
PANELS = ("userTask", "manualTask", "serviceTask", "businessRuleTask", "receiveTask", "callActivity")
#: how far an item is published (DOMAIN §3)
PUBLISH = {
    "P": lazy_gettext("五项全部公开"),
    "Pm": lazy_gettext("公开，姓名隐去"),
    "Po": lazy_gettext("只公开清单、流程图和统计"),
}


#: the words of the rule page: designers who draw with bpmn-js or Camunda Modeler may read it in English
RULE_PAGE = {
    "zh": {
        "title": "检查规则",
        "say": "一张图起用以前，要过这 {} 条规则。",
        "levels": "有错误的不能起用；提醒要看一看；说明只是建议。",
        "why": "为什么：",
        "mend": "怎么改：",
        "example": "例子",
        "invalid": "画错了：",
        "valid": "画对了：",
        "fixable": "可以自动改（sihua lint --fix）",
        "error": "错误",
        "warning": "提醒",
        "info": "说明",
    },
    "en": {
        "title": "Lint rules",
        "say": "Before a diagram comes into force it passes these {} rules.",
        "levels": "An error keeps it out of force, a warning wants a look, a note is advice.",
        "why": "Why: ",
        "mend": "How to mend: ",
        "example": "Example",
        "invalid": "Wrong:",
        "valid": "Right:",
        "fixable": "mended by sihua lint --fix",
        "error": "Error",
        "warning": "Warning",
        "info": "Note",
    },
}


@blueprint.get("/designer")
@auth.required("designer")
def items() -> str:
    """List every item with its version, when it came into force and what lint says."""
    return render_template("designer/items.html", items=engine().repository.items())


@blueprint.get("/designer/rules")
@auth.required("designer")
def rules() -> str:
    """Tell what each lint rule asks, why, and how to mend what it finds."""
    language = "en" if request.args.get("lang") == "en" else "zh"
    texts = engine().repository.rules(language)
    groups = {title: list(each) for title, each in groupby(texts, key=lambda text: text.group_title)}
    return render_template(
        "designer/rules.html", groups=groups, total=len(texts), said=RULE_PAGE[language], told_in=language
    )


@blueprint.get("/designer/<item_id>")
@auth.required("designer")
def definition(item_id: str) -> str:
    """Show one version of an item; with ``call`` what that call activity leads to."""
    shown = engine().repository.definition(item_id, version=_version(), call=request.args.get("call", ""))
    facts = shown.facts
    drawn = next(process for process in facts.processes if process.id == shown.picture.process_id)
    by_severity = {severity: [] for severity in ("error", "warning", "info")}
    for finding in shown.findings:
        by_severity[finding.severity].append(finding)
    return render_template(
        "designer/definition.html",
        definition=shown,
        item=shown.item,
        facts=facts,
        findings=by_severity,
        paths=_paths(shown.findings, facts),
        picture=replace(shown.picture, badges=_badges(shown.findings)),
        panels=[activity for activity in drawn.activities if activity.kind in PANELS],
        outline=_outline(drawn),
        names={activity.id: activity.name for process in facts.processes for activity in process.activities},
        kinds=KINDS,
        publish=PUBLISH,
    )


@blueprint.route("/designer/check", methods=["GET", "POST"])
@auth.required("designer")
def check() -> str:
    """Check an uploaded diagram or zip archive; nothing of it is kept."""
    given = request.files.get("file")
    if given is None or not given.filename:
        return render_template("designer/check.html", checked=None, missing=request.method == "POST")
    checked = engine().repository.check(given.filename, given.read())
    return render_template(
        "designer/check.html", checked=checked, name=given.filename, paths=_paths(checked.findings, checked.facts)
    )


def _paths(findings: Iterable[Finding], facts: ProcessFacts | None) -> dict[Finding, list[tuple[str, str]]]:
    """Return for each finding what is passed on the way to it: ids and the names people read."""
    names: dict[str, str] = {}
    for process in facts.processes if facts else ():
        names |= {activity.id: f"〈{activity.name}〉" if activity.name else "" for activity in process.activities}
        names |= {flow.id: flow.name for flow in process.flows}
    return {found: [(id, name) for id in found.path if (name := names.get(id, id))] for found in findings}


def _badges(findings: Iterable[Finding]) -> dict[str, str]:
    """Return for each element of the picture how many errors and warnings it has, there to be seen at once."""
    counts = Counter((found.element, found.severity) for found in findings if found.element)
    badges: dict[str, list[str]] = {}
    for severity, word in (("error", _("错误")), ("warning", _("提醒"))):
        for (element, said), number in counts.items():
            if said == severity:
                badges.setdefault(element, []).append(f"{word} {number}")
    return {element: " ".join(texts) for element, texts in badges.items()}


def _version() -> int | None:
    text = request.args.get("version", "")
    if text and not text.isdecimal():
        raise errors.NotFound("version", text)
    return int(text) if text else None


def _outline(facts) -> list:
    """Pair every node, in the order of the flow, with its branch sentences."""
    names = {activity.id: activity.name for activity in facts.activities}
    leaving: dict[str, list] = {}
    for flow in facts.flows:
        leaving.setdefault(flow.source, []).append((flow.name, names.get(flow.target, "")))
    ordered = sorted(facts.activities, key=lambda activity: activity.position)
    return [(activity, leaving.get(activity.id, ())) for activity in ordered]
