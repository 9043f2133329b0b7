"""What a designer reads: the items in force, each with its diagram, facts, findings and versions."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask_babel import lazy_gettext

from engine import errors
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


@blueprint.get("/designer")
@auth.required("designer")
def items() -> str:
    """List every item with its version, when it came into force and what lint says."""
    return render_template("designer/items.html", items=engine().repository.items())


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
        panels=[activity for activity in drawn.activities if activity.kind in PANELS],
        outline=_outline(drawn),
        names={activity.id: activity.name for process in facts.processes for activity in process.activities},
        kinds=KINDS,
        publish=PUBLISH,
    )


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
