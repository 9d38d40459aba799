"""Add the log of committed batches of live prices. It is complete from the time of this migration on."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    table = op.create_table(
        "live_batch",
        sa.Column("last_number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("prices", sa.LargeBinary, nullable=False),
    )
    op.execute(table.insert().values(last_number=time.time_ns() // 1000, prices=b""))
