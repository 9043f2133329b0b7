"""Running the scenarios of an item on a real engine, and counting what they take of the diagram."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import jsonschema
from sqlalchemy import insert, select

from engine.bpmn.decisions import read_decisions
from engine.bpmn.package import COMMON, Package, read_folder
from engine.clock import LOCAL, FrozenClock, local_date, start_of
from engine.demo.people import People, load_people
from engine.demo.story import sample_picture
from engine.errors import EngineError, InvalidFile, NotFound, Refused
from engine.identifiers import new_id
from engine.model import ProcessFacts
from engine.process_engine import PROCESSES, ProcessEngine
from engine.services.course import PASSED_KINDS
from engine.services.deployed import Deployed
from engine.services.jobs import BY_TIME
from engine.services.matters import Upload
from engine.store.tables import document, event_log, notice, process_instance, register_entry, role, task
from engine.workdays import add_workdays

#: scenarios begin on an ordinary Monday morning
MONDAY = datetime(2026, 3, 16, 9, 0, tzinfo=LOCAL)
#: rounds of due jobs on one day; more of them is a diagram that goes round in circles
MOST_ROUNDS = 1000

#: what stands before a scenario besides entries of registers: matters
MATTER = "matter"
#: JSON Schema of scenarios.json
SHAPE = PROCESSES / "scenarios.schema.json"
HOW_TO_WRITE = "请照 processes/README.md 第 7 节改写"


@dataclass
class Coverage:
    """What of one item the scenarios have taken: flows, decision rows and refusals, counted from the files."""

    flows: set[str]
    rows: set[tuple[str, str]]
    refusals: set[tuple[str, str]]
    taken_flows: set[str] = field(default_factory=set)
    taken_rows: set[tuple[str, str]] = field(default_factory=set)
    taken_refusals: set[tuple[str, str]] = field(default_factory=set)
    #: the same of the processes it calls: all items that call them take it together
    called: Coverage | None = None

    @property
    def total(self) -> int:
        return len(self.flows) + len(self.rows) + len(self.refusals)

    def take(self, flows: Set[str], rows: Set[tuple[str, str]], refusals: Set[tuple[str, str]]) -> None:
        """Note what was taken, here and in what is called."""
        self.taken_flows |= flows
        self.taken_rows |= rows
        self.taken_refusals |= refusals
        if self.called is not None:
            self.called.take(flows, rows, refusals)

    def with_taken(self, other: Coverage) -> Coverage:
        """Return what both count and have taken together."""
        return Coverage(
            self.flows | other.flows,
            self.rows | other.rows,
            self.refusals | other.refusals,
            self.taken_flows | other.taken_flows,
            self.taken_rows | other.taken_rows,
            self.taken_refusals | other.taken_refusals,
        )

    @property
    def missed(self) -> list[str]:
        """Return what no scenario takes, as sentences."""
        return [
            *(f"连线 {flow}" for flow in sorted(self.flows - self.taken_flows)),
            *(f"{table} 的行 {row}" for table, row in sorted(self.rows - self.taken_rows)),
            *(f"{file} 的不予原因 {code}" for file, code in sorted(self.refusals - self.taken_refusals)),
        ]


@dataclass(frozen=True)
class ScenarioRun:
    name: str
    #: what came out otherwise than expected, "" when all was right
    problem: str


@dataclass(frozen=True)
class FolderRun:
    folder: str
    runs: tuple[ScenarioRun, ...]
    coverage: Coverage

    @property
    def holds(self) -> bool:
        """Every scenario came out as expected and nothing was missed."""
        return bool(self.runs) and not self.coverage.missed and not any(run.problem for run in self.runs)


def run_folder(folder: Path, processes: Path) -> FolderRun:
    """Deploy one item and play all its scenarios, each in a county of its own.

    :raises NotFound, InvalidFile: there are no scenarios, or they are not written as they must be.
    :raises InvalidProcess: the item may not be deployed at all.
    """
    scenarios = read_scenarios(folder)
    with tempfile.TemporaryDirectory(prefix="sihua-scenarios") as place:
        rehearsal = Rehearsal(Path(place), processes, scenarios)
        rehearsal.deploy(read_folder(folder))
        runs = tuple(ScenarioRun(each["name"], rehearsal.play(each)) for each in scenarios)
    return FolderRun(folder.name, runs, rehearsal.coverage)


def called_by(ran: Sequence[FolderRun]) -> FolderRun:
    """Return what all items together have taken of what they call: no scenario is written for that alone."""
    together = Coverage(set(), set(), set())
    for each in ran:
        together = together.with_taken(each.coverage.called or Coverage(set(), set(), set()))
    return FolderRun(COMMON, tuple(run for each in ran for run in each.runs if not run.problem), together)


def read_scenarios(folder: Path) -> list[Mapping]:
    """Read ``scenarios.json``; a key that nobody reads would be an expectation nobody checks."""
    path = folder / "scenarios.json"
    if not path.exists():
        raise NotFound("情形", f"{folder.name}/{path.name}")
    try:
        scenarios = json.loads(path.read_text("utf-8"))
        jsonschema.validate(scenarios, json.loads(SHAPE.read_text("utf-8")))
    except ValueError as error:
        raise InvalidFile(f"{folder.name}/{path.name} 不是 JSON：{error}", HOW_TO_WRITE) from error
    except jsonschema.ValidationError as error:
        where = "".join(f"[{part}]" for part in error.absolute_path)
        raise InvalidFile(f"{folder.name}/{path.name} {where}：{error.message}", HOW_TO_WRITE) from error
    return scenarios


class Rehearsal:
    """The scenarios of one item, each played in a county of its own: none rests on what another has left behind."""

    def __init__(self, place: Path, processes: Path, scenarios: Sequence[Mapping]) -> None:
        """Make the county they all begin in; ``place`` is an empty folder of the caller's."""
        self._place, self._processes = place, processes
        self._scenarios = scenarios
        self._clock = FrozenClock(MONDAY)
        with self._opened("empty") as engine:
            engine.county.load_lists()
            self._people = load_people(engine, self._clock)
            for folder in sorted(_items_before(scenarios)):
                engine.repository.put(read_folder(PROCESSES / folder))

    def deploy(self, package: Package) -> None:
        """Let the scenarios to come be played on this package; what was taken of another one is forgotten.

        :raises InvalidProcess: it may not be deployed at all.
        """
        self._package = package
        with self._copied("empty", "deployed") as engine:
            self.coverage = self._stage(engine).coverage

    def play(self, scenario: Mapping) -> str:
        """Play one scenario; return what came out otherwise than expected."""
        with self._copied("deployed", "county") as engine:
            stage = self._stage(engine)
            problem = stage.play(scenario)
        taken = stage.coverage
        self.coverage.take(taken.taken_flows, taken.taken_rows, taken.taken_refusals)
        #: flows and decision rows that the last scenario took
        self.taken = stage.taken
        return problem

    def _stage(self, engine: ProcessEngine) -> Stage:
        return Stage(engine, self._clock, self._people, self._package, self._scenarios, [])

    @contextmanager
    def _copied(self, before: str, name: str) -> Iterator[ProcessEngine]:
        for old in self._place.glob(f"{name}.db*"):
            old.unlink()
        shutil.copyfile(self._place / f"{before}.db", self._place / f"{name}.db")
        with self._opened(name) as engine:
            yield engine
        shutil.rmtree(self._place / "files", ignore_errors=True)

    @contextmanager
    def _opened(self, name: str) -> Iterator[ProcessEngine]:
        database, files = self._place / f"{name}.db", self._place / "files"
        engine = ProcessEngine(f"sqlite:///{database}", files=files, clock=self._clock, processes=self._processes)
        try:
            yield engine
        finally:
            engine.close()


def _items_before(scenarios: Sequence[Mapping]) -> set[str]:
    """Return the folders of the items that stand before any of these scenarios, and of what stands before those."""
    found: set[str] = set()
    asked = list(scenarios)
    while asked:
        for wanted in asked.pop().get("given", {}).get(MATTER, ()):
            if wanted["item"] not in found:
                found.add(wanted["item"])
                asked += read_scenarios(PROCESSES / wanted["item"])
    return found


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
        with engine.database.read() as connection:
            self._lanes = dict(connection.execute(select(role.c.lane, role.c.code)).all())
            self._deployed = engine.repository.deployed(item.definition_id)
        self.coverage = count(self._deployed)
        #: flows and decision rows that the scenario took
        self.taken: frozenset[str] = frozenset()
        self._known = {str(each["name"]): each for each in scenarios}
        #: receipts of the matters that stand before the scenario, the newest first
        self._receipts: list[str] = []
        #: the persons of the last attendance list, in its order
        self._seats: list[str] = []

    def play(self, scenario: Mapping) -> str:
        """Play one scenario on a Monday; return what came out otherwise than expected."""
        self._clock.at = MONDAY
        return self._go_on(scenario)

    def _go_on(self, scenario: Mapping) -> str:
        """Play a scenario; time goes on from where it stands."""
        self._seats = []
        try:
            begun = self._begin(scenario)
            unit = str(begun["start"]["unit"])
            self._give(unit, begun.get("given", {}))
            matter = self._start(unit, begun["start"])
            self._played.append(matter.receipt)
            before = 0
            for number, step in enumerate((*begun["steps"], *scenario["steps"]), 1 - len(begun["steps"])):
                before = self._passed(matter) if number == 1 else before
                problem = self._try(matter, unit, step)
                if problem:
                    return f"第 {number} 步（{step.get('task') or step['do']}）{problem}"
            return self._compare(matter, scenario["expect"], before if begun["steps"] else 0)
        except (EngineError, KeyError) as error:
            return f"没有办成：{error!r}"

    def _begin(self, scenario: Mapping) -> Mapping:
        """Return where a scenario begins: its own start, or all that the scenario named in ``after`` has done."""
        if "after" not in scenario:
            return {**scenario, "steps": ()}
        earlier = self._known[str(scenario["after"])]
        begun = self._begin(earlier)
        return {**begun, "steps": (*begun["steps"], *earlier["steps"])}

    def _passed(self, matter: _Matter) -> int:
        """Return how many nodes the matter has passed."""
        with self._engine.database.read() as connection:
            kinds = connection.scalars(select(event_log.c.kind).where(event_log.c.instance_id == matter.id))
            return sum(kind in PASSED_KINDS for kind in kinds)

    # --- acts -------------------------------------------------------------------------------------------------------

    def _give(self, unit: str, given: Mapping[str, Sequence[Mapping]]) -> None:
        for wanted in given.get(MATTER, ()):
            self._play_before(wanted)
        self._receipts = self._played[::-1]
        for code, entries in given.items():
            for position, entry in enumerate(entries if code != MATTER else (), 1):
                with self._engine.database.write() as connection:
                    number = len(connection.execute(select(register_entry.c.id)).all()) + position
                    connection.execute(
                        insert(register_entry).values(
                            id=new_id(),
                            register=code,
                            unit_id=self._people.unit(unit),
                            year=local_date(self._clock.now()).year,
                            number=number,
                            data=dict(entry),
                            call_key=f"given:{new_id()}",
                            entered_at=self._clock.now(),
                        )
                    )

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

    def _start(self, unit: str, start: Mapping) -> _Matter:
        data, files = self._values(unit, start["data"], None, None)
        by = None if start["by"] == "applicant" else self._person(unit, start["by"])
        started = self._engine.runtime.start(
            self._item_id, unit_id=self._people.unit(unit), data=data, files=files, by=by
        )
        return _Matter(started.matter_id, started.receipt, started.code)

    def _try(self, matter: _Matter, unit: str, step: Mapping) -> str:
        """Do one step; return what went wrong. With ``refused`` the engine must say no in a sentence holding it."""
        wanted = step.get("refused", "")
        try:
            self._step(matter, unit, step)
        except (EngineError, KeyError, StopIteration) as error:
            as_wanted = wanted and isinstance(error, EngineError) and wanted in str(error)
            return "" if as_wanted else f"没有办成：{error!r}"
        return f"应当不让办（{wanted}），却办成了" if wanted else ""

    def _step(self, matter: _Matter, unit: str, step: Mapping) -> None:
        if step["do"] == "advance":
            day = add_workdays(local_date(self._clock.now()), int(step["days"]))
            self._clock.at = start_of(day) + (MONDAY - start_of(local_date(MONDAY)))
            for _ in range(MOST_ROUNDS):
                if not self._engine.jobs.run_due(kinds=BY_TIME):
                    return
            raise Refused("endless", "到点的事一件接一件，没有个完")
        if step["do"] in ("message", "object", "suggest"):
            {"message": self._message, "object": self._object, "suggest": self._suggest}[step["do"]](matter, unit, step)
            return
        task_id = self._task(matter, str(step["task"]))
        by = self._person(unit, str(step["by"]))
        data, files = self._values(unit, step.get("data", {}), task_id, by)
        tasks = self._engine.tasks
        match step["do"]:
            case "complete":
                tasks.complete(task_id, by=by, data=data, files=files)
            case "attach":
                for name, uploads in files.items():
                    for upload in uploads:
                        tasks.attach(task_id, by=by, field=name, upload=upload)
            case "recuse":
                tasks.recuse(task_id, by=by, reason=data["reason"][0])
            case "delegate" | "appoint":
                reason = data.get("reason", ["指定专人办理"])[0]
                tasks.delegate(task_id, by=by, to=self._person(unit, str(step["to"])), reason=reason)
            case other:
                raise KeyError(other)

    def _message(self, matter: _Matter, unit: str, step: Mapping) -> None:
        data, files = self._values(unit, step.get("data", {}), None, None)
        own = step["by"] == "applicant"
        self._engine.runtime.correlate(
            matter.receipt,
            message=str(step["message"]),
            code=matter.code if own else "",
            by=None if own else self._person(unit, str(step["by"])),
            note=data.get("note", [""])[0],
            files=files,
        )

    def _object(self, matter: _Matter, unit: str, step: Mapping) -> None:
        """Raise an objection to the notice of this matter that is on show."""
        with self._engine.database.read() as connection:
            notice_id = connection.scalar(
                select(notice.c.id).where(notice.c.instance_id == matter.id, notice.c.state == "shown")
            )
        data, _ = self._values(unit, step.get("data", {}), None, None)
        self._engine.disclosure.object(str(notice_id), data=data)

    def _suggest(self, matter: _Matter, unit: str, step: Mapping) -> None:
        data, _ = self._values(unit, step.get("data", {}), None, None)
        self._engine.disclosure.suggest(self._people.unit(unit), data=data)

    # --- references -------------------------------------------------------------------------------------------------

    def _person(self, unit: str, reference: str) -> str:
        """Return who a lane name or a reference means in that village."""
        name, _, number = reference.partition(":")
        if name == "@villager":
            return self._villagers(unit)[int(number or 1) - 1]
        lane = reference.removeprefix("@post:")
        code = self._lanes[lane]
        return next(
            self._people.posts[place, code] for place in self._places(unit) if (place, code) in self._people.posts
        )

    def _places(self, unit: str) -> Iterator[str]:
        """Yield the names of the village and of the units above it."""
        names = {each.id: each for each in self._engine.identity.units()}
        place = names[self._people.unit(unit)]
        while place is not None:
            yield place.name
            place = names.get(place.parent_id)

    def _villagers(self, unit: str) -> list[str]:
        in_post = set(self._people.posts.values())
        return [
            person_id
            for person_id in self._people.of_unit(unit)
            if person_id not in in_post and person_id not in self._people.related
        ]

    def _values(
        self, unit: str, data: Mapping[str, object], task_id: str | None, by: str | None
    ) -> tuple[dict[str, list[str]], dict[str, list[Upload]]]:
        """Return (typed values, uploads): references are looked up, sample pictures made."""
        values: dict[str, list[str]] = {}
        files: dict[str, list[Upload]] = {}
        for key, given in data.items():
            for each in given if isinstance(given, list) else [given]:
                text = str(each)
                if text.startswith("@photo"):
                    name = f"{text.removeprefix('@')}.png"
                    files.setdefault(key, []).append(Upload(name, io.BytesIO(sample_picture())))
                elif text.startswith("@seats:"):
                    page = self._engine.tasks.open(str(task_id), by=str(by))
                    values[key] = self._attendance(text, [choice.value for choice in page.choices[key]])
                elif text.startswith("@seat:"):
                    values.setdefault(key, []).append(self._seats[int(text.removeprefix("@seat:")) - 1])
                elif text.startswith("@receipt"):
                    values.setdefault(key, []).append(self._receipts[int(text.partition(":")[2] or 1) - 1])
                elif text == "@basis":
                    page = self._engine.tasks.open(str(task_id), by=str(by))
                    values.setdefault(key, []).append(page.choices[key][0].value)
                else:
                    values.setdefault(key, []).append(self._person(unit, text) if text.startswith("@") else text)
        return values, files

    def _attendance(self, text: str, people: list[str]) -> list[str]:
        """Seat people as ``@seats:present=21,recused=1`` says, in the order of the list; the rest is absent."""
        self._seats = people
        wanted = [part.partition("=")[::2] for part in text.removeprefix("@seats:").split(",")]
        choices = [choice for choice, count in wanted for _ in range(int(count))]
        if len(choices) > len(people):
            raise KeyError(f"签到表有 {len(people)} 人，情形里写了 {len(choices)} 人")
        choices += ["absent"] * (len(people) - len(choices))
        return [f"{person_id}={choice}" for person_id, choice in zip(people, choices, strict=True)]

    def _task(self, matter: _Matter, element: str) -> str:
        with self._engine.database.read() as connection:
            ids = connection.scalars(
                select(task.c.id).where(
                    task.c.instance_id == matter.id, task.c.element == element, task.c.state == "open"
                )
            )
            found = ids.first()
        if found is None:
            raise KeyError(f"{element} 现在没有开着")
        return found

    # --- what came of it --------------------------------------------------------------------------------------------

    def _compare(self, matter: _Matter, expect: Mapping, before: int) -> str:
        """Compare what came of a matter; the path is that behind the first ``before`` nodes."""
        with self._engine.database.read() as connection:
            row = connection.execute(select(process_instance).where(process_instance.c.id == matter.id)).one()
            events = connection.execute(
                select(event_log).where(event_log.c.instance_id == matter.id).order_by(event_log.c.number)
            ).all()
            entries = connection.scalars(
                select(register_entry.c.register).where(register_entry.c.instance_id == matter.id)
            ).all()
            templates = connection.scalars(
                select(document.c.template).where(document.c.instance_id == matter.id).order_by(document.c.at)
            ).all()
            limits = connection.execute(
                select(task.c.element, task.c.limit_value, task.c.limit_unit).where(task.c.instance_id == matter.id)
            ).all()
            assignees = connection.execute(
                select(task.c.element, task.c.assignee_id).where(
                    task.c.instance_id == matter.id, task.c.state == "open"
                )
            ).all()
            opened = connection.scalars(
                select(process_instance.c.item_id).where(
                    process_instance.c.business_key == row.receipt, process_instance.c.id != row.id
                )
            ).all()
        self._take(events, row.refusal)
        got = {
            "state": row.state,
            "refused": {"reason": (row.refusal or {}).get("code")} if row.refusal else None,
            "path": [event.element for event in events if event.kind in PASSED_KINDS][before:],
            "entries": {code: entries.count(code) for code in entries},
            "documents": list(templates),
            "opens": {item: opened.count(item) for item in opened},
            "limits": {each.element: f"{each.limit_value} {each.limit_unit}" for each in limits},
            "assignee": {each.element: self._posts_of(each.assignee_id) for each in assignees},
        }
        return _difference(got, expect)

    def _posts_of(self, person_id: str | None) -> list[str]:
        """Return the lanes of a person's posts; [] for nobody."""
        return [post.lane for post in self._engine.identity.actor(person_id).posts] if person_id else []

    def _take(self, events: Sequence, refusal: Mapping | None) -> None:
        facts = self._deployed.facts
        flows = {flow for event in events for flow in str(event.data.get("flow") or "").split()}
        rows = {
            (facts.activity(event.element).decision, str(row))
            for event in events
            for row in event.data.get("rows") or ()
        }
        refusals: set[tuple[str, str]] = set()
        if refusal:
            done = [event.element for event in events if event.kind == "completed"]
            last = facts.activity(done[-1]) if done else None
            code = str(refusal["code"])
            refusals = {(last.form if last else "", code), *((id, code) for id in self._deployed.definition.tables)}
        self.coverage.take(flows, rows, refusals)
        self.taken = frozenset(flows | {row for _, row in rows})


@dataclass(frozen=True)
class _Matter:
    id: str
    receipt: str
    code: str


def count(deployed: Deployed) -> Coverage:
    """Count from the files what there is to take: flows, rows of every table, refusal codes of tables and forms."""
    processes = deployed.facts.processes
    coverage = _counted(deployed, processes[:1], lambda name: "/" not in name)
    coverage.called = _counted(deployed, processes[1:], lambda name: "/" in name)
    return coverage


def _counted(deployed: Deployed, processes: Sequence[ProcessFacts], belongs: Callable[[str], bool]) -> Coverage:
    files = deployed.package.files
    names = [name for name in files if name.endswith(".dmn") and belongs(name)]
    tables = {id: table for name in names for id, table in read_decisions(files[name]).items()}
    refusals = {
        (name, option.value)
        for name, form in deployed.forms.items()
        for each in form.fields
        if belongs(name) and each.key == "refusal.code"
        for option in each.options
    }
    for table_id, table in tables.items():
        refusals |= {(table_id, code) for code in table.output_literals("code") - {""}}
    return Coverage(
        flows={flow.id for process in processes for flow in process.flows},
        rows={(table_id, rule.id) for table_id, table in tables.items() for rule in table.rules},
        refusals=refusals,
    )


def _difference(got: Mapping[str, object], expect: Mapping[str, object]) -> str:
    for key, wanted in expect.items():
        have = got.get(key)
        if key == "assignee":
            problem = _wrong_assignee(have, wanted)  # type: ignore[arg-type]
            if problem:
                return problem
        elif key == "limits":
            have = {element: have.get(element) for element in wanted}  # type: ignore[union-attr]
            if have != wanted:
                return f"期限应是 {wanted}，实际是 {have}"
        elif have != wanted:
            return f"{key} 应是 {wanted}，实际是 {have}"
    return ""


def _wrong_assignee(have: Mapping[str, list[str]], wanted: Mapping[str, str | None]) -> str:
    """``wanted`` names for each open step the lane of who has it, or null for 没人办."""
    if set(have) != set(wanted):
        return f"开着的步骤应是 {list(wanted)}，实际是 {list(have)}"
    for element, lane in wanted.items():
        if (lane is None and have[element]) or (lane is not None and lane not in have[element]):
            return f"{element} 应轮到 {lane or '没人'}，实际是 {have[element]}"
    return ""
