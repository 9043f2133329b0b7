"""What villagers see and say without an account: notices, objections to them, suggestions, and the answers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy import Connection, Row, UnaryExpression, and_, func, insert, select

from engine.bpmn.forms.form import Form
from engine.clock import local_date
from engine.connectors.notices import TOLD
from engine.errors import NotFound, Refused
from engine.identifiers import code_for, code_hash, new_id, new_receipt, token_hash
from engine.masking import mask_text
from engine.model import Activity
from engine.services import limits, matters, objections, throttle
from engine.services.deployed import Deployed
from engine.services.messages import settle
from engine.services.permission import Directory, unit_view
from engine.services.reconcile import Act
from engine.services.repository import Repository, definition_row
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.tables import notice, objection, org_unit, process_definition, process_instance, suggestion
from engine.views import Filed, Notice, Voice

#: the item that gathers suggestions, and the form they are written in
COLLECTION, SUGGESTION_FORM = "suggestion_collection", "suggestion_request.form"


class Disclosure:
    """One public method, one transaction."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository) -> None:
        self._work = unit_of_work
        self._repository = repository

    # --- notices ----------------------------------------------------------------------------------------------------

    def notices(self, unit_id: str, *, limit: int = 50) -> tuple[Notice, ...]:
        """Return the notices of a unit, those on show first, then the latest."""
        with self._work.read() as connection:
            rows = connection.execute(
                _notices()
                .where(notice.c.unit_id == unit_id)
                .order_by(*_on_show_first(local_date(self._work.clock.now())), notice.c.posted_at.desc())
                .limit(limit)
            ).all()
            return tuple(self._notice(connection, row) for row in rows)

    def notice(self, notice_id: str) -> Notice:
        """Return one notice with the answers to the objections against it; NotFound."""
        with self._work.read() as connection:
            return self._notice(connection, _notice_row(connection, notice_id))

    def objection_form(self, notice_id: str) -> Form:
        """Return the form of an objection to that notice; NotFound when its process takes none."""
        with self._work.read() as connection:
            row = _notice_row(connection, notice_id)
            return _form(*self._catch(connection, row.definition_id))

    @retried
    def object(
        self, notice_id: str, *, data: Mapping[str, Sequence[str]], address: str = "", form_token: str = ""
    ) -> Filed:
        """Raise an objection to a notice on show; who it is will be checked by the village board.

        :raises Refused: ``notice_over``, ``notice_tells`` or ``too_many_tries`` from one address.
        :raises InvalidForm: with a sentence per field.
        """
        with self._work.write() as transaction:
            row = _notice_row(transaction.connection, notice_id)
            known = _repeated(transaction, objection, form_token)
            if known:
                return known
            if row.state == TOLD:
                remedy = "有意见请提建议，或者打监督电话；验收以后结果还要公示，那时可以提异议"
                raise Refused("notice_tells", "这里公开的是实施进展，不收异议", remedy=remedy)
            if row.state != "shown" or transaction.today > row.ends_on:
                remedy = "请到村便民服务室当面反映，或者打监督电话"
                raise Refused("notice_over", "这件公示已经结束，不再收异议", remedy=remedy)
            matter = matters.load(transaction, self._repository, row.instance_id)
            form, activity = objections.form_and_activity(matter.definition)
            values = form.clean(data, {}, matter.environment.functions)
            throttle.count_sent(transaction, "objection", address, row.unit_id)
            salt, receipt, code = _receipt(form_token)
            transaction.connection.execute(
                insert(objection).values(
                    **salt,
                    id=new_id(),
                    notice_id=row.id,
                    instance_id=row.instance_id,
                    unit_id=row.unit_id,
                    receipt=receipt,
                    form_token_hash=token_hash(form_token) if form_token else None,
                    text=values["text"],
                    name=values["name"],
                    phone=values["phone"],
                    group_name=values["group_name"],
                    at=transaction.now,
                    state="open",
                )
            )
            submission_id, digest = matters.submit(
                transaction, row.instance_id, activity.id, activity.name, values, by=None, task_id=None
            )
            # One that comes while another is being answered waits in its row until the process asks for the next.
            if matter.workflow.receive(objections.MESSAGE, {}):
                settle(self._repository, transaction, matter, Act(by=None, submission_id=submission_id, digest=digest))
            return Filed(receipt, code)

    # --- suggestions ------------------------------------------------------------------------------------------------

    def suggestion_form(self) -> Form:
        """Return the form of the suggestion box; NotFound where no collection is in force."""
        with self._work.read() as connection:
            return self._collection(connection).forms[SUGGESTION_FORM]

    @retried
    def suggest(
        self,
        unit_id: str,
        *,
        data: Mapping[str, Sequence[str]],
        channel: str = "box",
        address: str = "",
        form_token: str = "",
    ) -> Filed:
        """Put a suggestion into the village's box; the next monthly collection answers it.

        :raises Refused: ``too_many_tries`` from one address.
        :raises InvalidForm: with a sentence per field.
        """
        with self._work.write() as transaction:
            known = _repeated(transaction, suggestion, form_token)
            if known:
                return known
            directory = Directory(transaction.connection, unit_id, transaction.today)
            if directory.units.get("village") is None or directory.units["village"].id != unit_id:
                raise NotFound("村", unit_id)
            form = self._collection(transaction.connection).forms[SUGGESTION_FORM]
            values = form.clean(data, {}, {})
            throttle.count_sent(transaction, "suggestion", address, unit_id)
            salt, receipt, code = _receipt(form_token)
            transaction.connection.execute(
                insert(suggestion).values(
                    **salt,
                    id=new_id(),
                    unit_id=unit_id,
                    receipt=receipt,
                    form_token_hash=token_hash(form_token) if form_token else None,
                    text=values["text"],
                    name=values["name"] or "",
                    phone=values["phone"] or "",
                    group_name=values["group_name"] or "",
                    channel=channel,
                    at=transaction.now,
                    state="open",
                )
            )
            return Filed(receipt, code)

    def answer(self, receipt: str, *, code: str) -> Voice:
        """Return what became of an objection or a suggestion, for who shows its receipt and code.

        :raises Refused: ``too_many_tries``. :raises NotFound: the pair does not fit.
        """
        found = throttle.row_for_code(self._work, receipt, code, "回执", _voice)
        outcome = found.outcome if hasattr(found, "outcome") else found.kind
        kind = "objection" if hasattr(found, "notice_id") else "suggestion"
        return Voice(kind, found.receipt, found.text, found.at, found.state, outcome, found.answer, found.answered_at)

    # --- rows -------------------------------------------------------------------------------------------------------

    def _collection(self, connection: Connection) -> Deployed:
        version = select(func.max(process_definition.c.version)).where(process_definition.c.item_id == COLLECTION)
        row = connection.execute(
            select(process_definition).where(
                process_definition.c.item_id == COLLECTION, process_definition.c.version == version.scalar_subquery()
            )
        ).one_or_none()
        if row is None:
            raise NotFound("事项", COLLECTION)
        return self._repository.loaded(connection, row)

    def _catch(self, connection: Connection, definition_id: str) -> tuple[Deployed, Activity]:
        deployed = self._repository.loaded(connection, definition_row(connection, definition_id))
        return deployed, objections.form_and_activity(deployed)[1]

    def _notice(self, connection: Connection, row: Row) -> Notice:
        today = local_date(self._work.clock.now())
        answers = connection.execute(
            select(objection.c.name, objection.c.outcome, objection.c.answer, objection.c.answered_at)
            .where(objection.c.notice_id == row.id, objection.c.state == "answered")
            .order_by(objection.c.answered_at, objection.c.id)
        )
        clock = limits.running(
            row.posted_at, limits.due_at(row.posted_at, (row.ends_on - row.posted_on).days, "d"), None, "d",
            self._work.clock.now(),
        )  # fmt: skip
        return Notice(
            row.id,
            row.title,
            row.text,
            row.item_name,
            row.receipt,
            unit_view(connection.execute(select(org_unit).where(org_unit.c.id == row.unit_id)).one()),
            tuple(row.channels),
            row.posted_on,
            row.ends_on,
            _state(row, today),
            row.reason,
            clock,
            row.state == "shown" and today <= row.ends_on,
            row.state == TOLD,
            # Whoever answers writes to a person; everybody reads it.
            tuple((each.outcome, mask_text(each.answer, (each.name,)), each.answered_at) for each in answers),
        )


def _on_show_first(today: date) -> tuple[UnaryExpression, ...]:
    """Return the order of a board: what takes objections, what tells how far things are, what is over."""
    told = and_(notice.c.state == TOLD, notice.c.ends_on >= today)
    return (notice.c.state == "shown").desc(), told.desc()


def _state(row: Row, today: date) -> str:
    """Return the state as people read it: what only tells is on show to its day, and then over."""
    if row.state != TOLD:
        return row.state
    return "shown" if today <= row.ends_on else "ended"


def _notices():
    return (
        select(
            notice,
            process_instance.c.receipt,
            process_instance.c.definition_id,
            process_definition.c.name.label("item_name"),
        )
        .join(process_instance, process_instance.c.id == notice.c.instance_id)
        .join(process_definition, process_definition.c.id == process_instance.c.definition_id)
    )


def _notice_row(connection: Connection, notice_id: str) -> Row:
    row = connection.execute(_notices().where(notice.c.id == notice_id)).one_or_none()
    if row is None:
        raise NotFound("公示", notice_id)
    return row


def _form(deployed: Deployed, activity: Activity) -> Form:
    return deployed.forms[activity.form]


def _repeated(transaction: Transaction, table, form_token: str) -> Filed | None:
    """A second tap on the same form gets the answer of the first."""
    if not form_token:
        return None
    row = transaction.connection.execute(
        select(table).where(table.c.form_token_hash == token_hash(form_token))
    ).one_or_none()
    return Filed(row.receipt, code_for(row.code_salt, form_token)) if row else None


def _receipt(form_token: str) -> tuple[dict[str, str], str, str]:
    salt = secrets.token_hex(16)
    code = code_for(salt, form_token)
    return {"code_salt": salt, "code_hash": code_hash(salt, code)}, new_receipt(), code


def _voice(connection: Connection, receipt: str) -> Row | None:
    for table in (objection, suggestion):
        row = connection.execute(select(table).where(table.c.receipt == receipt)).one_or_none()
        if row is not None:
            return row
    return None
