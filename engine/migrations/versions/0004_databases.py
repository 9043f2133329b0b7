"""Jobs on loan: who has taken one, and until when."""

import sqlalchemy as sa
from alembic import op

from engine.store.tables import Moment

revision = "0004"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("job", sa.Column("taken_until", Moment()))
    op.add_column("job", sa.Column("taken_by", sa.String(length=36)))
