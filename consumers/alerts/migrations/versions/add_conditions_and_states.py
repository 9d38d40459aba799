"""Add conditions of every kind: options, levels and states of rules, prices of windows, and resolved alerts."""

from decimal import Decimal
from math import inf, nextafter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PENDING = sa.text("published_at IS NULL")
_PHRASES = {"crossing_up": "crossing up", "crossing_down": "crossing down"}

_RULES = sa.Table(
    "rules",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("condition", sa.Text, nullable=False),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
_ALERTS_KEY = "alerts_key"
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
    sa.Column("provider", sa.Text),
    sa.Column("interval", sa.Text, nullable=False),
    sa.UniqueConstraint("rule_id", "provider", "symbol", "as_of", "interval", name=_ALERTS_KEY),
    sa.Index("alerts_pending", "id", sqlite_where=_PENDING),
    sa.Index("alerts_triggered", "triggered_at"),
)


def upgrade() -> None:
    """Create the tables, and write terms and levels of the rules that there are."""
    _create_tables()
    with op.batch_alter_table("rules", copy_from=_RULES) as rules:
        rules.add_column(sa.Column("terms", sa.Text, nullable=False, server_default=""))
        rules.add_column(sa.Column("frequency", sa.Text, nullable=False, server_default="every"))
        rules.add_column(sa.Column("hold", sa.BigInteger))
        rules.add_column(sa.Column("rearm", sa.Double))
        rules.add_column(sa.Column("on_arm", sa.Text, nullable=False, server_default="fire"))
        rules.add_column(sa.Column("expires", sa.BigInteger))
        rules.add_column(sa.Column("resolved", sa.Boolean, nullable=False, server_default=sa.false()))
        rules.add_column(sa.Column("message", sa.Text))
        rules.add_column(sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()))
        rules.add_column(sa.Column("silenced_until", sa.BigInteger))
    _convert_rules(op.get_bind())
    with op.batch_alter_table("rules") as rules:
        rules.drop_column("threshold")
    op.create_index("rules_symbol", "rules", ["symbol", "revision"])
    for name, type_ in (("volume", sa.BigInteger), ("close_price", sa.Double), ("previous_close", sa.Double)):
        op.add_column("watermarks", sa.Column(name, type_))
    for name in ("volume_revision", "close_revision"):
        op.add_column("watermarks", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("watermarks", sa.Column("previous_price", sa.Double))
    for name in ("seen_at", "late_as_of"):
        op.add_column("watermarks", sa.Column(name, sa.BigInteger))
    op.add_column("watermarks", sa.Column("late_provider", sa.Text))
    with op.batch_alter_table("alerts", copy_from=_ALERTS) as alerts:
        for name in ("price", "threshold"):
            alerts.alter_column(name, existing_type=sa.Double(), nullable=True)
        alerts.alter_column("event_id", existing_type=sa.Text(), nullable=True)
        alerts.add_column(sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"))
        alerts.add_column(sa.Column("state", sa.Text, nullable=False, server_default="firing"))
        alerts.add_column(sa.Column("terms", sa.Text, nullable=False, server_default=""))
        alerts.add_column(sa.Column("message", sa.Text, nullable=False, server_default=""))
        alerts.add_column(sa.Column("silenced", sa.Boolean, nullable=False, server_default=sa.false()))
        alerts.drop_constraint(_ALERTS_KEY, type_="unique")
        alerts.create_unique_constraint(
            _ALERTS_KEY, ["rule_id", "revision", "state", "provider", "symbol", "as_of", "interval"]
        )


def _create_tables() -> None:
    op.create_table(
        "rule_targets",
        sa.Column("rule_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("target", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rule_levels",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("symbol", "metric", "direction")),
        sa.Column("level", sa.Double, primary_key=True, autoincrement=False),
        sa.Column("rule_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("fires_first", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("rule_levels_rule", "rule_levels", ["rule_id"])
    op.create_table(
        "metric_usage",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("metric", sa.Text, primary_key=True),
        sa.Column("levels", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rule_states",
        sa.Column("rule_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("since", sa.BigInteger),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.Column("fired", sa.BigInteger, nullable=False),
        sa.Column("last_fired_at", sa.BigInteger),
        sa.Column("acknowledged", sa.Boolean, nullable=False),
        sa.Column("expired", sa.Boolean, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "rule_states_live",
        "rule_states",
        ["symbol"],
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "holds",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("as_of", sa.BigInteger, nullable=False),
        sa.Column("price", sa.Double, nullable=False),
        sa.Column("previous_price", sa.Double, nullable=False),
        sa.Column("ratio", sa.Double, nullable=False),
        sa.Column("last_as_of", sa.BigInteger, nullable=False),
        sa.Column("last_price", sa.Double, nullable=False),
        sa.Column("released", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pending_events",
        sa.Column("id", _ROW_ID, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False, unique=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "window_prices",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("as_of", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("price", sa.Double, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("is_real", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )


def _convert_rules(connection: sa.Connection) -> None:
    """Write the terms of each rule, and its levels, of which earlier versions had at most two."""
    rows = connection.execute(sa.text("SELECT id, symbol, condition, threshold FROM rules")).all()
    if not rows:
        return
    terms = [
        {"id": row.id, "terms": f"{row.symbol} {_PHRASES.get(row.condition, row.condition)} {_text(row.threshold)}"}
        for row in rows
    ]
    connection.execute(sa.text("UPDATE rules SET terms = :terms WHERE id = :id"), terms)
    levels = [level for row in rows for level in _levels(row)]
    connection.execute(
        sa.text("INSERT INTO rule_levels VALUES (:symbol, 'price', :direction, :level, :rule_id, :fires_first)"), levels
    )
    connection.execute(
        sa.text("INSERT INTO metric_usage SELECT symbol, metric, count(*) FROM rule_levels GROUP BY symbol, metric")
    )


def _text(price: float) -> str:
    """Return the canonical text of a price."""
    text = format(Decimal(repr(price)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _levels(row: Any) -> list[dict[str, Any]]:
    up = {"above": nextafter(row.threshold, inf), "crossing_up": row.threshold, "crossing": row.threshold}
    down = {"below": nextafter(row.threshold, -inf), "crossing_down": row.threshold, "crossing": row.threshold}
    return [
        {"symbol": row.symbol, "direction": direction, "level": side[row.condition], "rule_id": row.id}
        | {"fires_first": row.condition in ("above", "below")}
        for direction, side in (("up", up), ("down", down))
        if row.condition in side
    ]
