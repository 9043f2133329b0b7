"""People: accounts, sign-in, posts with terms, substitution."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, Row, insert, or_, select, update

from engine.errors import Conflict, InvalidForm, NotAllowed, NotFound, Refused
from engine.identifiers import new_id, token_hash
from engine.services import throttle
from engine.services.kept import kept, version
from engine.services.permission import BODY_POSTS, Role, in_force, read_roles, unit_view
from engine.services.repository import Repository, unit_row
from engine.services.staffing import reassign
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.session import locked
from engine.store.tables import appointment, org_unit, password_link, person, process_instance, substitution
from engine.views import Actor, Person, Post, Unit

#: which side of the house a post belongs to; every other post is a cadre's
SIDES = {
    "SB": ("cadre", "supervisor"),
    "DG": ("supervisor",),
    "IS": ("supervisor",),
    "TG": ("supervisor", "cadre"),
    "TD": ("supervisor",),
    "CDI": ("supervisor",),
    "CA": ("cadre",),
    "SA": ("administrator",),
    "PD": ("designer",),
}
#: the post that keeps persons and posts
_ADMINISTRATOR = "SA"
LEVEL_ORDER = {"county": 0, "township": 1, "village": 2, "group": 3}

LINK_VALID = timedelta(days=3)
PASSWORD_LENGTH = 8
#: hashing more would only cost time
PASSWORD_MOST = 200

_HASHER = PasswordHasher()
#: compared against when there is no such account: a wrong name takes as long as a wrong password
_NOBODY = _HASHER.hash(secrets.token_hex(16))


class Identity:
    """One public method, one transaction."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository) -> None:
        self._work = unit_of_work
        self._repository = repository

    # --- who is it --------------------------------------------------------------------------------------------------

    def actor(self, person_id: str) -> Actor:
        """Return a person with account and the posts in force today; NotFound when there is none."""
        with self._work.read() as connection:
            return _actor(connection, person_id, self._work.clock.today())

    def may(self, person_id: str, side: str) -> bool:
        """Tell whether a person may use one side: cadre, supervisor, designer, administrator."""
        return side in self.actor(person_id).sides

    def sign_in(self, login: str, password: str, address: str) -> Actor:
        """Check name and password.

        :raises Refused: ``too_many_tries`` for this name or address within an hour.
        :raises NotAllowed: name or password is wrong; never says which.
        """
        keys = [f"login:{login.strip().lower()[:100]}", f"address:{address[:100]}"]
        throttle.check_tries(self._work, keys[0], throttle.TRIES, "密码输错次数太多")
        throttle.check_tries(self._work, keys[1], throttle.TRIES * 20, "这个地址试得太多")
        with self._work.read() as connection:
            row = connection.execute(
                select(person.c.id, person.c.password_hash).where(person.c.login == login.strip().lower())
            ).one_or_none()
        if not _matches(row.password_hash if row else None, password):
            throttle.note_tries(self._work, *keys)
            raise NotAllowed("用户名或者密码不对", "忘了密码请找系统管理员")
        throttle.forget_tries(self._work, keys[0])
        return self.actor(row.id)

    # --- passwords --------------------------------------------------------------------------------------------------

    @retried
    def password_link(self, person_id: str, *, by: str) -> str:
        """Return a one-time token with which the person sets the password; earlier ones end."""
        with self._work.write() as transaction:
            _require_administrator(transaction, by)
            _person_row(transaction.connection, person_id)
            transaction.connection.execute(
                update(password_link)
                .where(password_link.c.person_id == person_id, password_link.c.used_at.is_(None))
                .values(used_at=transaction.now)
            )
            token = secrets.token_urlsafe(24)
            transaction.connection.execute(
                insert(password_link).values(
                    token_hash=token_hash(token), person_id=person_id, expires_at=transaction.now + LINK_VALID
                )
            )
            transaction.log(
                _home(transaction.connection, person_id), "password_link", actor_id=by, data={"person": person_id}
            )
            return token

    def link_holder(self, token: str) -> Person:
        """Return whose password a link sets; NotFound when it is used up, out of date or wrong."""
        with self._work.read() as connection:
            row = _valid_link(connection, token, self._work.clock.now())
            return _person(connection, _person_row(connection, row.person_id), self._work.clock.today())

    @retried
    def set_password(self, token: str, password: str) -> Actor:
        """Set the password with a one-time link; all open sessions of the person end.

        :raises NotFound: the link is used up, out of date or wrong.
        :raises InvalidForm: the password is too short.
        """
        _check_password(password)
        with self._work.write() as transaction:
            row = _valid_link(transaction.connection, token, transaction.now)
            transaction.connection.execute(
                update(password_link)
                .where(password_link.c.token_hash == token_hash(token))
                .values(used_at=transaction.now)
            )
            _save_password(transaction.connection, row.person_id, password)
            transaction.log(_home(transaction.connection, row.person_id), "password_set", actor_id=row.person_id)
            person_id = row.person_id
        return self.actor(person_id)

    @retried
    def change_password(self, person_id: str, *, old: str, new: str) -> Actor:
        """Change one's own password; all other sessions end."""
        _check_password(new)
        with self._work.write() as transaction:
            row = _person_row(transaction.connection, person_id)
            if not _matches(row.password_hash, old):
                raise InvalidForm({"old": "原来的密码不对"})
            _save_password(transaction.connection, person_id, new)
            transaction.log(row.unit_id, "password_set", actor_id=person_id)
        return self.actor(person_id)

    # --- people and posts -------------------------------------------------------------------------------------------

    @retried
    def add_person(
        self, *, by: str, name: str, unit_id: str, group_name: str = "", phone: str = "", login: str = ""
    ) -> Person:
        """Put a person on the roll of a unit; with ``login`` the person gets an account."""
        if not name.strip():
            raise InvalidForm({"name": "请填写“姓名”"})
        with self._work.write() as transaction:
            _require_administrator(transaction, by)
            unit_row(transaction.connection, unit_id)
            account = login.strip().lower() or None
            if account and transaction.connection.scalar(select(person.c.id).where(person.c.login == account)):
                raise InvalidForm({"login": "这个用户名已经有人用了，请换一个"})
            person_id = add_person(transaction.connection, name.strip(), unit_id, group_name, phone, account)
            transaction.log(unit_id, "person_added", actor_id=by, data={"person": person_id})
            return _person(transaction.connection, _person_row(transaction.connection, person_id), transaction.today)

    @retried
    def appoint(
        self, person_id: str, *, role: str, unit_id: str, by: str, from_on: date, until_on: date | None = None
    ) -> Post:
        """Give a person a post for a term.

        :raises Refused: ``incompatible``: the person holds a post in the same unit that excludes it (DOMAIN §2).
        """
        with self._work.write() as transaction:
            _require_administrator(transaction, by)
            _person_row(transaction.connection, person_id)
            unit = unit_view(unit_row(transaction.connection, unit_id))
            known = read_roles(transaction.connection)
            if role not in known or known[role].level != unit.level:
                raise InvalidForm({"role": "这个岗位不设在这一级"})
            if until_on and until_on < from_on:
                raise InvalidForm({"until_on": "任期结束不能早于开始"})
            _check_compatible(transaction, known, person_id, role, unit_id, from_on, until_on)
            row_id = add_appointment(transaction, person_id, role, unit_id, from_on, until_on, by)
            transaction.log(unit_id, "post_given", actor_id=by, data={"person": person_id, "role": role})
            reassign(transaction, self._repository, unit_id=unit_id)
            return Post(row_id, role, known[role].lane, unit, from_on, until_on)

    @retried
    def end_appointment(self, post_id: str, *, by: str, on: date | None = None) -> None:
        """End a post before its term; the row stays, its open tasks go to whoever may do them.

        :raises Conflict: it was ended before.
        :raises Refused: ``last_administrator``.
        """
        with self._work.write() as transaction:
            _require_administrator(transaction, by)
            wanted = locked(transaction.connection, select(appointment).where(appointment.c.id == post_id))
            row = transaction.connection.execute(wanted).one_or_none()
            if row is None:
                raise NotFound("任职", post_id)
            if row.ended_on is not None:
                raise Conflict(post_id)
            if row.role == _ADMINISTRATOR:
                _check_not_the_last(transaction, row, on or transaction.today)
            transaction.connection.execute(
                update(appointment).where(appointment.c.id == post_id).values(ended_on=on or transaction.today)
            )
            transaction.log(row.unit_id, "post_ended", actor_id=by, data={"person": row.person_id, "role": row.role})
            reassign(transaction, self._repository, unit_id=row.unit_id)

    @retried
    def substitute(self, person_id: str, *, substitute_id: str, from_on: date, until_on: date, by: str) -> None:
        """Let somebody stand in while a person is absent (代班); every act names both.

        :raises Refused: ``incompatible``: he holds a post that excludes one of the absent (DOMAIN §2).
        """
        if substitute_id == person_id:
            raise InvalidForm({"substitute_id": "不能由本人代本人"})
        if until_on < from_on:
            raise InvalidForm({"until_on": "结束日期不能早于开始日期"})
        with self._work.write() as transaction:
            _require_administrator(transaction, by)
            row = _person_row(transaction.connection, person_id)
            _person_row(transaction.connection, substitute_id)
            roles = read_roles(transaction.connection)
            _check_may_stand_in(transaction.connection, roles, person_id, substitute_id, from_on, until_on)
            transaction.connection.execute(
                insert(substitution).values(
                    id=new_id(),
                    person_id=person_id,
                    substitute_id=substitute_id,
                    from_on=from_on,
                    until_on=until_on,
                    made_by=by,
                    made_at=transaction.now,
                )
            )
            transaction.log(
                row.unit_id, "substituted", actor_id=by, data={"person": person_id, "substitute": substitute_id}
            )

    # --- looking up -------------------------------------------------------------------------------------------------

    def people(self, *, by: str, query: str = "", unit_id: str | None = None) -> tuple[Person, ...]:
        """Return persons on the rolls, for the administrator."""
        with self._work.read() as connection:
            if "administrator" not in _actor(connection, by, self._work.clock.today()).sides:
                raise NotAllowed("人员和岗位由系统管理员管", "系统管理员")
            statement = select(person).order_by(person.c.unit_id, person.c.name).limit(500)
            if unit_id:
                statement = statement.where(person.c.unit_id == unit_id)
            if query.strip():
                text = query.strip()
                named = or_(
                    person.c.name.icontains(text, autoescape=True), person.c.login.icontains(text, autoescape=True)
                )
                statement = statement.where(named)
            today = self._work.clock.today()
            return tuple(_person(connection, row, today) for row in connection.execute(statement).all())

    def person(self, person_id: str, *, by: str) -> Person:
        """Return one person, for the administrator."""
        with self._work.read() as connection:
            if "administrator" not in _actor(connection, by, self._work.clock.today()).sides:
                raise NotAllowed("人员和岗位由系统管理员管", "系统管理员")
            return _person(connection, _person_row(connection, person_id), self._work.clock.today())

    def units(self, level: str | None = None) -> tuple[Unit, ...]:
        """Return the units, county first, in their order."""
        with self._work.read() as connection:
            rows = connection.execute(select(org_unit).order_by(org_unit.c.position, org_unit.c.id)).all()
            units = [unit_view(row) for row in rows if level in (None, row.level)]
            return tuple(sorted(units, key=lambda unit: LEVEL_ORDER.get(unit.level, 9)))

    def unit(self, unit_id: str) -> Unit:
        """Return one unit; NotFound when there is none."""
        with self._work.read() as connection:
            return unit_view(unit_row(connection, unit_id))

    def roles(self) -> tuple[Role, ...]:
        """Return the role list."""
        with self._work.read() as connection:
            return tuple(read_roles(connection).values())


# --- codes of applicants --------------------------------------------------------------------------------------------


def check_code(work: UnitOfWork, receipt: str, code: str) -> Row:
    """Check 回执号 and 查询码; return the matter's row.

    :raises Refused, NotFound: see :func:`engine.services.throttle.row_for_code`.
    """
    return throttle.row_for_code(work, receipt, code, "事项", _matter_of)


def _matter_of(connection: Connection, receipt: str) -> Row | None:
    return connection.execute(select(process_instance).where(process_instance.c.receipt == receipt)).one_or_none()


# --- rows -----------------------------------------------------------------------------------------------------------


def add_person(connection: Connection, name: str, unit_id: str, group_name: str, phone: str, login: str | None) -> str:
    """Insert a person; return the id."""
    person_id = new_id()
    connection.execute(
        insert(person).values(
            id=person_id,
            name=name,
            unit_id=unit_id,
            group_name=group_name,
            phone=phone,
            login=login,
            session_key=secrets.token_hex(16),
        )
    )
    return person_id


def add_appointment(
    transaction: Transaction,
    person_id: str,
    role: str,
    unit_id: str,
    from_on: date,
    until_on: date | None,
    by: str | None,
) -> str:
    """Insert an appointment; return the id."""
    row_id = new_id()
    transaction.connection.execute(
        insert(appointment).values(
            id=row_id,
            person_id=person_id,
            role=role,
            unit_id=unit_id,
            from_on=from_on,
            until_on=until_on,
            appointed_by=by,
            appointed_at=transaction.now,
        )
    )
    return row_id


def _actor(connection: Connection, person_id: str, today: date) -> Actor:
    return kept(version(connection), "actor", person_id, today, read=lambda: _read_actor(connection, person_id, today))


def _read_actor(connection: Connection, person_id: str, today: date) -> Actor:
    row = _person_row(connection, person_id)
    posts = _posts(connection, person_id, today)
    sides = {side for post in posts for side in SIDES.get(post.role, ("cadre",))}
    home = min((post.unit for post in posts), key=lambda unit: LEVEL_ORDER[unit.level], default=None)
    return Actor(
        row.id,
        row.name,
        posts,
        frozenset(sides),
        home or unit_view(unit_row(connection, row.unit_id)),
        row.session_key,
    )


def _posts(connection: Connection, person_id: str, today: date) -> tuple[Post, ...]:
    roles = read_roles(connection)
    rows = connection.execute(
        select(appointment, org_unit)
        .join(org_unit, org_unit.c.id == appointment.c.unit_id)
        .where(appointment.c.person_id == person_id, *in_force(today))
        .order_by(appointment.c.from_on, appointment.c.id)
    ).all()
    posts = []
    for row in rows:
        unit = unit_view(unit_row(connection, row.unit_id))
        posts.append(Post(row[0], row.role, roles[row.role].lane, unit, row.from_on, row.until_on))
    # What a person is goes before what he votes in.
    return tuple(sorted(posts, key=lambda post: post.role in BODY_POSTS))


def _person(connection: Connection, row: Row, today: date) -> Person:
    unit = unit_view(unit_row(connection, row.unit_id))
    return Person(
        row.id, row.name, unit, row.group_name, row.phone, row.login is not None, _posts(connection, row.id, today)
    )


def _person_row(connection: Connection, person_id: str) -> Row:
    # Held by a writer: two posts that exclude each other may not be given at the same time.
    row = connection.execute(locked(connection, select(person).where(person.c.id == person_id))).one_or_none()
    if row is None:
        raise NotFound("人员", person_id)
    return row


def _home(connection: Connection, person_id: str) -> str:
    return connection.scalar(select(person.c.unit_id).where(person.c.id == person_id))


def _require_administrator(transaction: Transaction, by: str) -> None:
    require_administrator(transaction.connection, by, transaction.today, "人员和岗位由系统管理员管")


def require_administrator(connection: Connection, by: str, today: date, reason: str = "后台任务由系统管理员管") -> None:
    """Check that a person keeps the system running; NotAllowed with the reason otherwise."""
    if "administrator" not in _actor(connection, by, today).sides:
        raise NotAllowed(reason, "系统管理员")


def _check_compatible(
    transaction: Transaction,
    roles: dict[str, Role],
    person_id: str,
    role: str,
    unit_id: str,
    from_on: date,
    until_on: date | None,
) -> None:
    """Posts that exclude each other may not overlap in one unit."""
    for held in (row.role for row in _held(transaction.connection, person_id, from_on, until_on, unit_id)):
        if held == role:
            raise Refused("appointed_already", f"已经担任{roles[role].lane}", remedy="要延长任期，请先结束原任职")
        if _exclude(roles, held, role):
            raise Refused(
                "incompatible",
                f"{roles[held].lane}不能兼任{roles[role].lane}",
                "不相容岗位分离（岗位表）",
                f"请先结束{roles[held].lane}的任职，或者另选他人",
            )


def _check_may_stand_in(
    connection: Connection, roles: dict[str, Role], absent: str, substitute: str, from_on: date, until_on: date
) -> None:
    """Who stands in acts in the post of the absent: it may not exclude one of his own."""
    for post in _held(connection, absent, from_on, until_on):
        for own in _held(connection, substitute, from_on, until_on, post.unit_id):
            if _exclude(roles, own.role, post.role):
                raise Refused(
                    "incompatible",
                    f"{roles[own.role].lane}不能代{roles[post.role].lane}",
                    "不相容岗位分离（岗位表）",
                    "请另选他人代",
                )


def _held(
    connection: Connection, person_id: str, from_on: date, until_on: date | None, unit_id: str | None = None
) -> Sequence[Row]:
    """Return the posts a person has on some day of a span, in one unit or in all."""
    statement = select(appointment.c.role, appointment.c.unit_id).where(
        appointment.c.person_id == person_id,
        or_(appointment.c.until_on.is_(None), appointment.c.until_on >= from_on),
        or_(appointment.c.ended_on.is_(None), appointment.c.ended_on > from_on),
        appointment.c.from_on <= (until_on or date.max),
    )
    return connection.execute(statement if unit_id is None else statement.where(appointment.c.unit_id == unit_id)).all()


def _exclude(roles: dict[str, Role], one: str, other: str) -> bool:
    return one in roles[other].incompatible or other in roles[one].incompatible


def _check_not_the_last(transaction: Transaction, row: Row, on: date) -> None:
    """A county without administrator could never appoint anybody again."""
    others = transaction.connection.execute(
        locked(
            transaction.connection,
            select(appointment.c.id).where(
                appointment.c.role == _ADMINISTRATOR,
                appointment.c.id != row.id,
                appointment.c.from_on <= on,
                or_(appointment.c.until_on.is_(None), appointment.c.until_on >= on),
                or_(appointment.c.ended_on.is_(None), appointment.c.ended_on > on),
            ),
        )
    ).all()
    if not others:
        raise Refused("last_administrator", "这是最后一个系统管理员", remedy="请先任命接替的人，再结束这个任职")


def _valid_link(connection: Connection, token: str, now: datetime) -> Row:
    valid = select(password_link).where(
        password_link.c.token_hash == token_hash(token),
        password_link.c.used_at.is_(None),
        password_link.c.expires_at > now,
    )
    row = connection.execute(locked(connection, valid)).one_or_none()
    if row is None:
        raise NotFound("链接")
    return row


def _save_password(connection: Connection, person_id: str, password: str) -> None:
    connection.execute(
        update(person)
        .where(person.c.id == person_id)
        .values(password_hash=_HASHER.hash(password), session_key=secrets.token_hex(16))
    )


def _check_password(password: str) -> None:
    if len(password) < PASSWORD_LENGTH:
        raise InvalidForm({"password": f"密码至少 {PASSWORD_LENGTH} 位"})
    if len(password) > PASSWORD_MOST:
        raise InvalidForm({"password": f"密码最多 {PASSWORD_MOST} 位"})


def _matches(stored: str | None, password: str) -> bool:
    try:
        holds = _HASHER.verify(stored or _NOBODY, password[:PASSWORD_MOST])
    except (VerifyMismatchError, InvalidHashError):
        return False
    return holds and stored is not None and len(password) <= PASSWORD_MOST
