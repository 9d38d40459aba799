"""Add the table of splits, by which prices are divided when they are read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "split",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("new_shares", sa.Integer, nullable=False),
        sa.Column("old_shares", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
