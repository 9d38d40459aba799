"""Add the splits that the history knows, which are applied to rules without asking."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table `known_splits`."""
    op.create_table(
        "known_splits",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("new_shares", sa.BigInteger, nullable=False),
        sa.Column("old_shares", sa.BigInteger, nullable=False),
        sa.Column("applied", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
