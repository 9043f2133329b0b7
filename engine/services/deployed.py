"""One version of an item, ready to use: its package, what it says, its forms and its executable definition."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from engine.bpmn.definition import Definition
from engine.bpmn.expressions import resolve
from engine.bpmn.forms.form import Form
from engine.bpmn.package import Package
from engine.model import Activity, ProcessFacts
from engine.services.ways import Ways

#: kinds of nodes that the system passes by itself
_BY_ITSELF = ("serviceTask", "businessRuleTask", "exclusiveGateway", "parallelGateway", "inclusiveGateway")

#: versions kept for whoever reads them next: an item is read to be checked, to be put into force and to be run
KEPT = 64


@dataclass(frozen=True)
class Deployed:
    """Shared by all matters of the version; nobody writes to it."""

    package: Package
    definition: Definition
    #: file name → form
    forms: Mapping[str, Form]

    @classmethod
    @functools.lru_cache(KEPT)
    def read(cls, package: Package) -> Deployed:
        """Read everything a package holds; raises what its readers raise."""
        forms = {name: Form.read(data) for name, data in package.files.items() if name.endswith(".form")}
        return cls(package, Definition.read(package), forms)

    @property
    def facts(self) -> ProcessFacts:
        return self.definition.facts

    @cached_property
    def ways(self) -> Ways:
        return Ways(self.facts)

    @property
    def start_form(self) -> Form | None:
        return self.forms.get(self.facts.start_form)

    @cached_property
    def takes_messages(self) -> bool:
        """Whether a matter can ever wait for a message."""
        return b"messageEventDefinition" in self._diagrams or b"receiveTask" in self._diagrams

    @cached_property
    def _diagrams(self) -> bytes:
        return b"".join(data for name, data in self.package.files.items() if name.endswith(".bpmn"))

    @property
    def starting_lanes(self) -> tuple[str, ...]:
        """The lanes that take the item in: the start event's and the first task's."""
        start = next(activity for activity in self.facts.activities if activity.kind == "startEvent")
        first = next((activity for activity in self.facts.in_order() if activity.is_task), start)
        return tuple(dict.fromkeys((start.lane, first.lane)))

    def form_of(self, activity: Activity) -> Form | None:
        """Return the form a step, or the start, is filled in with."""
        return self.forms.get(activity.form)

    def subject(self, data: Mapping[str, object], functions: Mapping[str, Callable]) -> str:
        """Return the one line that names a matter."""
        text = resolve(self.facts.subject, data, functions) if self.facts.subject else ""
        return str(text or self.facts.name)

    def branches(self, element: str) -> tuple[str, ...]:
        """Return one sentence per answer of the gateway behind a step: 同意 → 〈会签用印〉或〈核对批件〉.

        None for a step with a single way. What the system does by itself is passed over: people want to know who
        has it next, or how it ends.
        """
        flows = [flow for flow in self.facts.owner(element).flows if flow.source == element]
        if len(flows) == 1 and self.facts.activity(flows[0].target).kind == "exclusiveGateway":
            return self.branches(flows[0].target)
        sentences = []
        for flow in flows if len(flows) > 1 else ():
            names = dict.fromkeys(self.facts.activity(id).name for id in self._next_people(flow.target, set()))
            sentences.append(f"{flow.name} → {'或'.join(f'〈{name}〉' for name in names if name)}")
        return tuple(sentences)

    def next_step(self, element: str) -> str:
        """Return the name of the step people do next, whatever is filled in; "" where that depends, or it ends."""
        seen = {element}
        while True:
            flows = [flow for flow in self.facts.owner(element).flows if flow.source == element]
            element = flows[0].target if len(flows) == 1 else ""
            if not element or element in seen:
                return ""
            seen.add(element)
            activity = self.facts.activity(element)
            if activity.is_task or activity.kind == "callActivity":
                return activity.name
            # Where ways come together the others may still be open.
            if activity.kind not in ("serviceTask", "businessRuleTask", "exclusiveGateway"):
                return ""

    def _next_people(self, element: str, seen: set[str]) -> list[str]:
        """Return the next elements where a person acts, the matter waits or ends."""
        if element in seen:
            return []
        seen.add(element)
        if self.facts.activity(element).kind not in _BY_ITSELF:
            return [element]
        targets = [flow.target for flow in self.facts.owner(element).flows if flow.source == element]
        return [each for target in targets for each in self._next_people(target, seen)]
