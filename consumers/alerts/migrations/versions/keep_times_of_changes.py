"""Keep the time at which each rule was last edited, enabled or disabled, because its state began there."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column `changed_at`, which is unknown for stored rules."""
    op.add_column("rules", sa.Column("changed_at", sa.BigInteger))
