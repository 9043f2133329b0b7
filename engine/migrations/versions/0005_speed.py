"""A version of the lists, new with every change of them; a smaller index."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

LISTS = ("org_unit", "person", "role", "appointment", "substitution", "relation", "parameter")


def upgrade() -> None:
    setting = sa.table("setting", sa.column("key", sa.String), sa.column("value", sa.JSON))
    op.execute(sa.insert(setting).values(key="lists", value=secrets.token_hex(16)))
    op.drop_index("ix_task_completed_by", "task")
    op.create_index("ix_task_completed_by", "task", ["completed_by"])
    if op.get_bind().dialect.name == "sqlite":
        _watch_on_sqlite()
    else:
        _watch_on_postgresql()


def _watch_on_sqlite() -> None:
    for table in LISTS:
        for act in ("insert", "update", "delete"):
            op.execute(
                f"create trigger {table}_{act}_lists after {act} on {table} begin update setting"
                " set value = '\"' || lower(hex(randomblob(16))) || '\"' where key = 'lists'; end"
            )


def _watch_on_postgresql() -> None:
    op.execute(
        "create function lists_changed() returns trigger language plpgsql as $$ begin"
        " update setting set value = to_json(replace(gen_random_uuid()::text, '-', '')) where key = 'lists';"
        " return null; end $$"
    )
    for table in LISTS:
        op.execute(
            f"create trigger {table}_lists after insert or update or delete on {table}"
            " for each statement execute function lists_changed()"
        )
