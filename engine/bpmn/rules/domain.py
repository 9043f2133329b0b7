"""Rules of the domain: what a power item must say before it may be exercised (DOMAIN §1, §3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from lxml import etree

from engine.bpmn.document import POWER
from engine.bpmn.rules import package_rule, rule
from engine.bpmn.rules.data import written_keys
from engine.bpmn.rules.subject import Diagram, Place, Subject, bpmn, facts_of, full_title, kind, listed, title
from engine.bpmn.rules.written import written_in
from engine.model import Activity, ProcessFacts, TimeLimit

#: role of the applicants: they have no account and no tasks
_APPLICANT = "V"
_HANDWORK = ("userTask", "manualTask")
_LEVELS = ("village", "township", "county")
_PUBLISH = ("P", "Pm", "Po")
_GRADES = ("H", "M", "L")
_CONTROLS = {f"m{number}" for number in range(1, 16)}
_ITEM = {
    "code": "代码",
    "category": "类别",
    "scope": "范围",
    "excludes": "不管的事",
    "publish": "公开方式",
    "promise": "承诺时限",
    "level": "层级",
}
#: the smallest number in a condition that looks like a limit
_THRESHOLD = 2


@rule("known-lane")
def lanes_are_roles(diagram: Diagram) -> Iterator[Place]:
    """A lane is a role: nobody can be found for any other name."""
    for lane in diagram.drawn("lane"):
        name = lane.get("name", "")
        if name.strip() and name not in diagram.subject.world.roles:
            message = f"{full_title(lane)}不是岗位表里的岗位，找不到人来办。"
            yield diagram.at(lane, message, "请改成岗位表（roles.json）里的名称，一个字都不能差。")


@rule("node-in-lane")
def nodes_stand_in_one_lane(diagram: Diagram) -> Iterator[Place]:
    """Every node stands in exactly one lane, and no task in that of the applicants."""
    for process in diagram.processes:
        lanes = _lanes(process)
        if diagram.children(process) and not lanes:
            message = f"{full_title(process)}没有泳道，不知道由谁来办。"
            yield diagram.at(process, message, "请画出泳道，一个岗位一条，把每一步放进去。")
            continue
        for node in diagram.children(process):
            found = lanes.get(node.get("id", ""), []) if lanes else []
            if len(found) != 1:
                what = f"同时在 {listed(found)} 几条泳道里" if found else "不在任何泳道里"
                yield diagram.at(node, f"{title(node)}{what}。", "请把它放进办事岗位的那一条泳道。")
            elif kind(node) in _HANDWORK and _role_code(diagram, found[0]) == _APPLICANT:
                message = f"{title(node)}放在申请人的泳道里，申请人没有账号，办不了。"
                yield diagram.at(node, message, "请放进岗位的泳道；要等申请人的，用接收任务。")


def _lanes(process: etree._Element) -> dict[str, list[str]]:
    lanes: dict[str, list[str]] = {}
    for reference in process.iter(bpmn("flowNodeRef")):
        lane = reference.getparent()
        name = lane.get("name", "").strip() or title(lane)
        lanes.setdefault((reference.text or "").strip(), []).append(name)
    return lanes


def _role_code(diagram: Diagram, lane: str) -> str:
    role = diagram.subject.world.roles.get(lane)
    return "" if role is None else role.code


@rule("user-task-has-basis-material-limit")
def tasks_say_by_what_right(diagram: Diagram) -> Iterator[Place]:
    """Each user task names its legal basis, material and limit; its lane names who answers for it (DOMAIN §1)."""
    for activity, node in _activities(diagram):
        if activity.kind == "userTask":
            said = {"依据": activity.legal_basis, "材料": activity.materials, "期限": activity.time_limit}
            missing = [name for name, value in said.items() if not value]
            if missing:
                message = f"{title(node)}没有写{listed(missing)}。"
                yield diagram.at(
                    node, message, "请在这一步的属性里补上：依据是 legalBasis，材料是 material，期限是 timeLimit。"
                )


@rule("item-complete")
def item_says_everything(diagram: Diagram) -> Iterator[Place]:
    """The entry of the power list is complete: what is not on the list is no power."""
    if not diagram.is_main or not diagram.processes or diagram.subject.package.is_called:
        return
    process = diagram.processes[0]
    item = next(iter(facts_of(process, "item")), None)
    if item is None:
        message = f"{full_title(process)}没有写权力事项。"
        yield diagram.at(
            process,
            message,
            "请在流程的属性里写上权力事项（power:item）：代码、类别、范围、不管的事、公开方式、承诺时限、层级。",
        )
        return
    missing = [name for key, name in _ITEM.items() if not item.get(key, "").strip()]
    if not process.get("name", "").strip():
        yield diagram.at(process, f"{title(process)}没有名称，清单上写不出来。", "请给流程起一个名称，就是事项的名称。")
    if missing:
        yield diagram.at(item, f"权力事项没有写{listed(missing)}。", "请在权力事项（power:item）里补上。")
    for key, allowed in (("publish", _PUBLISH), ("level", _LEVELS)):
        if item.get(key) and item.get(key) not in allowed:
            message = f"权力事项的{_ITEM[key]}“{item.get(key)}”不对。"
            yield diagram.at(item, message, f"只能是 {listed(allowed)} 之一。")
    code = diagram.subject.package.code
    if code and item.get("code", code) != code:
        message = f"权力事项的代码 {item.get('code')} 和文件夹的代码 {code} 不一样。"
        yield diagram.at(item, message, "请把两个改成一样。")


@rule("high-risk-has-control")
def risks_are_controlled(diagram: Diagram) -> Iterator[Place]:
    """A high risk without a control may not be published (DOMAIN §1)."""
    for risk in diagram.root.iter(f"{{{POWER}}}riskPoint"):
        owner = next((node for node in risk.iterancestors() if node.get("name")), diagram.root)
        grade, controls = risk.get("grade", ""), risk.get("control", "").split()
        if grade not in _GRADES:
            yield diagram.at(risk, f"{title(owner)}的风险等级“{grade}”不对。", "只能是 H（高）、M（中）、L（低）之一。")
        elif grade == "H" and not controls:
            message = f"{title(owner)}的高风险“{risk.get('text', '')}”没有防控措施。"
            yield diagram.at(risk, message, "请写上防控措施的代号（control），例如 m7（四人分离）、m10（照片）。")
        unknown = [control for control in controls if control not in _CONTROLS]
        if unknown:
            yield diagram.at(risk, f"{title(owner)}的防控措施 {listed(unknown)} 没有。", "代号只有 m1 到 m15。")


@rule("limit-sum-within-promise")
def promise_can_be_kept(diagram: Diagram) -> Iterator[Place]:
    """The limits along the longest way without loops do not exceed the promise; waiting for the applicant is out."""
    facts = diagram.facts
    if not diagram.is_main or not isinstance(facts, ProcessFacts) or facts.promise is None:
        return
    promise = _working_days(facts.promise, {}, round_up=False)
    days, steps = _longest(diagram, diagram.processes[0], frozenset())
    if days > promise:
        item = next(iter(facts_of(diagram.processes[0], "item")), diagram.processes[0])
        way = " → ".join(title(step) for step in steps)
        message = f"承诺 {promise} 个工作日办结，最长的一条路要 {days} 个工作日：{way}。"
        place = diagram.at(item, message, "请缩短其中几步的期限，或者放宽承诺时限。")
        yield replace(place, path=tuple(step.get("id", "") for step in steps))


@rule("disclose-fields-exist")
def disclosed_fields_are_there(diagram: Diagram) -> Iterator[Place]:
    """What is to be disclosed is a field that some form, table or connector fills in."""
    if diagram.subject.refused or diagram.subject.wrong_forms:
        return
    known = written_keys(diagram.subject)
    known |= {key.partition(".")[0] for key in known}
    for fact, owner in _disclosures(diagram):
        unknown = [name for name in fact.get("fields", "").split() if name not in known]
        if unknown or not fact.get("fields", "").strip():
            what = f"{listed(unknown)}，没有哪个表单、判定或者连接器填过它" if unknown else "的内容是空的"
            yield diagram.at(
                fact, f"{title(owner)}要公开{what}。", "请改成表单里有的字段名（key），几个之间用空格隔开。"
            )


@rule("masked-field-disclosed")
def personal_fields_are_not_disclosed(diagram: Diagram) -> Iterator[Place]:
    """A field that is masked because it is personal is not disclosed either."""
    forms = diagram.subject.forms.values()
    personal = {field.key: field.label for form in forms for field in form.fields if field.personal}
    for fact, owner in _disclosures(diagram):
        for name in fact.get("fields", "").split():
            if name in personal:
                message = f"{title(owner)}要公开〈{personal[name]}〉（{name}），表单上它是要遮盖的个人信息。"
                yield diagram.at(fact, message, "请从公开的内容里去掉它；确实要公开的，改表单里的 personal。")


def _disclosures(diagram: Diagram) -> Iterator[tuple[etree._Element, etree._Element]]:
    for owner in [*diagram.processes, *diagram.nodes]:
        for fact in facts_of(owner, "disclose"):
            yield fact, owner


@package_rule("scenarios-cover-all-flows", "warning")
def scenarios_take_every_flow(subject: Subject) -> Iterator[Place]:
    """Somebody has thought every way of the item through: it stands in a scenario."""
    scenarios, diagram = subject.world.scenarios, next((each for each in subject.diagrams if each.is_main), None)
    if scenarios is None or diagram is None:
        return
    taken = {pair for path in _paths(scenarios) for pair in _in_order(path)}
    for flow in diagram.flows:
        ends = (flow.get("sourceRef", ""), flow.get("targetRef", ""))
        if ends not in taken and all(end in diagram.by_id for end in ends):
            way = "到".join(title(diagram.by_id[end]) for end in ends)
            message = f"从{way}的箭头，没有一个情形（scenarios.json）走到。"
            yield diagram.at(flow, message, "请写一个走这条路的情形，再用 sihua scenarios 试走。")


def _paths(scenarios: Sequence[Mapping]) -> Iterator[list[str]]:
    """Return the nodes each scenario passes; one that goes on after another passes those of both."""
    paths: dict[object, list[str]] = {}
    for scenario in scenarios:
        expected = scenario.get("expect", {}).get("path", ())
        path = [*paths.get(scenario.get("after"), ()), *(id for id in expected if isinstance(id, str))]
        paths[scenario.get("name")] = path
        yield path


def _in_order(path: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return each node with all that come after it: what runs at the same time stands between."""
    seen: dict[str, None] = {}
    for id in path:
        for before in seen:
            yield before, id
        seen[id] = None


@package_rule("no-literal-threshold", "warning")
def thresholds_are_parameters(subject: Subject) -> Iterator[Place]:
    """A number of the rules is a parameter: it changes by county and over time, the diagram does not."""
    for written in written_in(subject):
        literals = written.parsed.literals if written.decides and written.parsed else ()
        numbers = [n for n in literals if isinstance(n, (int, Decimal)) and not isinstance(n, bool)]
        for number in sorted(n for n in numbers if abs(n) >= _THRESHOLD):
            message = f"{written.where}里直接写了数字 {number}。"
            yield written.say(
                message, '规定里的数会变，请写成参数，例如 param("seal.contract_max")，并在参数表里写明依据。'
            )


@rule("facts-not-lost")
def facts_are_kept(diagram: Diagram) -> Iterator[Place]:
    """A step that had facts in the version in force has not lost them: editors drop what they do not know."""
    previous = diagram.subject.world.previous
    if previous is None or not diagram.is_main:
        return
    had = {activity.id: activity for activity in previous.activities if _has_facts(activity)}
    for activity, node in _activities(diagram):
        if activity.id in had and not _has_facts(activity):
            lost = listed(name for name, value in _said(had[activity.id]).items() if value)
            message = f"{title(node)}上一版写有{lost}，这一版都没有了。"
            yield diagram.at(node, message, "请补回来；画图时要装上 power.moddle.json，不然编辑器会丢掉这些内容。")


def _said(activity: Activity) -> Mapping[str, object]:
    return {
        "依据": activity.legal_basis,
        "材料": activity.materials,
        "期限": activity.time_limit,
        "风险点": activity.risk_points,
        "分离": activity.separate,
        "公开": activity.disclose,
        "停表": activity.hold,
    }


def _has_facts(activity: Activity) -> bool:
    return any(_said(activity).values())


def _activities(diagram: Diagram) -> list[tuple[Activity, etree._Element]]:
    """Return what the diagram says of each node beside the node; nothing when the facts cannot be read."""
    return [(activity, node) for node, activity in diagram.activities.items()]


# The longest way.

_Way = tuple[int, tuple[etree._Element, ...]]


def _longest(diagram: Diagram, scope: etree._Element, around: frozenset[str]) -> _Way:
    """Return working days and limited steps of the longest way from a start of the scope, flows back left out.

    :param around: ids of the processes that call this one; one that calls itself is counted once.
    """
    after = diagram.successors(scope)
    starts = [node.get("id") for node in diagram.children(scope) if kind(node) == "startEvent" and node.get("id")]
    order, back = _explored(starts, after)
    longest: dict[str, _Way] = {}
    for id in order:
        ahead = [longest[target] for target in after[id] if (id, target) not in back and target in longest]
        days, steps = max(ahead, key=lambda way: way[0], default=(0, ()))
        own, inner = _own(diagram, diagram.by_id[id], around)
        longest[id] = (own + days, inner + steps)
    return max(longest.values(), key=lambda way: way[0], default=(0, ()))


def _explored(first: list[str], after: Mapping[str, list[str]]) -> tuple[list[str], set[tuple[str, str]]]:
    """Return the nodes, each behind all that follow it, and the flows that lead back to where the way came from."""
    order: list[str] = []
    back: set[tuple[str, str]] = set()
    # id → whether what follows it is still being walked
    walked = {"": True}
    stack = [("", iter(first))]
    while stack:
        id, targets = stack[-1]
        target = next(targets, None)
        if target is None:
            stack.pop()
            walked[id] = False
            order.append(id)
        elif target not in walked:
            walked[target] = True
            stack.append((target, iter(after[target])))
        elif walked[target]:
            back.add((id, target))
    return order[:-1], back


def _own(diagram: Diagram, node: etree._Element, around: frozenset[str]) -> _Way:
    """Return what a node takes by itself: its limit, or the longest way through what it contains or calls."""
    activity = diagram.activities.get(node)
    if activity is None or activity.hold:
        return 0, ()
    if activity.time_limit is not None:
        days = _working_days(activity.time_limit, diagram.subject.world.parameters, round_up=True)
        return days, (node,)
    if kind(node) == "subProcess":
        return _longest(diagram, node, around)
    called = diagram.subject.process_ids.get(activity.called)
    if kind(node) == "callActivity" and called is not None and activity.called not in around:
        process = next(process for process in called.processes if process.get("id") == activity.called)
        return _longest(called, process, around | {activity.called})
    return 0, ()


def _working_days(limit: TimeLimit, parameters: Mapping[str, object], *, round_up: bool) -> int:
    """Return a limit in working days: a week has five of its seven."""
    value = parameters.get(limit.param) if limit.param else limit.value
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    if limit.unit == "wd":
        return value
    return -(-value * 5 // 7) if round_up else value * 5 // 7
