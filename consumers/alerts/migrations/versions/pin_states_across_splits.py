"""Keep if a state is pinned: it stays over the price that a split divides."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_TABLE, _COLUMN = "rule_states", "pinned"


def upgrade() -> None:
    """Add the column `pinned`, unless the database was created with it before it had a migration of its own."""
    if _COLUMN not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns(_TABLE)}:
        op.add_column(_TABLE, sa.Column(_COLUMN, sa.Boolean, nullable=False, server_default=sa.false()))
