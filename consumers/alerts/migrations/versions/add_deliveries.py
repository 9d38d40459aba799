"""Add the targets of alerts and the outbox of their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Create the tables `targets` and `deliveries`."""
    op.create_table(
        "targets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("at_most", sa.Integer),
        sa.Column("at_most_per", sa.Integer),
        sa.Column("ttl", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_reason", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_try_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("digest_id", sa.Text),
        sa.UniqueConstraint("event_id", "target", name="deliveries_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "deliveries_pending", "deliveries", ["target", "id"], sqlite_where=_PENDING, postgresql_where=_PENDING
    )
    op.create_index("deliveries_finished", "deliveries", ["state", "finished_at"])
