"""Keep the source of each split. Until now, all splits were added by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("split", sa.Column("source", sa.Text, nullable=False, server_default="hand"))
