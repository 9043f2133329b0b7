"""Playing a scenario on a real engine: what stands before it, its matter, its steps, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, insert, select

from engine.bpmn.package import Package, read_folder
from engine.clock import LOCAL, FrozenClock, local_date
from engine.demo.people import People
from engine.errors import EngineError
from engine.identifiers import new_id
from engine.process_engine import PROCESSES, ProcessEngine
from engine.scenarios.acts import Acts
from engine.scenarios.coverage import count
from engine.scenarios.outcome import Outcome
from engine.scenarios.references import References
from engine.scenarios.scenario_file import MATTER, read_scenarios
from engine.store.tables import register_entry
from engine.views import Started

#: scenarios begin on an ordinary Monday morning
MONDAY = datetime(2026, 3, 16, 9, 0, tzinfo=LOCAL)


class Stage:
    """One county in which a scenario of one item is played, and before it those it rests on."""

    def __init__(
        self,
        engine: ProcessEngine,
        clock: FrozenClock,
        people: People,
        package: Package,
        scenarios: Sequence[Mapping],
        played: list[str],
    ) -> None:
        """``played`` grows by the receipt of each matter, the newest last; stages of one county share it.

        :raises InvalidProcess: the item may not be deployed.
        """
        self._engine = engine
        self._clock = clock
        self._people = people
        self._package = package
        self._scenarios = scenarios
        self._played = played
        item = engine.repository.put(package)
        self._item_id = item.id
        self._deployed = engine.repository.deployed(item.definition_id)
        self.coverage = count(self._deployed)
        #: flows and decision rows that the scenario took
        self.taken: frozenset[str] = frozenset()
        self._known = {str(each["name"]): each for each in scenarios}

    def play(self, scenario: Mapping) -> str:
        """Play one scenario on a Monday; return what came out otherwise than expected."""
        self._clock.at = MONDAY
        return self._go_on(scenario)

    def _go_on(self, scenario: Mapping) -> str:
        """Play a scenario; time goes on from where it stands."""
        try:
            begun = self._begin(scenario)
            start = begun["start"]
            self._give(start["unit"], begun.get("given", {}))
            references = References(self._engine, self._people, start["unit"], self._played[::-1])
            matter = self._start(references, start)
            acts = Acts(self._engine, self._clock, references, matter)
            passed = 0
            for number, step in enumerate((*begun["steps"], *scenario["steps"]), 1 - len(begun["steps"])):
                if number == 1 and begun["steps"]:
                    passed = len(self._outcome(matter).path)
                if problem := acts.problem_of(step):
                    return f"第 {number} 步（{step.get('task') or step['do']}）{problem}"
            outcome = self._outcome(matter)
            self._take(outcome)
            lanes = {element: references.posts_of(person_id) for element, person_id in outcome.assignees.items()}
            return outcome.difference(scenario["expect"], passed, lanes)
        except (EngineError, KeyError) as error:
            return f"没有办成：{error!r}"

    def _begin(self, scenario: Mapping) -> Mapping:
        """Return where a scenario begins: its own start, or all that the scenario named in ``after`` has done."""
        if "after" not in scenario:
            return {**scenario, "steps": ()}
        earlier = self._known[str(scenario["after"])]
        begun = self._begin(earlier)
        return {**begun, "steps": (*begun["steps"], *earlier["steps"])}

    def _give(self, unit: str, given: Mapping[str, Sequence[Mapping]]) -> None:
        """Let matters stand before the scenario, and entries of registers."""
        for wanted in given.get(MATTER, ()):
            self._play_before(wanted)
        for register in (code for code in given if code != MATTER):
            for entry in given[register]:
                self._enter(unit, register, entry)

    def _play_before(self, wanted: Mapping) -> None:
        """Play a scenario, as a rule of another item; without a scenario the item is only in force."""
        folder = str(wanted["item"])
        if folder == f"{self._package.code}_{self._package.id}":
            package, scenarios = self._package, self._scenarios
        else:
            package, scenarios = read_folder(PROCESSES / folder), read_scenarios(PROCESSES / folder)
        other = Stage(self._engine, self._clock, self._people, package, scenarios, self._played)
        problem = other._go_on(other._known[str(wanted["scenario"])]) if "scenario" in wanted else ""
        if problem:
            raise KeyError(f"{folder}：{problem}")

    def _enter(self, unit: str, register: str, entry: Mapping) -> None:
        now = self._clock.now()
        with self._engine.database.write() as connection:
            connection.execute(
                insert(register_entry).values(
                    id=new_id(),
                    register=register,
                    unit_id=self._people.unit(unit),
                    year=local_date(now).year,
                    number=connection.scalar(select(func.count()).select_from(register_entry)) + 1,
                    data=dict(entry),
                    call_key=f"given:{new_id()}",
                    entered_at=now,
                )
            )

    def _start(self, references: References, start: Mapping) -> Started:
        data, files = references.values(start["data"])
        by = None if start["by"] == "applicant" else references.person(start["by"])
        started = self._engine.runtime.start(self._item_id, unit_id=references.unit_id, data=data, files=files, by=by)
        self._played.append(started.receipt)
        return started

    def _outcome(self, matter: Started) -> Outcome:
        with self._engine.database.read() as connection:
            return Outcome.read(connection, matter.matter_id)

    def _take(self, outcome: Outcome) -> None:
        """Note which flows, decision rows and refusals the matter took."""
        facts = self._deployed.facts
        flows = {flow for event in outcome.events for flow in str(event.data.get("flow") or "").split()}
        rows = {
            (facts.activity(event.element).decision, str(row))
            for event in outcome.events
            for row in event.data.get("rows") or ()
        }
        refusals: set[tuple[str, str]] = set()
        if outcome.matter.refusal:
            done = [event.element for event in outcome.events if event.kind == "completed"]
            last = facts.activity(done[-1]) if done else None
            code = str(outcome.matter.refusal["code"])
            refusals = {(last.form if last else "", code), *((id, code) for id in self._deployed.definition.tables)}
        self.coverage.take(flows, rows, refusals)
        self.taken = frozenset(flows | {row for _, row in rows})
