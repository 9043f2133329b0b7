"""Who may act: posts, terms, substitution, recusal and separated hands, by person (DOMAIN §2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from operator import attrgetter

from sqlalchemy import Connection, Row, Select, bindparam, case, func, or_, select

from engine.errors import NotAllowed, NotFound
from engine.model import Activity
from engine.services.kept import kept, version
from engine.store.prepared import Prepared
from engine.store.tables import (
    appointment,
    draft,
    event_log,
    org_unit,
    person,
    recusal,
    relation,
    role,
    substitution,
    task,
)
from engine.views import Contact, Unit

#: posts that keep the system running: they see no matter (DOMAIN §2)
SYSTEM_POSTS = ("SA", "PD")
#: bodies that decide by vote: belonging to one opens nobody's papers (DOMAIN §2)
BODY_POSTS = ("VR", "PM")
#: posts that see how a matter went, but none of its papers
NO_PAPERS_POSTS = (*SYSTEM_POSTS, *BODY_POSTS, "IS")


@dataclass(frozen=True)
class Role:
    code: str
    lane: str
    level: str
    may: tuple[str, ...]
    may_not: tuple[str, ...]
    incompatible: tuple[str, ...]
    #: roles that take over when nobody of this one may act, in turn
    succession: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """Whose turn it is: one person, several who may take it, or nobody."""

    role: str
    candidates: tuple[str, ...]

    @property
    def assignee_id(self) -> str | None:
        return self.candidates[0] if len(self.candidates) == 1 else None

    @property
    def unmanned(self) -> bool:
        return not self.candidates


@dataclass(frozen=True)
class _Lists:
    """What the database says of the posts around one unit on one day; shared, so nobody writes to it."""

    units: Mapping[str, Unit]
    roles: Mapping[str, Role]
    posts: Sequence[Row]
    substitutes: Sequence[Row]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Person id → name, of those in post."""
        return {row.id: row.name for row in self.posts}

    @cached_property
    def posts_of(self) -> Mapping[str, tuple[str, ...]]:
        """Person id → role codes; what he votes in comes after what he is."""
        held: dict[str, list[str]] = {}
        for row in self.posts:
            held.setdefault(row.id, []).append(row.role)
        return {
            person_id: tuple(sorted(codes, key=lambda code: code in BODY_POSTS)) for person_id, codes in held.items()
        }

    @cached_property
    def by_lane(self) -> Mapping[str, Role]:
        """Lane → role; the first of the list where two share one."""
        return {role.lane: role for role in reversed(self.roles.values())}

    @cached_property
    def holders(self) -> Mapping[str, tuple[str, ...]]:
        """Role code → the persons in that post in the unit of its level."""
        return {code: tuple(row.id for row in self.rows(code)) for code in self.roles}

    def rows(self, code: str) -> list[Row]:
        """Return the posts of that role in the unit of its level."""
        unit = self.units.get(self.roles[code].level) if code in self.roles else None
        return [row for row in self.posts if row.role == code and unit and row.unit_id == unit.id]

    @classmethod
    def read(cls, connection: Connection, unit_id: str, on: date) -> _Lists:
        units = _units_above(connection, unit_id)
        posts = connection.execute(
            select(appointment.c.role, appointment.c.unit_id, person.c.id, person.c.name, person.c.phone)
            .join(person, person.c.id == appointment.c.person_id)
            .where(appointment.c.unit_id.in_([unit.id for unit in units.values()]), *in_force(on))
            .order_by(appointment.c.from_on, appointment.c.id)
        ).all()
        substitutes = connection.execute(
            select(substitution.c.person_id, substitution.c.substitute_id, person.c.name)
            .join(person, person.c.id == substitution.c.substitute_id)
            .where(substitution.c.from_on <= on, substitution.c.until_on >= on)
            .where(substitution.c.person_id.in_([row.id for row in posts]))
        ).all()
        return cls(units, read_roles(connection), posts, substitutes)


class Directory:
    """The posts in force around one unit on one day: its own, its township's and its county's.

    :param lists: the version of the lists (:mod:`engine.services.kept`) where it has been read already
    """

    def __init__(self, connection: Connection, unit_id: str, on: date, lists: str | None = None) -> None:
        self.on = on
        self.lists = lists or version(connection)
        self._connection = connection
        known = kept(self.lists, "posts", unit_id, on, read=lambda: _Lists.read(connection, unit_id, on))
        self.units, self.roles = known.units, known.roles
        self._known = known

    def role_of_lane(self, lane: str) -> Role | None:
        """Return the role drawn as that lane; None for lanes without account (申请人)."""
        return self._known.by_lane.get(lane)

    def holders(self, code: str) -> tuple[str, ...]:
        """Return the persons in that post in the unit of its level."""
        return self._known.holders.get(code, ())

    def posts_of(self, person_id: str) -> tuple[str, ...]:
        """Return the role codes a person holds around this unit; what he votes in comes after what he is."""
        return self._known.posts_of.get(person_id, ())

    def sees_matters(self, person_id: str) -> bool:
        """Tell whether a person's posts let him see how the matters of this unit go."""
        return any(code not in (*SYSTEM_POSTS, *BODY_POSTS) for code in self.posts_of(person_id))

    def sees_papers(self, person_id: str) -> bool:
        """Tell whether a person's posts let him open the papers of this unit's matters."""
        return any(code not in NO_PAPERS_POSTS for code in self.posts_of(person_id))

    def substitutes_of(self, person_id: str) -> tuple[str, ...]:
        """Return who stands in for that person today."""
        return tuple(row.substitute_id for row in self._known.substitutes if row.person_id == person_id)

    def title(self, person_id: str | None, lane: str = "") -> str:
        """Return post and name: 村委会主任 王长河."""
        if person_id is None:
            return lane
        held = [self.roles[code].lane for code in self.posts_of(person_id)]
        post = lane if lane in held else (held[0] if held else lane)
        return f"{post} {self._name(person_id)}".strip()

    def _name(self, person_id: str) -> str:
        """Return a person's name; who was named for one task or stands in may have no post here."""
        if person_id in self._known.names:
            return self._known.names[person_id]
        return kept(
            self.lists, "name", person_id, read=lambda: self._connection.scalar(_NAME, {"person": person_id}) or ""
        )

    def post_of(self, person_id: str) -> str:
        """Return the first post a person holds around this unit, "" without one."""
        held = self.posts_of(person_id)
        return self.roles[held[0]].lane if held else ""

    def contacts(self, code: str, label: str) -> tuple[Contact, ...]:
        """Return the holders of a post as people to call."""
        return tuple(Contact(label, self.roles[code].lane, row.name, row.phone) for row in self._known.rows(code))

    def assign(self, activity: Activity, bars: Bars) -> Assignment:
        """Return whose turn a step is: its lane's role, else the next of the succession not barred."""
        own = self.role_of_lane(activity.lane)
        if own is None:
            return Assignment("", ())
        for code in (own.code, *own.succession):
            free = tuple(dict.fromkeys(p for p in self.holders(code) if not bars.reason(p, activity)))
            if free:
                return Assignment(code, free)
        return Assignment(own.code, ())


@dataclass(frozen=True)
class Bars:
    """Why persons may not act in one matter."""

    applicant_id: str | None
    #: person id → how related to the applicant
    relatives: dict[str, str]
    #: person id → reason declared
    recused: dict[str, str]
    #: element id → persons who have done it (and those they did it for)
    hands: dict[str, frozenset[str]]
    #: element id → step name
    steps: dict[str, str]

    def reason(self, person_id: str, activity: Activity) -> str:
        """Return the Chinese reason why that person may not do that step, or ""."""
        if person_id == self.applicant_id:
            return "您是这件事的申请人，应当回避"
        if person_id in self.relatives:
            return f"您与申请人是亲属（{self.relatives[person_id]}），应当回避"
        if person_id in self.recused:
            return f"您已申报回避：{self.recused[person_id]}"
        for element in activity.separate:
            if person_id in self.hands.get(element, ()):
                return f"您办过〈{self.steps.get(element, element)}〉，同一件事的这一步要换人办"
        return ""

    def with_hand(self, element: str, *person_ids: str, step: str = "") -> Bars:
        """Return the bars as if these persons had done that step too."""
        hands = {**self.hands, element: self.hands.get(element, frozenset()).union(person_ids)}
        return replace(self, hands=hands, steps={**self.steps, element: step} if step else self.steps)


def names(connection: Connection, ids: Iterable[str | None], lists: str | None) -> Mapping[str, str]:
    """Return id → name of these persons; shared, so nobody may write to it."""
    wanted = frozenset(ids) - {None, ""}
    if not wanted:
        return {}
    return kept(lists, "names", wanted, read=lambda: dict(connection.execute(_NAMES, {"people": list(wanted)}).all()))


_NAMES = select(person.c.id, person.c.name).where(person.c.id.in_(bindparam("people", expanding=True)))
_NAME = select(person.c.name).where(person.c.id == bindparam("person"))
_RELATIVES = select(relation).where(
    or_(relation.c.person_id == bindparam("person"), relation.c.relative_id == bindparam("person"))
)
_TASKS = Prepared(
    select(
        task.c.id,
        task.c.unit_id,
        task.c.element,
        task.c.step,
        task.c.lane,
        task.c.role,
        task.c.assignee_id,
        task.c.unmanned,
        task.c.named,
        task.c.state,
        task.c.limit_value,
        task.c.completed_by,
        task.c.on_behalf_of,
        task.c.form_token,
        # Only who has an open task keeps a draft: nothing is looked up for those that have ended.
        case(
            (task.c.state == "open", select(func.count()).where(draft.c.task_id == task.c.id).scalar_subquery()),
            else_=0,
        ).label("drafts"),
        select(func.count()).where(recusal.c.instance_id == bindparam("matter")).scalar_subquery().label("recusals"),
    )
    .where(task.c.instance_id == bindparam("matter"))
    .order_by(task.c.created_at, task.c.id)
)
_RECUSALS = Prepared(select(recusal.c.person_id, recusal.c.reason).where(recusal.c.instance_id == bindparam("matter")))


def tasks_of(connection: Connection, instance_id: str) -> Sequence[Row]:
    """Return all tasks of a matter, open and ended, the oldest first: whose they are and who has done them.

    ``drafts`` and ``recusals`` say how many the task and the matter have.
    """
    return _TASKS.all(connection, {"matter": instance_id})


def read_bars(
    connection: Connection,
    instance_id: str,
    applicant_id: str | None,
    declared: list[str],
    lists: str | None = None,
    tasks: Sequence[Row] | None = None,
) -> Bars:
    """Read who is barred from a matter.

    :param declared: relatives named when it was registered
    :param tasks: its tasks, where they have been read already
    """
    tasks = tasks_of(connection, instance_id) if tasks is None else tasks
    relatives = dict.fromkeys(declared, "登记时申报")
    if applicant_id:
        relatives |= kept(lists, "relatives", applicant_id, read=lambda: _relatives(connection, applicant_id))
    # Whoever leaves a matter does so from one of its tasks.
    has_recusals = bool(tasks and tasks[0].recusals)
    recused = dict(map(tuple, _RECUSALS.all(connection, {"matter": instance_id}))) if has_recusals else {}
    hands: dict[str, set[str]] = {}
    steps: dict[str, str] = {}
    for state, element, step, *people in map(_HANDS, tasks):
        if state == "completed":
            hands.setdefault(element, set()).update(filter(None, people))
            steps[element] = step
    return Bars(applicant_id, relatives, recused, {key: frozenset(each) for key, each in hands.items()}, steps)


_HANDS = attrgetter("state", "element", "step", "completed_by", "on_behalf_of")


def _relatives(connection: Connection, person_id: str) -> dict[str, str]:
    return {
        row.relative_id if row.person_id == person_id else row.person_id: row.kind
        for row in connection.execute(_RELATIVES, {"person": person_id})
    }


def acts_for(directory: Directory, bars: Bars, row: Row, activity: Activity, person_id: str) -> str | None:
    """Check that a person may do an open task; return whom he stands in for, None when he acts himself.

    :raises NotAllowed: with the reason and who may instead.
    """
    reason = bars.reason(person_id, activity)
    if reason:
        raise NotAllowed(reason, _whose(directory, row))
    if row.assignee_id == person_id:
        if row.named or row.role in directory.posts_of(person_id):
            return None
        raise NotAllowed("您的任期已经结束，这一步不再归您办", _whose(directory, row))
    if row.assignee_id and person_id in directory.substitutes_of(row.assignee_id):
        return row.assignee_id
    if row.assignee_id is None and not row.unmanned and person_id in directory.holders(row.role):
        return None
    raise NotAllowed(f"这一步归{_whose(directory, row) or row.lane}办", _whose(directory, row))


def _whose(directory: Directory, row: Row) -> str:
    if row.unmanned:
        return (
            f"{row.lane}（现在没人办，由{directory.units['township'].name}指定）"
            if "township" in directory.units
            else ""
        )
    return directory.title(row.assignee_id, row.lane)


def absents_of(connection: Connection, person_id: str, on: date, lists: str | None) -> frozenset[str]:
    """Return the persons somebody stands in for on a day."""
    return kept(
        lists,
        "absents",
        person_id,
        on,
        read=lambda: frozenset(connection.scalars(_ABSENTS, {"substitute": person_id, "on": on})),
    )


_ABSENTS = select(substitution.c.person_id).where(
    substitution.c.substitute_id == bindparam("substitute"),
    substitution.c.from_on <= bindparam("on"),
    substitution.c.until_on >= bindparam("on"),
)


def has_part(connection: Connection, instance_id: str, person_id: str, on: date) -> bool:
    """Tell whether a step of that matter is or was the person's: assigned, done, or he stands in for who has it."""
    absent = select(substitution.c.person_id).where(
        substitution.c.substitute_id == person_id, substitution.c.from_on <= on, substitution.c.until_on >= on
    )
    own = or_(
        task.c.assignee_id == person_id,
        task.c.completed_by == person_id,
        (task.c.state == "open") & task.c.assignee_id.in_(absent),
    )
    return connection.scalar(select(task.c.id).where(task.c.instance_id == instance_id, own).limit(1)) is not None


def taken_part(person_id: object) -> Select:
    """Return the select of the matters in which a person, or whoever a parameter names, has done a step."""
    return select(event_log.c.instance_id).where(event_log.c.actor_id == person_id, event_log.c.kind == "completed")


def units_of(connection: Connection, person_id: str, on: date) -> list[str]:
    """Return the units a person has a post in, and every unit below them; system posts see no matters."""
    return units_below(connection, own_units(connection, person_id, on))


def own_units(connection: Connection, person_id: str, on: date) -> tuple[str, ...]:
    """Return the units a person has a post in; system posts do not count."""
    units = connection.scalars(
        select(appointment.c.unit_id).where(
            appointment.c.person_id == person_id, appointment.c.role.not_in((*SYSTEM_POSTS, *BODY_POSTS)), *in_force(on)
        )
    )
    return tuple(dict.fromkeys(units))


def units_below(connection: Connection, unit_ids: Iterable[str]) -> list[str]:
    """Return these units and every unit under them."""
    found: list[str] = []
    level = list(unit_ids)
    while level:
        found += level
        level = list(connection.scalars(select(org_unit.c.id).where(org_unit.c.parent_id.in_(level))))
    return found


def in_force(on: date) -> tuple:
    """Return the conditions of an appointment in force on a day."""
    return (
        appointment.c.from_on <= on,
        or_(appointment.c.until_on.is_(None), appointment.c.until_on >= on),
        or_(appointment.c.ended_on.is_(None), appointment.c.ended_on > on),
    )


def read_roles(connection: Connection) -> dict[str, Role]:
    """Return all roles by code in the order of the role list."""
    return {
        row.code: Role(
            row.code,
            row.lane,
            row.level,
            tuple(row.may),
            tuple(row.may_not),
            tuple(row.incompatible),
            tuple(row.succession),
        )
        for row in connection.execute(select(role).order_by(role.c.position))
    }


def _units_above(connection: Connection, unit_id: str) -> dict[str, Unit]:
    """Return the unit and those above it by level."""
    units: dict[str, Unit] = {}
    next_id: str | None = unit_id
    while next_id:
        row = connection.execute(select(org_unit).where(org_unit.c.id == next_id)).one_or_none()
        if row is None:
            raise NotFound("村镇", next_id)
        units[row.level] = unit_view(row)
        next_id = row.parent_id
    return units


def unit_view(row: Row) -> Unit:
    """Return an org_unit row as people see it."""
    return Unit(row.id, row.name, row.level, row.parent_id, row.service_phone, row.supervision_phone)


def unit_of(mapping: Mapping) -> Unit:
    """Return the org_unit columns of a joined row as a unit."""
    return Unit(*(mapping[org_unit.c[name]] for name in _UNIT_COLUMNS))


_UNIT_COLUMNS = ("id", "name", "level", "parent_id", "service_phone", "supervision_phone")
