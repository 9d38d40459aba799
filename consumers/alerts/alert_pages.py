"""Pages of the stored alerts, in the order in which they were stored or the other way round."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from consumers.alerts.store import alert_of_row
from consumers.alerts.tables import alerts
from shared.events import PriceAlert


@dataclass(frozen=True)
class AlertFilter:
    """The alerts that are wanted: triggered from `start` to before `end`, of one symbol, of one rule."""

    start: datetime | None = None
    end: datetime | None = None
    symbol: str | None = None
    rule_id: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted = []
        if self.start is not None:
            wanted.append(alerts.c.triggered_at >= self.start)
        if self.end is not None:
            wanted.append(alerts.c.triggered_at < self.end)
        if self.symbol is not None:
            wanted.append(alerts.c.symbol == self.symbol)
        if self.rule_id is not None:
            wanted.append(alerts.c.rule_id == self.rule_id)
        return wanted


def alerts_page(
    connection: Connection, wanted: AlertFilter, after: int | None, limit: int, *, descending: bool
) -> dict[int, PriceAlert]:
    """Return up to `limit` alerts by row id: those beyond the row `after`, newest first if `descending`."""
    query = select(alerts).where(*wanted.conditions())
    if after is not None:
        query = query.where(alerts.c.id < after if descending else alerts.c.id > after)
    rows = connection.execute(query.order_by(alerts.c.id.desc() if descending else alerts.c.id).limit(limit))
    return {row["id"]: alert_of_row(row) for row in rows.mappings()}
