"""The two processes that are measured, written as package folders: fixed, so that figures of two releases compare."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

#: title and basis of every step: what a published item must say about itself
_FACTS = (
    '<power:legalBasis law="基准规定" version="1" article="全文" />'
    '<power:material name="单据" required="false" keep="see" />'
    '<power:timeLimit unit="wd" value="1" />'
)
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"'
    ' xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:power="urn:sihua:power:1"'
    ' id="Definitions_1" targetNamespace="urn:sihua:benchmark">\n'
)
_ITEM = (
    '<power:item code="{code}" category="基准" scope="测速" excludes="其他一切" publish="P" promise="60wd"'
    ' level="village" publicStart="false" subject="=subject" applicantName="applicant_name" />'
    '<power:legalBasis law="基准规定" version="1" article="全文" />'
)
LANES = ("村文书", "村委会主任", "村监委")

STEPS = tuple(f"step_{number:02}" for number in range(1, 21))
#: after this step a person decides whether the two steps before it are done again; each matter does them twice
AGAIN = "step_04"
#: steps that a timer would call off after 30 days
TIMED = ("step_06", "step_13")
TWENTY_FLOWS = (
    ("begin", "step_01"), ("step_01", "step_02"), ("step_02", "step_03"), ("step_03", "step_04"),
    ("step_04", "again"), ("again", "step_03"), ("again", "step_05"),
    ("step_05", "step_06"), ("step_06", "step_07"), ("late_step_06", "step_07"), ("step_07", "split"),
    ("split", "step_08"), ("step_08", "step_09"), ("step_09", "step_10"), ("step_10", "join"),
    ("split", "step_11"), ("step_11", "step_12"), ("step_12", "join"),
    ("split", "step_13"), ("late_step_13", "step_14"), ("step_13", "step_14"), ("step_14", "join"),
    ("join", "step_15"), ("step_15", "step_16"), ("step_16", "step_17"), ("step_17", "step_18"),
    ("step_18", "step_19"), ("step_19", "step_20"), ("step_20", "done"),
)  # fmt: skip


def write_twenty_steps(library: Path) -> Path:
    """Write the process of 20 tasks with a loop, a parallel block and two timers; return its folder."""
    folder = library / "Z20_twenty_steps"
    folder.mkdir()
    (folder / "twenty_steps.bpmn").write_text(twenty_steps(plain=False), "utf-8")
    _write_form(folder, "request", [_text("subject"), _text("applicant_name")])
    for step in STEPS:
        fields = [_text(f"{step}.note"), _number(f"{step}.amount")]
        _write_form(folder, step, [*fields, _choice("again")] if step == AGAIN else fields)
    return folder


def write_signers(library: Path) -> Path:
    """Write the process in which any number of signers sign side by side; return its folder."""
    folder = library / "Z30_signers"
    folder.mkdir()
    several = (
        '<multiInstanceLoopCharacteristics isSequential="false">'
        "<loopCardinality>=signers</loopCardinality></multiInstanceLoopCharacteristics>"
    )
    nodes = {
        "begin": _start(plain=False),
        "sign": _task("sign", 0, plain=False, inner=several),
        "done": _node("endEvent", "done", inner=_said()),
    }
    diagram = _diagram("signers", "Z30", nodes, (("begin", "sign"), ("sign", "done")), plain=False)
    (folder / "signers.bpmn").write_text(diagram, "utf-8")
    _write_form(folder, "request", [_text("subject"), _text("applicant_name"), _number("signers")])
    _write_form(folder, "sign", [_text("sign.note")])
    return folder


def twenty_steps(*, plain: bool) -> str:
    """Return the diagram; ``plain`` as bare SpiffWorkflow wants it: Python for expressions, none of our facts."""
    nodes = {"begin": _start(plain), "done": _node("endEvent", "done", inner="" if plain else _said())}
    for index, step in enumerate(STEPS):
        nodes[step] = _task(step, index % len(LANES), plain)
    for step in TIMED:
        nodes[f"late_{step}"] = _timer(step, plain)
    nodes["again"] = _node("exclusiveGateway", "again", inner="" if plain else _said())
    for gateway in ("split", "join"):
        nodes[gateway] = _node("parallelGateway", gateway, inner="" if plain else _said())
    return _diagram("twenty_steps", "Z20", nodes, TWENTY_FLOWS, plain)


def values_of(step: str, again: bool) -> dict[str, object]:
    """Return what is filled in at a step, as nested data."""
    values: dict[str, object] = {step: {"note": f"按规定办理，材料齐全，{step} 已核对。", "amount": 12_500}}
    return {**values, "again": "yes" if again else "no"} if step == AGAIN else values


def as_typed(values: dict[str, object]) -> dict[str, list[str]]:
    """Return nested data as a form sends it."""
    typed: dict[str, list[str]] = {}
    for key, value in values.items():
        inner = value.items() if isinstance(value, dict) else ()
        typed |= {f"{key}.{name}": [str(each)] for name, each in inner} or {key: [str(value)]}
    return typed


# --- XML ------------------------------------------------------------------------------------------------------------


def _diagram(id: str, code: str, nodes: dict[str, str], flows: Iterable[tuple[str, str]], plain: bool) -> str:
    lanes = "".join(
        f'<lane id="Lane_{index}" name="{name}">{_members(nodes, index)}</lane>' for index, name in enumerate(LANES)
    )
    facts = "" if plain else f"<extensionElements>{_ITEM.format(code=code)}</extensionElements>"
    return (
        f'{_HEAD}<collaboration id="Collaboration_1"><participant id="Pool_1" name="{id}（{code}）"'
        f' processRef="{id}" /></collaboration>\n<process id="{id}" name="{id}" isExecutable="true">{facts}'
        f'<laneSet id="LaneSet_1">{lanes}</laneSet>\n'
        + "\n".join((*nodes.values(), *(_flow(source, target, plain) for source, target in flows)))
        + "\n</process></definitions>\n"
    )


def _members(nodes: dict[str, str], lane: int) -> str:
    wanted = (id for id in nodes if (STEPS.index(id) % len(LANES) if id in STEPS else 0) == lane)
    return "".join(f"<flowNodeRef>{id}</flowNodeRef>" for id in wanted)


def _flow(source: str, target: str, plain: bool) -> str:
    condition = ""
    if source == "again":
        answer = "yes" if target == "step_03" else "no"
        text = f'again == "{answer}"' if plain else f'again = "{answer}"'
        condition = f"<conditionExpression>{text}</conditionExpression>"
    return (
        f'<sequenceFlow id="Flow_{source}_{target}" name="{target if condition else ""}"'
        f' sourceRef="{source}" targetRef="{target}">{condition}</sequenceFlow>'
    )


def _node(tag: str, id: str, attributes: str = "", inner: str = "") -> str:
    return f'<{tag} id="{id}" name="{id}"{attributes}>{inner}</{tag}>'


def _said() -> str:
    return "<documentation>测速用。</documentation>"


def _start(plain: bool) -> str:
    if plain:
        return _node("startEvent", "begin")
    return _node("startEvent", "begin", ' camunda:formKey="request.form"', _said())


def _task(step: str, lane: int, plain: bool, inner: str = "") -> str:
    if plain:
        return _node("userTask", step)
    # The hands of a step are kept apart from those of the first step of the next lane.
    apart = f'<power:separate from="{STEPS[lane - 1]}" />' if lane and step == STEPS[-1] else ""
    facts = f"<extensionElements>{_FACTS}{apart}</extensionElements>"
    return _node("userTask", step, f' camunda:formKey="{step}.form"', f"{_said()}{facts}{inner}")


def _timer(step: str, plain: bool) -> str:
    duration = '"P30D"' if plain else "P30D"
    definition = f"<timerEventDefinition><timeDuration>{duration}</timeDuration></timerEventDefinition>"
    inner = definition if plain else _said() + definition
    return _node("boundaryEvent", f"late_{step}", f' attachedToRef="{step}"', inner)


# --- forms ----------------------------------------------------------------------------------------------------------


def _write_form(folder: Path, name: str, components: list[dict[str, object]]) -> None:
    form = {"id": name, "type": "default", "schemaVersion": 16, "components": components}
    (folder / f"{name}.form").write_text(json.dumps(form, ensure_ascii=False, indent=2), "utf-8")


def _text(key: str) -> dict[str, object]:
    return {"id": _id(key), "type": "textfield", "key": key, "label": "说明", "validate": {"required": True}}


def _number(key: str) -> dict[str, object]:
    return {"id": _id(key), "type": "number", "key": key, "label": "数额", "validate": {"required": True, "min": 0}}


def _choice(key: str) -> dict[str, object]:
    answers = [{"label": "再办一次", "value": "yes"}, {"label": "往下办", "value": "no"}]
    choice = {"id": _id(key), "type": "radio", "key": key, "label": "再办一次吗", "values": answers}
    return {**choice, "validate": {"required": True}}


def _id(key: str) -> str:
    return f"Field_{key.replace('.', '_')}"
