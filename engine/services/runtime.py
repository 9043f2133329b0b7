"""Starting matters, and messages from the applicant: papers added, request withdrawn."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, Row, select

from engine.errors import Conflict, NotAllowed, NotFound, Refused
from engine.identifiers import code_for, code_hash, token_hash
from engine.services import matters, messages, starting
from engine.services.deployed import Deployed
from engine.services.environment import Environment
from engine.services.identity import check_code
from engine.services.matters import Kept, Upload
from engine.services.permission import Directory
from engine.services.reconcile import Act, open_steps
from engine.services.repository import Repository
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.files import FileStore
from engine.store.tables import attachment, process_definition, process_instance, submission, subscription
from engine.views import Started

#: the lane of those who ask: villagers have no account and no task
APPLICANT = "申请人"
#: what an applicant may say to a matter, and what it is called when it ends by it
APPLICANT_MESSAGES = {"supplement": "done", "withdraw": "withdrawn"}


class Runtime:
    """One public method, one transaction."""

    def __init__(
        self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore, max_upload: Callable[[], int]
    ) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._files = files
        self._max_upload = max_upload

    @retried
    def start(
        self,
        item_id: str,
        *,
        unit_id: str,
        data: Mapping[str, Sequence[str]],
        files: Mapping[str, Sequence[Upload]] | None = None,
        by: str | None = None,
        form_token: str = "",
    ) -> Started:
        """Start a matter: a villager (``by`` None) or a cadre for him (代提交).

        :raises Refused: ``not_on_list`` (清单之外无权力), written into the log.
        :raises NotAllowed: the person's post does not take this item in.
        :raises InvalidForm: with a sentence per field.
        """
        kept = matters.keep_files(self._files, files or {}, self._max_upload())
        try:
            with self._work.write() as transaction:
                return self._repeated(transaction, form_token) or self._start(
                    transaction, item_id, unit_id, data, kept, by, form_token
                )
        except Refused as refused:
            if refused.code == "not_on_list":
                self._log_refusal(unit_id, item_id, by)
            raise

    def _start(
        self,
        transaction: Transaction,
        item_id: str,
        unit_id: str,
        submitted: Mapping[str, Sequence[str]],
        kept: Kept,
        by: str | None,
        form_token: str,
    ) -> Started:
        directory = Directory(transaction.connection, unit_id, transaction.today)
        definition_id, definition = self._in_force(transaction.connection, item_id)
        facts = definition.facts
        if facts.level not in directory.units or directory.units[facts.level].id != unit_id:
            raise NotFound("村镇", unit_id)
        _check_may_start(definition, directory, by)
        salt = secrets.token_hex(16)
        code = code_for(salt, form_token) if facts.public_start else ""
        row = starting.insert_row(
            transaction,
            definition_id,
            definition,
            unit_id,
            form_token_hash=token_hash(form_token) if form_token else None,
            code_salt=salt,
            code_hash=code_hash(salt, code) if code else "",
            started_by=by,
        )
        environment = Environment(transaction, row, definition, directory)
        start = starting.start_event(definition)
        attached = matters.attach(transaction, row.id, start, kept, by=by, task_id=None)
        data = matters.clean(transaction, definition, start, unit_id, submitted, attached, {}, environment)
        matters.required_papers(transaction, row.id, start, data)
        submission_id, digest = matters.submit(transaction, row.id, start.id, start.name, data, by=by, task_id=None)
        matter = starting.begin(transaction, row, definition, directory, data)
        act = Act(by=by, submission_id=submission_id, digest=digest)
        next_steps = messages.settle(self._repository, transaction, matter, act)
        refusal = matter.workflow.refusal or {}
        return Started(row.id, row.receipt, code, next_steps, str(refusal.get("code", "")))

    def _in_force(self, connection: Connection, item_id: str) -> tuple[str, Deployed]:
        row = connection.execute(
            select(process_definition)
            .where(process_definition.c.item_id == item_id)
            .order_by(process_definition.c.version.desc())
            .limit(1)
        ).one_or_none()
        if row is None:
            raise Refused(
                "not_on_list",
                "这件事不在权力清单里，不能办",
                "清单之外无权力（权力清单制度）",
                "请在权力清单里找要办的事；清单里没有的，村里无权办理，可以问乡镇便民服务中心",
            )
        return row.id, self._repository.loaded(connection, row)

    def _repeated(self, transaction: Transaction, form_token: str) -> Started | None:
        """A second tap on the same form gets the answer of the first, code included: nothing is opened twice."""
        if not form_token:
            return None
        row = transaction.connection.execute(
            select(process_instance).where(process_instance.c.form_token_hash == token_hash(form_token))
        ).one_or_none()
        if row is None:
            return None
        code = code_for(row.code_salt, form_token) if row.code_hash else ""
        return Started(
            row.id, row.receipt, code, open_steps(transaction, row), str((row.refusal or {}).get("code", ""))
        )

    def _log_refusal(self, unit_id: str, item_id: str, by: str | None) -> None:
        with self._work.write() as transaction:
            transaction.log(
                unit_id, "start_refused", actor_id=by, data={"item": item_id[:100], "reason": "not_on_list"}
            )

    # --- messages ---------------------------------------------------------------------------------------------------

    @retried
    def correlate(
        self,
        receipt: str,
        *,
        message: str,
        code: str = "",
        by: str | None = None,
        note: str = "",
        files: Mapping[str, Sequence[Upload]] | None = None,
    ) -> tuple[str, ...]:
        """Hand the applicant's message (``supplement``, ``withdraw``) to the matter; return its open steps.

        The applicant shows ``code``; the post that takes the item in may do it for him with ``by``.

        The same message sent again gets the answer it already had.

        :raises Conflict: the matter does not wait for that message now.
        """
        if message not in APPLICANT_MESSAGES:
            raise NotFound("消息", message)
        if by is None:
            check_code(self._work, receipt, code)
        kept = matters.keep_files(self._files, files or {}, self._max_upload())
        with self._work.write() as transaction:
            row = matters.row_by_receipt(transaction.connection, receipt)
            matter = matters.load(transaction, self._repository, row.id)
            if by is not None:
                _check_may_start(matter.definition, matter.directory, by)
            element = _waiting_element(transaction.connection, row.id, message)
            if element is None:
                if _is_done(transaction.connection, matter.definition, row, message, note, kept):
                    return open_steps(transaction, row)
                raise Conflict(row.receipt)
            activity = matter.definition.facts.activity(element)
            matters.attach(transaction, row.id, activity, kept, by=by, task_id=None)
            submission_id, digest = matters.submit(
                transaction, row.id, element, activity.name, {"note": note.strip()[:500]}, by=by, task_id=None
            )
            if not matter.workflow.receive(message, {}):
                raise Conflict(row.receipt)
            act = Act(by=by, submission_id=submission_id, digest=digest, ends_as=APPLICANT_MESSAGES[message])
            return messages.settle(self._repository, transaction, matter, act)


def _is_done(connection: Connection, definition: Deployed, row: Row, message: str, note: str, kept: Kept) -> bool:
    """Tell whether the applicant has sent this very message: a second tap on its button."""
    if message == "withdraw":
        return row.state == "withdrawn"
    handed_in = connection.execute(
        select(submission.c.element, submission.c.data).where(
            submission.c.instance_id == row.id, submission.c.task_id.is_(None)
        )
    ).all()
    sent = [each for each in handed_in if definition.facts.activity(each.element).message == message]
    brought = select(attachment.c.sha256).where(
        attachment.c.instance_id == row.id, attachment.c.element.in_({each.element for each in sent})
    )
    there = set(connection.scalars(brought))
    same = there.issuperset(file.sha256 for files in kept.values() for _, file in files)
    return same and any(each.data.get("note") == note.strip()[:500] for each in sent)


def _check_may_start(definition: Deployed, directory: Directory, by: str | None) -> None:
    """The lane of the start event or of the first task takes the item in; villagers where the item says so."""
    facts = definition.facts
    if by is None:
        if not facts.public_start:
            raise NotAllowed("这件事由村里发起，不在网上申请", "村便民服务室")
        return
    lanes = (lane for lane in definition.starting_lanes if lane != APPLICANT)
    roles = [role for role in map(directory.role_of_lane, lanes) if role]
    people = {person for role in roles for person in directory.holders(role.code)}
    people |= {substitute for person in people for substitute in directory.substitutes_of(person)}
    if by not in people:
        raise NotAllowed(
            f"这件事由{'、'.join(role.lane for role in roles)}受理", "、".join(role.lane for role in roles)
        )


def _waiting_element(connection: Connection, instance_id: str, message: str) -> str | None:
    return connection.scalar(
        select(subscription.c.element)
        .where(subscription.c.instance_id == instance_id, subscription.c.message == message)
        .order_by(subscription.c.created_at)
    )
