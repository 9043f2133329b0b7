"""What people do with their tasks: see, claim, draft, attach, complete, delegate, recuse, remind, comment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy import Row, bindparam, delete, insert, select, update

from engine.bpmn.forms.form import Form
from engine.clock import LOCAL, local_date
from engine.connectors.outbox import tell
from engine.errors import Conflict, InvalidForm, NotAllowed, NotFound, Refused
from engine.identifiers import new_id
from engine.masking import mask_numbers
from engine.services import inbox, matters, messages, parameters, task_page
from engine.services.identity import check_code
from engine.services.matters import Upload
from engine.services.permission import Bars, Directory, acts_for
from engine.services.reconcile import Act, Matter
from engine.services.repository import Repository
from engine.services.staffing import reassign
from engine.services.unit_of_work import Transaction, UnitOfWork, retried
from engine.store.files import FileStore
from engine.store.prepared import Prepared
from engine.store.session import locked
from engine.store.tables import attachment, comment, draft, process_instance, recusal, task
from engine.views import Attachment, Done, Inbox, TaskView
from engine.workdays import workdays_between


class Tasks:
    """One public method, one transaction."""

    def __init__(
        self, unit_of_work: UnitOfWork, repository: Repository, files: FileStore, max_upload: Callable[[], int]
    ) -> None:
        self._work = unit_of_work
        self._repository = repository
        self._files = files
        self._max_upload = max_upload

    # --- reading ----------------------------------------------------------------------------------------------------

    def inbox(self, *, by: str) -> Inbox:
        """Return what waits for a person, by urgency."""
        with self._work.read() as connection:
            return inbox.read(connection, by, self._work.clock.now())

    def open(self, task_id: str, *, by: str, typed: Mapping[str, Sequence[str]] | None = None) -> TaskView:
        """Return a task page, with ``typed`` what it comes to; NotFound for who has nothing to do with the unit."""
        with self._work.look() as transaction:
            return task_page.read(transaction, self._repository, task_id, by, typed)

    def form(self, task_id: str) -> Form | None:
        """Return the form of an open task without anything of its matter; whether one may fill it in is not said.

        :raises NotFound, Conflict: there is no such task, or it is over.
        """
        with self._work.read() as connection:
            row = _FORM_OF.first(connection, {"task": task_id})
            if row is None:
                raise NotFound("待办", task_id)
            if row.state != "open":
                raise Conflict(row.receipt)
            deployed = self._repository.of(connection, row.definition_id)
            return deployed.form_of(deployed.facts.activity(row.element))

    # --- preparing --------------------------------------------------------------------------------------------------

    @retried
    def claim(self, task_id: str, *, by: str) -> None:
        """Take a task of one's post that several may do; Conflict when somebody was first."""
        with self._work.write() as transaction:
            matter, row, _, _ = self._own_task(transaction, task_id, by)
            taken = transaction.connection.execute(
                update(task).where(task.c.id == task_id, task.c.assignee_id.is_(None)).values(assignee_id=by)
            )
            if taken.rowcount != 1:
                raise Conflict(matter.row.receipt)
            transaction.log(row.unit_id, "claimed", instance_id=matter.id, element=row.element, actor_id=by)

    @retried
    def release(self, task_id: str, *, by: str) -> None:
        """Give a claimed task back to the others in the same post."""
        with self._work.write() as transaction:
            matter, row, bars, activity = self._own_task(transaction, task_id, by)
            if len(matter.directory.assign(activity, bars).candidates) < 2:
                raise NotAllowed("这一步只有您能办，不能放回；要交给别人请用转办")
            transaction.connection.execute(
                update(task).where(task.c.id == task_id).values(assignee_id=None, named=False)
            )
            transaction.log(row.unit_id, "released", instance_id=matter.id, element=row.element, actor_id=by)

    @retried
    def save_draft(self, task_id: str, *, by: str, data: Mapping[str, Sequence[str]]) -> datetime:
        """Keep what was typed, unchecked; return when."""
        with self._work.write() as transaction:
            self._own_task(transaction, task_id, by)
            _keep_draft(transaction, task_id, by, data)
            return transaction.now

    @retried
    def attach(self, task_id: str, *, by: str, field: str, upload: Upload) -> Attachment:
        """Add a paper to an open task."""
        kept = matters.keep_files(self._files, {field: [upload]}, self._max_upload())
        with self._work.write() as transaction:
            matter, _, _, activity = self._own_task(transaction, task_id, by)
            ids = matters.attach(transaction, matter.id, activity, kept, by=by, task_id=task_id)
            row = transaction.connection.execute(select(attachment).where(attachment.c.id == ids[field][0])).one()
            return task_page.attachment_view(row, matter.directory.title(by))

    # --- completing -------------------------------------------------------------------------------------------------

    @retried
    def complete(
        self,
        task_id: str,
        *,
        by: str,
        data: Mapping[str, Sequence[str]],
        files: Mapping[str, Sequence[Upload]] | None = None,
        form_token: str = "",
        acted_on: date | None = None,
    ) -> Done:
        """Do a step: check the person, the papers and the form, run the diagram on to where it next waits.

        ``acted_on`` is the day it happened on paper: never before the step before, at most ``offline.max`` working
        days ago. The same form sent again by the same person gets the answer it already had.

        :raises NotAllowed, InvalidForm, Conflict, Refused:
        """
        kept = matters.keep_files(self._files, files, self._max_upload()) if files else {}
        with self._work.write() as transaction:
            matter, row = matters.load_of_task(transaction, self._repository, task_id)
            repeated = _repeated(transaction, matter, row, by, form_token)
            if repeated:
                return repeated
            bars, activity = self._own(transaction, matter, row, by)
            on_behalf_of = acts_for(matter.directory, bars, row, activity, by)
            acted_at = self._acted_at(transaction, matter, acted_on)
            attached = self._attached(transaction, matter, row, activity, kept, by)
            visible = matter.workflow.task_data(task_id)
            values = matters.clean(
                transaction, matter.definition, activity, row.unit_id, data, attached, visible, matter.environment
            )
            matters.required_papers(transaction, matter.id, activity, values)
            matters.identify(transaction, matter, values)
            self._check_still_free(transaction, matter, activity, by)
            act, completed = self._record(transaction, matter, row, values, by, on_behalf_of, acted_at)
            matter.workflow.complete(task_id, values)
            next_steps = messages.settle(self._repository, transaction, matter, act)
            refusal = matter.workflow.refusal or {}
            done = Done(
                matter.id,
                matter.row.receipt,
                activity.name,
                next_steps,
                matter.workflow.finished,
                str(refusal.get("code", "")),
            )
            self._close(transaction, row, completed, form_token, done)
            return done

    def _own_task(self, transaction: Transaction, task_id: str, by: str) -> tuple[Matter, Row, Bars, object]:
        """Load an open task that this person may do.

        :raises NotFound, Conflict, NotAllowed:
        """
        matter, row = matters.load_of_task(transaction, self._repository, task_id)
        bars, activity = self._own(transaction, matter, row, by)
        return matter, row, bars, activity

    def _own(self, transaction: Transaction, matter: Matter, row: Row, by: str) -> tuple[Bars, object]:
        if row.state != "open":
            raise Conflict(matter.row.receipt)
        activity = matter.definition.facts.activity(row.element)
        bars = matter.bars(transaction)
        acts_for(matter.directory, bars, row, activity, by)
        return bars, activity

    def _acted_at(self, transaction: Transaction, matter: Matter, acted_on: date | None) -> datetime | None:
        """Return the moment an act on paper counts as done; None when it is done now."""
        if acted_on is None or acted_on == transaction.today:
            return None
        previous = local_date(matter.row.last_acted_at)
        param = parameters.reader(transaction.connection, matter.row.unit_id, transaction.today)
        if acted_on > transaction.today:
            raise InvalidForm({"acted_on": "实际办理日期不能晚于今天"})
        if acted_on < previous:
            raise InvalidForm({"acted_on": f"实际办理日期不能早于上一步（{previous.month}月{previous.day}日）"})
        most = int(param("offline.max"))
        if workdays_between(acted_on, transaction.today) > most:
            raise InvalidForm({"acted_on": f"补录最多补 {most} 个工作日以内的，再早的请向乡镇说明"})
        return max(datetime.combine(acted_on, time(12), LOCAL), matter.row.last_acted_at)

    def _attached(self, transaction: Transaction, matter: Matter, row: Row, activity, kept, by: str) -> dict:
        """Return field → attachment ids: those added to the task before and those sent with the form."""
        ids: dict[str, list[str]] = {}
        form = matter.definition.form_of(activity)
        if form is not None and any(field.type == "filepicker" for field in form.fields):
            for each in _ATTACHED.all(transaction.connection, {"task": row.id}):
                ids.setdefault(each.field, []).append(each.id)
        new = matters.attach(transaction, matter.id, activity, kept, by=by, task_id=row.id)
        for field, added in new.items():
            ids.setdefault(field, []).extend(added)
        return ids

    def _check_still_free(self, transaction: Transaction, matter: Matter, activity, by: str) -> None:
        """Who has just named the applicant may find that he is his relative."""
        reason = matter.bars(transaction).reason(by, activity)
        if reason:
            raise NotAllowed(f"{reason}。请用“申报回避”把这一步交出去", activity.lane)

    def _record(self, transaction, matter, row, values, by, on_behalf_of, acted_at) -> tuple[Act, dict]:
        """Mark the task done before the diagram moves on: the next step must not fall to the same hands.

        Its row is written when the step has its answer, or before (``unwritten``) where somebody looks for it.
        """
        submission_id, digest = matters.submit(
            transaction, matter.id, row.element, row.step, values, by=by, task_id=row.id
        )
        completed = {
            "task": row.id,
            "completed_at": transaction.now,
            "completed_by": by,
            "on_behalf_of": on_behalf_of,
            "acted_at": acted_at,
            "assignee_id": row.assignee_id or by,
        }
        transaction.unwritten = lambda: _COMPLETE.run(transaction.connection, completed)
        matter.note_hand(transaction, row, *filter(None, (by, on_behalf_of)))
        return Act(by, on_behalf_of, acted_at, submission_id, digest), completed

    def _close(self, transaction: Transaction, row: Row, completed: dict, form_token: str, done: Done) -> None:
        ended = {"finished": True, "refused": done.refused} if done.finished else {}
        said = {"form_token": form_token or None, "answer": {"next_steps": done.next_steps, **ended}}
        if transaction.unwritten is None:
            _ANSWER.run(transaction.connection, {"task": row.id, **said})
        else:
            transaction.unwritten = None
            _COMPLETE_WITH_ANSWER.run(transaction.connection, {**completed, **said})
        if row.drafts:
            transaction.connection.execute(delete(draft).where(draft.c.task_id == row.id))

    # --- handing over -----------------------------------------------------------------------------------------------

    @retried
    def delegate(self, task_id: str, *, by: str, to: str, reason: str) -> None:
        """Hand a task to somebody else (转办): the post's other holders and successors, or whom the township names.

        :raises NotAllowed: ``to`` is barred, or ``by`` may not hand it over.
        """
        if not reason.strip():
            raise InvalidForm({"reason": "请写明为什么转给别人"})
        with self._work.write() as transaction:
            row, matter, bars, activity = self._any_task(transaction, task_id)
            named = row.unmanned and by in matter.directory.holders("TG")
            if not named:
                acts_for(matter.directory, bars, row, activity, by)
            if to not in task_page.delegates(transaction.connection, matter, activity, bars, named):
                raise NotAllowed("这个人不能接这一步", "转办名单里的人")
            # Whom the township names needs no post; whoever else takes it over acts in a post, as long as he has it.
            role = row.role if named else task_page.role_of(matter, activity, to)
            transaction.connection.execute(
                update(task).where(task.c.id == task_id).values(assignee_id=to, unmanned=False, named=named, role=role)
            )
            transaction.log(
                row.unit_id,
                "appointed" if named else "delegated",
                instance_id=matter.id,
                element=row.element,
                actor_id=by,
                data={"to": to},
            )
            _note(transaction, matter.id, by, "delegated", reason)

    @retried
    def recuse(self, task_id: str, *, by: str, reason: str) -> None:
        """Declare 回避: the person leaves the matter, the step falls to the next in turn or to nobody."""
        if not reason.strip():
            raise InvalidForm({"reason": "请写明回避的原因"})
        with self._work.write() as transaction:
            matter, row, _, _ = self._own_task(transaction, task_id, by)
            transaction.connection.execute(
                insert(recusal).values(
                    id=new_id(), instance_id=matter.id, person_id=by, reason=reason.strip()[:200], at=transaction.now
                )
            )
            transaction.log(row.unit_id, "recused", instance_id=matter.id, element=row.element, actor_id=by)
            reassign(transaction, self._repository, instance_id=matter.id)

    def _any_task(self, transaction: Transaction, task_id: str) -> tuple[Row, Matter, Bars, object]:
        matter, row = matters.load_of_task(transaction, self._repository, task_id)
        if row.state != "open":
            raise Conflict(matter.row.receipt)
        return row, matter, matter.bars(transaction), matter.definition.facts.activity(row.element)

    # --- speaking ---------------------------------------------------------------------------------------------------

    @retried
    def remind(self, matter_id: str, *, by: str) -> tuple[str, ...]:
        """催办: tell whoever has the open steps, once a day; return who was told.

        :raises Conflict: the matter has ended.
        :raises Refused: ``reminded_today``.
        """
        with self._work.write() as transaction:
            row, directory = self._seen_matter(transaction, matter_id, by)
            return _remind(transaction, directory, row, by)

    @retried
    def remind_by_applicant(self, receipt: str, *, code: str) -> tuple[str, ...]:
        """催一催: the same by the applicant, who shows 回执号 and 查询码."""
        matter_id = check_code(self._work, receipt, code).id
        with self._work.write() as transaction:
            row = _matter_row(transaction, matter_id)
            return _remind(transaction, Directory(transaction.connection, row.unit_id, transaction.today), row, None)

    @retried
    def comment(self, matter_id: str, *, by: str, text: str) -> None:
        """写监督意见: a line beside the matter; it moves nothing, but whoever has the open steps is told (督办)."""
        if not text.strip():
            raise InvalidForm({"text": "请写下意见"})
        with self._work.write() as transaction:
            row, directory = self._seen_matter(transaction, matter_id, by)
            _note(transaction, matter_id, by, "comment", text)
            transaction.log(row.unit_id, "commented", instance_id=matter_id, actor_id=by)
            said = mask_numbers(text.strip()[:200]).replace("{", "｛")
            _tell_assignees(transaction, directory, row, f"〈{{step}}〉有新的意见：{said}", but=by)

    def _seen_matter(self, transaction: Transaction, matter_id: str, by: str) -> tuple[Row, Directory]:
        """Return a matter this person's posts let him see; NotFound when there is none, or not for him."""
        row = _matter_row(transaction, matter_id)
        directory = Directory(transaction.connection, row.unit_id, transaction.today)
        if not directory.sees_matters(by):
            raise NotFound("事项", matter_id)
        return row, directory


_FORM_OF = Prepared(
    select(task.c.element, task.c.state, process_instance.c.receipt, process_instance.c.definition_id)
    .join(process_instance, process_instance.c.id == task.c.instance_id)
    .where(task.c.id == bindparam("task"))
)
_ATTACHED = Prepared(
    select(attachment.c.id, attachment.c.field)
    .where(attachment.c.task_id == bindparam("task"))
    .order_by(attachment.c.at, attachment.c.id)
)
_THIS = update(task).where(task.c.id == bindparam("task"))
_DONE_BY = ("completed_at", "completed_by", "on_behalf_of", "acted_at", "assignee_id")
_COMPLETED = _THIS.values(state="completed", warn_at=None, red_at=None, **{key: bindparam(key) for key in _DONE_BY})
_COMPLETE = Prepared(_COMPLETED)
_SAID = Prepared(select(task.c.answer).where(task.c.id == bindparam("task")))
_WITH = {key: bindparam(key) for key in ("form_token", "answer")}
_ANSWER, _COMPLETE_WITH_ANSWER = Prepared(_THIS.values(_WITH)), Prepared(_COMPLETED.values(_WITH))


def _repeated(transaction: Transaction, matter: Matter, row: Row, by: str, form_token: str) -> Done | None:
    """Return the answer that this form of this person already had; None for one that is sent for the first time."""
    if not form_token or row.form_token != form_token or row.completed_by != by:
        return None
    said = _SAID.scalar(transaction.connection, {"task": row.id})
    finished, refused = said.get("finished", False), said.get("refused", "")
    return Done(matter.id, matter.row.receipt, row.step, tuple(said["next_steps"]), finished, refused, repeated=True)


def _matter_row(transaction: Transaction, matter_id: str) -> Row:
    wanted = select(process_instance).where(process_instance.c.id == matter_id)
    row = transaction.connection.execute(locked(transaction.connection, wanted)).one_or_none()
    if row is None:
        raise NotFound("事项", matter_id)
    return row


def _remind(transaction: Transaction, directory: Directory, row: Row, by: str | None) -> tuple[str, ...]:
    if row.state != "open":
        raise Conflict(row.receipt)
    _check_not_reminded(transaction, row.id, by)
    told = _tell_assignees(transaction, directory, row, f"有人催办〈{{step}}〉：{row.subject}")
    _note(transaction, row.id, by, "reminded", "催办")
    transaction.log(row.unit_id, "reminded", instance_id=row.id, actor_id=by)
    return told


def _keep_draft(transaction: Transaction, task_id: str, by: str, data: Mapping[str, Sequence[str]]) -> None:
    transaction.connection.execute(delete(draft).where(draft.c.task_id == task_id, draft.c.person_id == by))
    kept = {key: [value[:2000] for value in values][:200] for key, values in list(data.items())[:200]}
    transaction.connection.execute(insert(draft).values(task_id=task_id, person_id=by, data=kept, at=transaction.now))


def _note(transaction: Transaction, matter_id: str, by: str | None, kind: str, text: str) -> None:
    transaction.connection.execute(
        insert(comment).values(
            id=new_id(), instance_id=matter_id, by=by, kind=kind, at=transaction.now, text=text.strip()[:1000]
        )
    )


def _check_not_reminded(transaction: Transaction, matter_id: str, by: str | None) -> None:
    since = transaction.now - timedelta(days=1)
    same = comment.c.by.is_(None) if by is None else comment.c.by == by
    if transaction.connection.scalar(
        select(comment.c.id).where(
            comment.c.instance_id == matter_id, comment.c.kind == "reminded", comment.c.at > since, same
        )
    ):
        raise Refused("reminded_today", "今天已经催过了", remedy="请明天再催，或者打监督电话")


def _tell_assignees(
    transaction: Transaction, directory: Directory, row: Row, text: str, *, but: str | None = None
) -> tuple[str, ...]:
    """Tell whoever has the open steps; return post and name of each. ``{step}`` in the text is the step's name."""
    told: list[str] = []
    for each in transaction.connection.execute(
        select(task).where(task.c.instance_id == row.id, task.c.state == "open")
    ):
        people = [each.assignee_id] if each.assignee_id else list(directory.holders(each.role))
        people = people or list(directory.holders("TG"))
        for person_id in (person_id for person_id in people if person_id != but):
            tell(
                transaction.connection,
                transaction.now,
                instance_id=row.id,
                person_id=person_id,
                text=text.replace("{step}", each.step),
                key=f"said:{new_id()}",
            )
            told.append(directory.title(person_id, each.lane))
    return tuple(told)
