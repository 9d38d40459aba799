"""Add the log of committed events. It is complete from the time of this migration on."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    table = op.create_table(
        "event_log",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.execute(table.insert().values(number=time.time_ns() // 1000, body=""))
