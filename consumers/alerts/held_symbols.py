"""The symbols whose rules are held, because a jump of their price may be a split."""

from typing import Any

from sqlalchemy import Connection, select

from consumers.alerts.held_rules import select_held
from consumers.alerts.split_guard import describe_ratio
from consumers.alerts.tables import holds, rules
from shared.prices import format_price
from shared.times import format_sortable

# Names of rules that are listed per symbol.
_MOST_NAMES = 100


def read_held_symbols(connection: Connection) -> list[dict[str, Any]]:
    """Return the jump of each held symbol with the names of its rules, which wait; the newest jump first."""
    rows = connection.execute(select(holds).where(~holds.c.released).order_by(holds.c.as_of.desc())).mappings()
    return [
        {
            "symbol": row["symbol"],
            "as_of": format_sortable(row["as_of"]),
            "price": format_price(row["price"]),
            "previous_price": format_price(row["previous_price"]),
            "ratio": describe_ratio(row["ratio"]),
            "last_as_of": format_sortable(row["last_as_of"]),
            "last_price": format_price(row["last_price"]),
            "rules": list(select_held(connection, rules.c.name, row["symbol"], row["as_of"], _MOST_NAMES)),
        }
        for row in rows.all()
    ]
