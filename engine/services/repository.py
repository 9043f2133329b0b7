"""The power list: deploy packages, read items in force, their diagrams, guides and findings."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Row, func, insert, select, update

from engine.bpmn import lint as linting
from engine.bpmn import package as packages
from engine.bpmn.archive import read_upload, what_is_drawn
from engine.bpmn.forms.form import Form
from engine.bpmn.lint_levels import Levels
from engine.bpmn.package import Package
from engine.bpmn.rule_page import rule_texts
from engine.bpmn.tidy import scores
from engine.clock import local_date
from engine.connectors import REQUIRED_INPUTS
from engine.errors import InvalidProcess, NotFound
from engine.identifiers import new_id
from engine.model import Activity, Finding, Material, RuleText
from engine.services import parameters, pictures
from engine.services.deployed import Deployed
from engine.services.limits import limit_text
from engine.services.permission import Directory, read_roles
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.tables import (
    deployment_file,
    job,
    org_unit,
    person,
    process_definition,
    process_instance,
    register,
)
from engine.views import Checked, Contact, Guide, GuideStep, Item, PictureScore, Version
from engine.views import Definition as DefinitionView
from engine.workdays import workdays_between

#: below this many finished matters nothing is said to be usual
USUAL_FROM = 5


class Repository:
    """Deployments and what is read out of the diagrams in force."""

    def __init__(self, unit_of_work: UnitOfWork, library: Path) -> None:
        self._work = unit_of_work
        #: folder of the items; its ``common`` holds what several of them call
        self._library = library
        self._loaded: dict[str, Deployed] = {}
        self._by_id: dict[str, Deployed] = {}
        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()

    # --- deploying --------------------------------------------------------------------------------------------------

    def lint(self, path: Path, *, config: Path | None = None) -> list[Finding]:
        """Check a package folder, or one file, against this county's roles, parameters and registers.

        :param config: where the levels of the rules stand; the nearest ``.bpmnlintrc`` when left out.
        :raises ConfigRefused: that file cannot be read.
        """
        with self._work.read() as connection:
            package, world = self._seen(connection, path, config)
            findings = linting.lint(package, world)
        alone = path.is_file() and path.suffix != ".bpmn"
        return [found for found in findings if found.file == path.name] if alone else findings

    def mend(self, path: Path, *, config: Path | None = None) -> dict[Path, bytes]:
        """Return path → content with everything mended that can be mended by itself; nothing is written."""
        with self._work.read() as connection:
            return linting.mend(*self._seen(connection, path, config))

    @staticmethod
    def rules(language: str = "zh") -> tuple[RuleText, ...]:
        """Return what the rules ask, in ``zh`` or ``en``, in the order of the catalogue."""
        return rule_texts(language)

    def _seen(self, connection: Connection, path: Path, config: Path | None) -> tuple[Package, linting.World]:
        if path.is_dir():
            package, folder = packages.read_folder(path, library=path.parent), path
        else:
            package, folder = packages.read_file(path), path.parent
        levels = Levels.read(config) if config else Levels.find(path)
        world = replace(self._world(connection, package.id), levels=levels, scenarios=_scenarios(folder))
        return package, world

    def check(self, name: str, data: bytes) -> Checked:
        """Check an uploaded diagram or zip archive like a package folder; nothing of it is kept.

        :raises InvalidFile: it is neither.
        """
        with self._work.read() as connection:
            package = read_upload(name, data, self._library, partial(self._package_in_force, connection))
            findings = linting.lint(package, replace(self._world(connection, package.id), previous=None))
        return Checked(*what_is_drawn(package), tuple(findings))

    def deploy(self, path: Path, *, by: str | None = None) -> Item:
        """Put a package into force as the next version; the same package again changes nothing.

        :raises InvalidProcess: lint found an error.
        """
        return self.put(packages.read_folder(path, library=path.parent), by=by)

    @retried
    def put(self, package: Package, *, by: str | None = None) -> Item:
        """Put a package that was already read into force.

        :raises InvalidProcess: lint found an error.
        """
        with self._work.write() as transaction:
            connection = transaction.connection
            newest = _newest(connection, package.id)
            if newest is not None and newest.digest == package.digest:
                return self._item(connection, newest)
            findings = linting.lint(package, self._world(connection, package.id))
            if any(finding.severity == "error" for finding in findings):
                raise InvalidProcess(findings)
            warnings = sum(finding.severity == "warning" for finding in findings)
            put_into_force(transaction, package, newest.version + 1 if newest else 1, warnings=warnings, by=by)
            return self._item(connection, _newest(connection, package.id))

    def _world(self, connection: Connection, item_id: str) -> linting.World:
        newest = _newest(connection, item_id)
        return linting.World(
            roles={role.lane: role for role in read_roles(connection).values()},
            parameters=parameters.values(connection, None, self._work.clock.today()),
            registers=dict(connection.execute(select(register.c.code, register.c.definition)).all()),
            topics=REQUIRED_INPUTS,
            previous=self.loaded(connection, newest).facts if newest else None,
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    def items(self, unit_id: str | None = None) -> tuple[Item, ...]:
        """Return the power items in force, in the order of their codes."""
        with self._work.read() as connection:
            rows = connection.execute(
                select(process_definition).order_by(process_definition.c.code, process_definition.c.version)
            ).all()
            newest = {row.item_id: row for row in rows}
            return tuple(self._item(connection, row) for row in newest.values())

    def item(self, item_id: str) -> Item:
        """Return one item in force; NotFound when it is not on the list."""
        with self._work.read() as connection:
            return self._item(connection, _in_force(connection, item_id))

    def start_form(self, item_id: str) -> Form | None:
        """Return the form an item is started with."""
        with self._work.read() as connection:
            return self.loaded(connection, _in_force(connection, item_id)).start_form

    def diagram(self, definition_id: str, process_id: str | None = None) -> bytes:
        """Return the BPMN file of the item, or of a process it calls, as deployed; NotFound when there is none."""
        with self._work.read() as connection:
            loaded = self.loaded(connection, definition_row(connection, definition_id))
        package = loaded.package
        if process_id in (None, loaded.facts.id):
            return package.files[package.main]
        process = next((each for each in loaded.facts.called if each.id == process_id), None)
        if process is None:
            raise NotFound("流程图", str(process_id))
        return package.files[f"{process.folder}/{process.id}.bpmn"]

    def definition(self, item_id: str, version: int | None = None, *, call: str = "") -> DefinitionView:
        """Return a definition with facts, findings and versions for the designer, and the picture of one call."""
        with self._work.read() as connection:
            rows = _versions(connection, item_id)
            row = next((row for row in rows if version in (None, row.version)), None)
            if row is None:
                raise NotFound("流程", item_id)
            loaded = self.loaded(connection, row)
            world = replace(self._world(connection, item_id), previous=None)
            return DefinitionView(
                self._item(connection, row),
                loaded.facts,
                tuple(linting.lint(loaded.package, world)),
                tuple(_version_view(connection, each) for each in rows),
                tuple(sorted(loaded.package.files)),
                _limits(loaded, parameters.reader(connection, None, self._work.clock.today())),
                pictures.drawn(loaded.facts, call),
                tuple(
                    PictureScore(file, each.score, each.passes, each.character, each.sheet)
                    for file, each in scores(loaded.package)
                ),
            )

    def guide(self, item_id: str, *, unit_id: str, call: str = "") -> Guide:
        """Return 办事指南: who, how and until when, as drawn, and the picture of one call."""
        with self._work.read() as connection:
            row = _in_force(connection, item_id)
            loaded = self.loaded(connection, row)
            directory = Directory(connection, unit_id, self._work.clock.today())
            param = parameters.reader(connection, unit_id, self._work.clock.today())
            steps = tuple(_guide_step(a, directory, param, loaded) for a in loaded.facts.in_order() if a.is_task)
            facts = loaded.facts
            if facts.level not in directory.units:
                raise NotFound("村镇", unit_id)
            return Guide(
                self._item(connection, row),
                directory.units[facts.level],
                _first_contact(steps, directory),
                limit_text(facts.promise.value, facts.promise.unit) if facts.promise else "",
                _usual(connection, item_id),
                _materials(loaded.facts.in_order()),
                steps,
                tuple(filter(None, (part.strip() for part in facts.excludes.replace("；", "\n").splitlines()))),
                facts.legal_basis,
                loaded.start_form if facts.public_start else None,
                pictures.drawn(facts, call),
            )

    def deployed(self, definition_id: str) -> Deployed:
        """Return the executable definition of that id."""
        with self._work.read() as connection:
            return self.loaded(connection, definition_row(connection, definition_id))

    def of(self, connection: Connection, definition_id: str) -> Deployed:
        """Return the executable definition of that id; what an id stands for never changes."""
        known = self._by_id.get(definition_id)
        if known is None:
            known = self._by_id[definition_id] = self.loaded(connection, self.row(connection, definition_id))
        return known

    def row(self, connection: Connection, definition_id: str) -> Row:
        """Return a process_definition row, which never changes."""
        if definition_id not in self._rows:
            self._rows[definition_id] = definition_row(connection, definition_id)
        return self._rows[definition_id]

    def loaded(self, connection: Connection, row: Row) -> Deployed:
        """Return the executable definition of a process_definition row; kept for the life of the process."""
        with self._lock:
            if row.digest not in self._loaded:
                files = connection.execute(
                    select(deployment_file.c.name, deployment_file.c.content).where(
                        deployment_file.c.digest == row.digest
                    )
                )
                package = packages.read_files(row.item_id, row.code, dict(files.all()))
                self._loaded[row.digest] = Deployed.read(package)
            return self._loaded[row.digest]

    def _package_in_force(self, connection: Connection, item_id: str) -> Package | None:
        row = _newest(connection, item_id)
        return self.loaded(connection, row).package if row else None

    def _item(self, connection: Connection, row: Row) -> Item:
        loaded = self.loaded(connection, row)
        return Item(
            row.item_id,
            row.code,
            row.name,
            row.category,
            row.id,
            row.version,
            row.deployed_at,
            loaded.facts,
            loaded.starting_lanes,
            row.warnings,
        )


def put_into_force(
    transaction: Transaction, package: Package, version: int, *, warnings: int = 0, by: str | None = None
) -> None:
    """Make a package the newest version of its item; what time opens is planned anew."""
    facts = Deployed.read(package).facts
    start = next(activity for activity in facts.activities if activity.kind == "startEvent")
    _keep_files(transaction.connection, package)
    transaction.connection.execute(
        insert(process_definition).values(
            id=new_id(),
            item_id=package.id,
            version=version,
            code=facts.code,
            name=facts.name,
            category=facts.category,
            digest=package.digest,
            warnings=warnings,
            start_message=start.message,
            start_timer=bool(start.timer),
            deployed_at=transaction.now,
            deployed_by=by,
        )
    )
    if start.timer:
        _plan_openings(transaction, package.id)
    transaction.log(
        county_id(transaction.connection),
        "deployed",
        actor_id=by,
        data={"item": package.id, "version": version, "digest": package.digest},
    )


def _plan_openings(transaction: Transaction, item_id: str) -> None:
    key, now = f"start.plan:{item_id}", transaction.now
    planned = transaction.connection.execute(update(job).where(job.c.key == key).values(state="open", due_at=now))
    if planned.rowcount:
        return
    transaction.connection.execute(
        insert(job).values(
            id=new_id(), kind="start.plan", key=key, payload={"item_id": item_id}, state="open", due_at=now, priority=1
        )
    )


def definition_row(connection: Connection, definition_id: str) -> Row:
    """Return a process_definition row; NotFound when there is none."""
    row = connection.execute(select(process_definition).where(process_definition.c.id == definition_id)).one_or_none()
    if row is None:
        raise NotFound("流程", definition_id)
    return row


def _in_force(connection: Connection, item_id: str) -> Row:
    row = _newest(connection, item_id)
    if row is None:
        raise NotFound("权力事项", item_id)
    return row


def _newest(connection: Connection, item_id: str) -> Row | None:
    return next(iter(_versions(connection, item_id)), None)


def _versions(connection: Connection, item_id: str) -> list[Row]:
    statement = select(process_definition).where(process_definition.c.item_id == item_id)
    return list(connection.execute(statement.order_by(process_definition.c.version.desc())))


def _keep_files(connection: Connection, package: Package) -> None:
    known = set(connection.scalars(select(deployment_file.c.name).where(deployment_file.c.digest == package.digest)))
    new = [
        {"digest": package.digest, "name": name, "content": content}
        for name, content in package.files.items()
        if name not in known
    ]
    if new:
        connection.execute(insert(deployment_file), new)


def county_id(connection: Connection) -> str:
    """Return the unit at the top; "" before there is one."""
    return connection.scalar(select(org_unit.c.id).where(org_unit.c.parent_id.is_(None)).order_by(org_unit.c.id)) or ""


def _version_view(connection: Connection, row: Row) -> Version:
    running = connection.scalar(
        select(func.count())
        .select_from(process_instance)
        .where(process_instance.c.definition_id == row.id, process_instance.c.state == "open")
    )
    by = connection.scalar(select(person.c.name).where(person.c.id == row.deployed_by)) if row.deployed_by else ""
    return Version(row.id, row.version, row.deployed_at, by or "系统", row.digest, running)


def _guide_step(
    activity: Activity, directory: Directory, param: Callable[[str], object], loaded: Deployed
) -> GuideStep:
    role = directory.role_of_lane(activity.lane)
    people = directory.contacts(role.code, "") if role else ()
    return GuideStep(
        activity.name,
        activity.lane,
        "、".join(contact.name for contact in people),
        _limit(activity, param),
        activity.explanation,
        activity.materials,
        activity.legal_basis,
        activity.risk_points,
        loaded.branches(activity.id),
    )


def _limits(loaded: Deployed, param: Callable[[str], object]) -> dict[str, str]:
    return {each.id: text for each in loaded.facts.in_order() if (text := _limit(each, param))}


def _limit(activity: Activity, param: Callable[[str], object]) -> str:
    """Return the time limit of a step as people read it, "" when it has none."""
    limit = activity.time_limit
    if limit is None:
        return ""
    return limit_text(int(param(limit.param)) if limit.param else limit.value, limit.unit)


def _first_contact(steps: tuple[GuideStep, ...], directory: Directory) -> Contact:
    lane = steps[0].lane if steps else ""
    role = directory.role_of_lane(lane)
    contacts = directory.contacts(role.code, "找谁办") if role else ()
    return contacts[0] if contacts else Contact("找谁办", lane, "", "")


def _materials(activities: Iterable[Activity]) -> tuple[Material, ...]:
    """What the applicant brings: the materials named at the start event."""
    return tuple(m for activity in activities if activity.kind == "startEvent" for m in activity.materials)


def _usual(connection: Connection, item_id: str) -> str:
    rows = connection.execute(
        select(process_instance.c.started_at, process_instance.c.ended_at)
        .where(process_instance.c.item_id == item_id, process_instance.c.state == "done")
        .order_by(process_instance.c.ended_at.desc())
        .limit(100)
    ).all()
    if len(rows) < USUAL_FROM:
        return ""
    used = sorted(workdays_between(local_date(row.started_at), local_date(row.ended_at)) for row in rows)
    return limit_text(used[len(used) // 2] or 0, "wd")


def unit_row(connection: Connection, unit_id: str) -> Row:
    """Return an org_unit row; NotFound when there is none."""
    row = connection.execute(select(org_unit).where(org_unit.c.id == unit_id)).one_or_none()
    if row is None:
        raise NotFound("村镇", unit_id)
    return row


def _scenarios(folder: Path) -> list[Mapping] | None:
    """Return the scenarios beside a package; None where it has no such file, or one that playing it will refuse."""
    try:
        found = json.loads((folder / "scenarios.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else None
