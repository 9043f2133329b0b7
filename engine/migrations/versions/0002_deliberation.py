"""What deliberation needs: called processes that are running, bodies, motions, notices, objections, suggestions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("process_instance") as instance:
        instance.add_column(sa.Column("calls", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
