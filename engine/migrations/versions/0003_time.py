"""Leases of jobs, cards, messages between matters, moments of limits, openings by time."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from engine.clock import end_of, local_date
from engine.store.tables import Moment
from engine.workdays import add_workdays, is_known

revision = "0003"
down_revision = "0002"

#: as the parameters were when they were constants
WARN_SHARE, RED_AFTER = 0.8, 2


def upgrade() -> None:
    # Plain ALTERs: rebuilding a table that others refer to would empty them.
    _add_columns()
    _add_tables()
    op.create_index("ix_process_instance_period", "process_instance", ["item_id", "unit_id", "period"], unique=True)
    op.create_index("ix_subscription_message", "subscription", ["message"])
    op.drop_index("ix_job_due_open", "job")
    for name, columns, rows in (
        ("ix_job_due_open", ["priority", "due_at", "id"], sa.text("state = 'open'")),
        ("ix_job_instance_id", ["instance_id"], sa.text("instance_id is not null")),
    ):
        op.create_index(name, "job", columns, sqlite_where=rows, postgresql_where=rows)
    connection = op.get_bind()
    connection.execute(sa.text("update process_instance set business_key = receipt"))
    _add_parameters(connection)
    _reckon_limits(connection)


def _add_columns() -> None:
    for table, column in (
        ("process_definition", sa.Column("start_message", sa.String(100), nullable=False, server_default="")),
        ("process_definition", sa.Column("start_timer", sa.Boolean(), nullable=False, server_default=sa.false())),
        ("process_instance", sa.Column("business_key", sa.String(100), nullable=False, server_default="")),
        ("process_instance", sa.Column("period", sa.String(10))),
        ("task", sa.Column("warn_at", Moment())),
        ("task", sa.Column("red_at", Moment())),
        ("task", sa.Column("provisional", sa.Boolean(), nullable=False, server_default=sa.false())),
        ("job", sa.Column("instance_id", sa.String(36))),
        ("job", sa.Column("priority", sa.Integer(), nullable=False, server_default="0")),
        ("job", sa.Column("taken_by", sa.String(40))),
        ("job", sa.Column("taken_until", Moment())),
    ):
        op.add_column(table, column)


def _add_tables() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("business_key", sa.String(100), nullable=False),
        sa.Column("source_id", sa.String(64), sa.ForeignKey("process_instance.id", name="fk_message_source_id")),
        sa.Column("unit_id", sa.String(64), sa.ForeignKey("org_unit.id", name="fk_message_unit_id"), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("target_id", sa.String(64), sa.ForeignKey("process_instance.id", name="fk_message_target_id")),
        sa.Column("delivered_at", Moment()),
        sa.Column("call_key", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("call_key", name="uq_message_call_key"),
    )
    kept = sa.text("delivered_at is null")
    op.create_index("ix_message_kept", "message", ["name", "business_key"], sqlite_where=kept, postgresql_where=kept)
    op.create_table(
        "card",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column(
            "instance_id",
            sa.String(64),
            sa.ForeignKey("process_instance.id", name="fk_card_instance_id"),
            nullable=False,
        ),
        sa.Column("task_id", sa.String(64), sa.ForeignKey("task.id", name="fk_card_task_id"), nullable=False),
        sa.Column("unit_id", sa.String(64), sa.ForeignKey("org_unit.id", name="fk_card_unit_id"), nullable=False),
        sa.Column("element", sa.String(200), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("person_id", sa.String(64), sa.ForeignKey("person.id", name="fk_card_person_id")),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("matter_id", sa.String(64), sa.ForeignKey("process_instance.id", name="fk_card_matter_id")),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("closed_at", Moment()),
        sa.PrimaryKeyConstraint("id", name="pk_card"),
        sa.UniqueConstraint("task_id", "level", name="uq_card_task_id_level"),
    )
    for name, columns in (
        ("ix_card_instance_id", ["instance_id"]),
        ("ix_card_unit_id_at", ["unit_id", "at"]),
        ("ix_card_person_id_at", ["person_id", "at"]),
    ):
        op.create_index(name, "card", columns)


def _add_parameters(connection: sa.Connection) -> None:
    """A county that runs must not stop for want of the new parameters; the next ``sihua deploy`` gives their basis."""
    names = ("key", "org_unit", "unit", "basis", "origin", "confirm")
    parameter = sa.table(
        "parameter", sa.column("effective_on", sa.Date()), sa.column("value", sa.JSON()), *map(sa.column, names)
    )
    if connection.execute(sa.select(parameter.c.key).limit(1)).first() is None:
        return
    for key, value, unit in (
        ("card.warn_share", WARN_SHARE, "share"),
        ("card.red_after", RED_AFTER, "wd"),
        ("card.answer_limit", 5, "wd"),
        ("start.spread", 120, "min"),
        ("board.idle", 5, "d"),
    ):
        connection.execute(
            sa.insert(parameter).values(
                key=key, org_unit="", effective_on=date(2026, 1, 1), value=value, unit=unit, basis="", origin="",
                confirm=True,
            )
        )  # fmt: skip


def _reckon_limits(connection: sa.Connection) -> None:
    """Give the tasks that are open the moments that later ones get when they open, and the job that looks at them."""
    columns = ("id", "instance_id", "created_at", "due_at", "warn_at", "red_at", "provisional", "state")
    task = sa.table("task", *(sa.column(name, Moment() if name.endswith("_at") else None) for name in columns))
    job = sa.table("job", sa.column("due_at", Moment()), sa.column("payload", sa.JSON()), *map(sa.column, _JOB))
    rows = connection.execute(
        sa.select(task.c.id, task.c.instance_id, task.c.created_at, task.c.due_at).where(
            task.c.state == "open", task.c.due_at.is_not(None)
        )
    ).all()
    for row in rows:
        last_day = local_date(row.due_at - timedelta(seconds=1))
        warn_at = _warn_at(row.created_at, row.due_at)
        connection.execute(
            sa.update(task)
            .where(task.c.id == row.id)
            .values(
                warn_at=warn_at, red_at=end_of(add_workdays(last_day, RED_AFTER)), provisional=not is_known(last_day)
            )
        )
        connection.execute(
            sa.insert(job).values(
                id=row.id[:36], kind="limit", key=f"limit:{row.id}", payload={"task_id": row.id},
                instance_id=row.instance_id, priority=1, state="open", due_at=warn_at, attempts=0, error="",
            )
        )  # fmt: skip


_JOB = ("id", "kind", "key", "instance_id", "priority", "state", "attempts", "error")


def _warn_at(created_at: datetime, due_at: datetime) -> datetime:
    return created_at + (due_at - created_at) * WARN_SHARE
