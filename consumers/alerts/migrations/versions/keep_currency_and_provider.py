"""Keep the currency and provider of each symbol's newest price, because not every price may be compared with it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns `currency` and `provider`, which are unknown for stored prices."""
    op.add_column("watermarks", sa.Column("currency", sa.Text))
    op.add_column("watermarks", sa.Column("provider", sa.Text))
