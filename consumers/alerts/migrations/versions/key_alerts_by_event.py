"""Key alerts by the rule and what their event says, because several events may have one id."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# The table as the first version created it. PostgreSQL chose this name of the unnamed constraint.
_OLD_KEY = "alerts_rule_id_event_id_key"
_PENDING = sa.text("published_at IS NULL")
_ALERTS = sa.Table(
    "alerts",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("rule_id", sa.BigInteger, nullable=False),
    sa.Column("rule_name", sa.Text, nullable=False),
    sa.Column("condition", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("price", sa.Double, nullable=False),
    sa.Column("previous_price", sa.Double),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("as_of", sa.BigInteger, nullable=False),
    sa.Column("triggered_at", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("published_at", sa.BigInteger),
    sa.UniqueConstraint("rule_id", "event_id", name=_OLD_KEY),
    sa.Index("alerts_pending", "id", sqlite_where=_PENDING),
    sa.Index("alerts_triggered", "triggered_at"),
)


def upgrade() -> None:
    """Add the columns `provider`, which is unknown for stored alerts, and `interval`; replace the unique key."""
    with op.batch_alter_table("alerts", copy_from=_ALERTS) as alerts:
        alerts.add_column(sa.Column("provider", sa.Text))
        alerts.add_column(sa.Column("interval", sa.Text, nullable=False, server_default=""))
        alerts.drop_constraint(_OLD_KEY, type_="unique")
        alerts.create_unique_constraint("alerts_key", ["rule_id", "provider", "symbol", "as_of", "interval"])
