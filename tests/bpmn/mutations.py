"""Seeded damage to diagrams, tables and forms: what editors, transfers and ill will do to files."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable

from lxml import etree

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
TAGS = (
    "startEvent endEvent intermediateCatchEvent intermediateThrowEvent boundaryEvent task userTask manualTask "
    "serviceTask sendTask receiveTask businessRuleTask scriptTask callActivity subProcess transaction "
    "adHocSubProcess exclusiveGateway inclusiveGateway parallelGateway eventBasedGateway complexGateway "
    "sequenceFlow process lane laneSet flowNodeRef collaboration participant message signal error escalation "
    "messageEventDefinition signalEventDefinition errorEventDefinition escalationEventDefinition "
    "timerEventDefinition linkEventDefinition terminateEventDefinition cancelEventDefinition "
    "compensateEventDefinition conditionalEventDefinition eventDefinitionRef timeDate timeDuration timeCycle "
    "conditionExpression multiInstanceLoopCharacteristics standardLoopCharacteristics loopCardinality "
    "loopCondition completionCondition loopDataInputRef loopDataOutputRef inputDataItem outputDataItem "
    "ioSpecification dataObject dataStoreReference documentation extensionElements definitions import "
    "choreography "
).split()
ATTRIBUTES = (
    "id name sourceRef targetRef attachedToRef default messageRef signalRef errorRef escalationRef calledElement "
    "cancelActivity isInterrupting triggeredByEvent isSequential isExecutable isForCompensation startQuantity "
    "completionQuantity instantiate eventGatewayType parallelMultiple behavior loopMaximum testBefore errorCode "
    "escalationCode processRef"
).split()
#: {canary} is a file that must neither be read, nor written, nor made
HOSTILE = (
    "__import__('os').system('touch {canary}')",
    "open('{canary}', 'w').write('x')",
    "=__import__('pathlib').Path('{canary}').touch()",
    "${T(java.lang.Runtime).getRuntime().exec('touch {canary}')}",
    "9**9**9",
    "=" + "(" * 3_000,
    "=" + "1+" * 990 + "1",
    "=" + "not(" * 60 + "x" + ")" * 60,
    "a" * 20_000,
    "[1..",
    '"',
    "if a then",
    'times("End")',
    "P99999999999D",
    "R99999999/P1D",
    "R/P0D",
    "1" * 400,
    "1e999",
    "-1",
    "0",
    "null",
    "true",
    "1",
    "End",
    "Start",
    "Root",
    "p.EndJoin",
    "x.BoundaryEventSplit",
    "vote [child]",
    "x:y:z",
    " ",
    "",
    "\u202e\u0301\U0001f4a3",
    "file://{canary}",
    "http://127.0.0.1:9/{canary}",
    "../../../../etc/passwd",
)
_BOMB = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
_PROLOGUES = (
    f'<!DOCTYPE definitions [<!ENTITY e0 "x">{_BOMB}]>',
    '<!DOCTYPE definitions SYSTEM "file://{canary}">',
    '<!DOCTYPE definitions [<!ENTITY c SYSTEM "file://{canary}">]>',
    '<!DOCTYPE definitions [<!ENTITY % c SYSTEM "http://127.0.0.1:9/{canary}">%c;]>',
    '<?xml-stylesheet href="file://{canary}"?>',
)
_INCLUDE = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{canary}" parse="text"/>'
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "latin-1", "utf-32", "klingon")


class Damage:
    """Damages one file after the other; the same seed does the same damage."""

    def __init__(self, seed: int, canary: str) -> None:
        self.random = random.Random(seed)
        self.canary = canary

    def hostile(self) -> str:
        return self.random.choice(HOSTILE).replace("{canary}", self.canary)

    def damaged(self, name: str, data: bytes) -> bytes:
        """Return the content of a file after one to four blows."""
        for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 4))):
            if self.random.random() < 0.15:
                data = self._bytes(data)
            elif name.endswith(".form"):
                data = self._form(data)
            else:
                data = self._xml(data)
        return data

    # --- bytes

    def _bytes(self, data: bytes) -> bytes:
        blow = self.random.choice((self._flip, self._cut, self._double, self._truncate, self._insert, self._recode))
        return blow(data)

    def _at(self, data: bytes) -> int:
        return self.random.randrange(len(data) + 1)

    def _flip(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + bytes([self.random.randrange(256)]) + data[at + 1 :]

    def _cut(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + data[at + self.random.randrange(200) :]

    def _double(self, data: bytes) -> bytes:
        at, length = self._at(data), self.random.randrange(400)
        return data[: at + length] + data[at:]

    def _truncate(self, data: bytes) -> bytes:
        return data[: self._at(data)]

    def _insert(self, data: bytes) -> bytes:
        what = self.random.choice((self.hostile(), "\0", "<![CDATA[", "]]>", "<!--", "&e9;", "<a>" * 200, "\ufffe"))
        at = self._at(data)
        return data[:at] + what.encode("utf-8", "replace") + data[at:]

    def _recode(self, data: bytes) -> bytes:
        encoding = self.random.choice(_ENCODINGS)
        text = data.decode("utf-8", "replace")
        said = f'encoding="{encoding.removesuffix("-sig")}"'
        if self.random.random() < 0.7:
            text = text.replace('encoding="UTF-8"', said).replace("encoding='UTF-8'", said)
        return text.encode("utf-8" if encoding == "klingon" else encoding, "replace")

    # --- XML

    def _xml(self, data: bytes) -> bytes:
        try:
            root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
        except etree.XMLSyntaxError:
            return self._bytes(data)
        if self.random.random() < 0.05:
            return self._prologue(data)
        blows: tuple[Callable[[etree._Element], None], ...] = (
            self._remove,
            self._repeat,
            self._move,
            self._retag,
            self._forget,
            self._rename,
            self._swap,
            self._say,
            self._say,
            self._refer,
            self._refer,
            self._write,
            self._nest,
            self._add,
            self._include,
        )
        self.random.choice(blows)(root)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    def _prologue(self, data: bytes) -> bytes:
        head, mark, rest = data.partition(b"?>")
        added = self.random.choice(_PROLOGUES).replace("{canary}", self.canary).encode()
        return head + mark + added + rest

    def _one(self, root: etree._Element) -> etree._Element:
        return self.random.choice([each for each in root.iter(etree.Element)])

    def _inner(self, root: etree._Element) -> etree._Element | None:
        one = self._one(root)
        return None if one is root else one

    def _remove(self, root: etree._Element) -> None:
        one = self._inner(root)
        if one is not None:
            one.getparent().remove(one)

    def _repeat(self, root: etree._Element) -> None:
        one = self._inner(root)
        if one is not None:
            one.addnext(copy.deepcopy(one))

    def _move(self, root: etree._Element) -> None:
        one, other = self._inner(root), self._one(root)
        if one is not None and other is not one and one not in other.iterancestors():
            other.append(one)

    def _retag(self, root: etree._Element) -> None:
        self._one(root).tag = BPMN + self.random.choice(TAGS)

    def _forget(self, root: etree._Element) -> None:
        one = self._one(root)
        if one.attrib:
            del one.attrib[self.random.choice(sorted(one.attrib))]

    def _rename(self, root: etree._Element) -> None:
        one = self._one(root)
        if one.attrib:
            one.set(self.random.choice(ATTRIBUTES), one.attrib.pop(self.random.choice(sorted(one.attrib))))

    def _swap(self, root: etree._Element) -> None:
        one, other = self._one(root), self._one(root)
        shared = sorted(set(one.attrib) & set(other.attrib))
        if shared:
            name = self.random.choice(shared)
            first, second = one.get(name), other.get(name)
            one.set(name, second)
            other.set(name, first)

    def _say(self, root: etree._Element) -> None:
        self._one(root).set(self.random.choice(ATTRIBUTES), self.hostile())

    def _refer(self, root: etree._Element) -> None:
        referring = [each for each in root.iter(etree.Element) if each.get("sourceRef") or each.get("attachedToRef")]
        ids = root.xpath("//@id")
        if referring and ids:
            one = self.random.choice(referring)
            names = [name for name in ("sourceRef", "targetRef", "attachedToRef") if one.get(name)]
            one.set(self.random.choice(names), str(self.random.choice(ids)))

    def _write(self, root: etree._Element) -> None:
        self._one(root).text = self.hostile()

    def _nest(self, root: etree._Element) -> None:
        one = self._inner(root)
        if one is None:
            return
        for level in range(self.random.choice((1, 3, 30, 120))):
            frame = etree.Element(BPMN + self.random.choice(("subProcess", "subProcess", "transaction", "process")))
            frame.set("id", f"Nest_{level}_{self.random.randrange(10**6)}")
            if self.random.random() < 0.2:
                frame.set("triggeredByEvent", "true")
            one.getparent().replace(one, frame)
            frame.append(one)
            one = frame

    def _add(self, root: etree._Element) -> None:
        added = etree.SubElement(self._one(root), BPMN + self.random.choice(TAGS))
        for name in self.random.sample(ATTRIBUTES, self.random.randrange(4)):
            added.set(name, self.random.choice((self.hostile(), *map(str, root.xpath("//@id")[:20]))))

    def _include(self, root: etree._Element) -> None:
        self._one(root).append(etree.fromstring(_INCLUDE.replace("{canary}", self.canary)))

    # --- JSON

    def _form(self, data: bytes) -> bytes:
        try:
            content = json.loads(data)
        except ValueError:
            return self._bytes(data)
        places = [*_places(content)]
        if not places:
            return self._bytes(data)
        owner, key = self.random.choice(places)
        match self.random.randrange(6):
            case 0:
                del owner[key]
            case 1:
                owner[key] = self.hostile()
            case 2:
                owner[key] = self.random.choice((None, True, -1, 1e308, 10**400, [], {}, [[[]]], [None]))
            case 3:
                owner[key] = [copy.deepcopy(owner[key])] * 3
            case 4:
                for _ in range(self.random.choice((2, 20, 60))):
                    owner[key] = {"type": "group", "components": [owner[key]]}
            case _:
                other, place = self.random.choice(places)
                other[place] = copy.deepcopy(owner[key])
        return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def _places(content: object) -> list[tuple[dict | list, object]]:
    """Return every place of a JSON value as (container, key or index)."""
    found, ahead = [], [content]
    while ahead:
        one = ahead.pop()
        pairs = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, value in pairs:
            found.append((one, key))
            ahead.append(value)
    return found
