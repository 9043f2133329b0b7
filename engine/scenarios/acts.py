"""What people do with a matter in a scenario, done on the engine as they would do it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from engine.clock import LOCAL, FrozenClock, local_date, start_of
from engine.errors import EngineError, Refused
from engine.process_engine import ProcessEngine
from engine.scenarios.references import References
from engine.services.jobs import BY_TIME
from engine.services.matters import Upload
from engine.store.tables import notice, task
from engine.views import Started
from engine.workdays import add_workdays

#: rounds of due jobs on one day; more of them is a diagram that goes round in circles
MOST_ROUNDS = 1000


class Acts:
    """The steps of one scenario on its matter."""

    def __init__(self, engine: ProcessEngine, clock: FrozenClock, references: References, matter: Started) -> None:
        self._engine = engine
        self._clock = clock
        self._references = references
        self._matter = matter

    def problem_of(self, step: Mapping) -> str:
        """Do one step; return what went wrong. With ``refused`` the engine must say no in a sentence holding it."""
        wanted = step.get("refused", "")
        try:
            self._do(step)
        except (EngineError, KeyError, StopIteration) as error:
            as_wanted = wanted and isinstance(error, EngineError) and wanted in str(error)
            return "" if as_wanted else f"没有办成：{error!r}"
        return f"应当不让办（{wanted}），却办成了" if wanted else ""

    def _do(self, step: Mapping) -> None:
        match step["do"]:
            case "advance":
                self._advance(int(step["days"]))
            case "message":
                self._message(step)
            case "object":
                self._object(step)
            case "suggest":
                data, _ = self._values(step)
                self._engine.disclosure.suggest(self._references.unit_id, data=data)
            case _:
                self._on_task(step)

    def _advance(self, days: int) -> None:
        """Let working days pass, to the same hour, and everything that is due be done."""
        now = self._clock.now()
        hour = now.astimezone(LOCAL) - start_of(local_date(now))
        self._clock.at = start_of(add_workdays(local_date(now), days)) + hour
        for _ in range(MOST_ROUNDS):
            if not self._engine.jobs.run_due(kinds=BY_TIME):
                return
        raise Refused("endless", "到点的事一件接一件，没有个完")

    def _message(self, step: Mapping) -> None:
        data, files = self._values(step)
        own = step["by"] == "applicant"
        self._engine.runtime.correlate(
            self._matter.receipt,
            message=str(step["message"]),
            code=self._matter.code if own else "",
            by=None if own else self._references.person(step["by"]),
            note=data.get("note", [""])[0],
            files=files,
        )

    def _object(self, step: Mapping) -> None:
        """Raise an objection to the notice of this matter that is on show."""
        with self._engine.database.read() as connection:
            notice_id = connection.scalar(
                select(notice.c.id).where(notice.c.instance_id == self._matter.matter_id, notice.c.state == "shown")
            )
        data, _ = self._values(step)
        self._engine.disclosure.object(str(notice_id), data=data)

    def _on_task(self, step: Mapping) -> None:
        tasks = self._engine.tasks
        task_id = self._open_task(step["task"])
        by = self._references.person(step["by"])
        data, files = self._references.values(step.get("data", {}), task_id=task_id, by=by)
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
                tasks.delegate(task_id, by=by, to=self._references.person(step["to"]), reason=reason)
            case other:
                raise KeyError(other)

    def _values(self, step: Mapping) -> tuple[dict[str, list[str]], dict[str, list[Upload]]]:
        return self._references.values(step.get("data", {}))

    def _open_task(self, element: str) -> str:
        with self._engine.database.read() as connection:
            found = connection.scalars(
                select(task.c.id).where(
                    task.c.instance_id == self._matter.matter_id, task.c.element == element, task.c.state == "open"
                )
            ).first()
        if found is None:
            raise KeyError(f"{element} 现在没有开着")
        return found
