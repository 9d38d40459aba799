"""Feeds, states and alerts in the alerts database; functions with a connection work in their caller's transaction."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, select, true, update
from sqlalchemy import RowMapping as Row

from consumers.alerts.alerting import silence_key
from consumers.alerts.event_log import log_events
from consumers.alerts.feeds import Hold, SymbolFeed
from consumers.alerts.notifications.deliveries import queue_deliveries
from consumers.alerts.tables import (
    alerts,
    counters,
    holds,
    known_splits,
    pending_events,
    rule_states,
    rule_targets,
    watermarks,
    window_prices,
)
from consumers.alerts.watermarks import Watermark
from shared.database.engine import reading
from shared.database.schema import insert_into
from shared.events import (
    ALERT_FIELDS,
    PriceAlert,
    RulesHeld,
    StockData,
    first_price_alert_id,
    price_alert_id,
    stock_data_id,
)
from shared.prices import is_real
from shared.splits import Split
from shared.times import from_micros, to_micros

_ROWS_PER_PART = 10_000

# An alert is stored once per revision and state of a rule and event, and an event is what it says, not its id.
_KEY = (
    alerts.c.rule_id,
    alerts.c.revision,
    alerts.c.state,
    alerts.c.provider,
    alerts.c.symbol,
    alerts.c.as_of,
    alerts.c.interval,
)
_WATERMARK = tuple(Watermark.__dataclass_fields__)
_HOLD = tuple(Hold.__dataclass_fields__)


_WINDOW_PRICE_COLUMNS = ("symbol", "as_of", "price", "currency", "is_real")


class Counters(NamedTuple):
    """The number of changes of the rules, and of batches that changed a watermark."""

    revision: int
    batches: int


class Raised(NamedTuple):
    """An alert, the revision of its rule, and the event that raised it; without an event there was no data."""

    alert: PriceAlert
    revision: int
    event: StockData | None


def read_counters(connection: Connection) -> Counters:
    """Return the counters, and lock them until the transaction ends. SQLite locks the whole database."""
    row = connection.execute(select(counters).with_for_update()).one()
    return Counters(row.revision, row.batches)


def count_batch(connection: Connection) -> None:
    """Tell other processes that watermarks, holds or windows have changed."""
    connection.execute(update(counters).values(batches=counters.c.batches + 1))


def load_feeds(connection: Connection, symbols: Collection[str]) -> dict[str, SymbolFeed]:
    """Return a feed of each symbol, without the prices of windows."""
    marks = {row["symbol"]: row for row in _rows_of(connection, watermarks, symbols)}
    held = {row["symbol"]: row for row in _rows_of(connection, holds, symbols)}
    return {symbol: _feed(marks.get(symbol), held.get(symbol)) for symbol in symbols}


def load_watermarks(connection: Connection, symbols: Collection[str]) -> dict[str, Watermark]:
    """Return the watermarks of the symbols that have one."""
    return {row["symbol"]: _watermark(row) for row in _rows_of(connection, watermarks, symbols)}


def load_window(
    connection: Connection, symbol: str, currency: str | None, *, is_real: bool
) -> Iterator[tuple[int, float]]:
    """Yield times in microseconds and prices of the windows of a symbol that may be compared, oldest first."""
    query = select(window_prices.c.as_of, window_prices.c.price).where(
        window_prices.c.symbol == symbol,
        window_prices.c.currency.is_not_distinct_from(currency),
        window_prices.c.is_real == is_real,
    )
    for as_of, price in connection.execute(query.order_by(window_prices.c.as_of)):
        yield to_micros(as_of), float(price)


def save_feeds(connection: Connection, feeds: Mapping[str, SymbolFeed]) -> None:
    """Store watermarks and holds."""
    marks = [
        {"symbol": symbol, "seen_at": feed.seen_at, **_late_columns(feed), **_columns(feed.mark, _WATERMARK)}
        for symbol, feed in feeds.items()
        if feed.mark is not None
    ]
    _upsert(connection, watermarks, marks)
    held = [{"symbol": symbol} | _columns(feed.hold, _HOLD) for symbol, feed in feeds.items() if feed.hold is not None]
    _upsert(connection, holds, held)
    held_before = set(connection.scalars(select(holds.c.symbol)))
    free = [symbol for symbol in held_before if symbol in feeds and feeds[symbol].hold is None]
    if free:
        connection.execute(delete(holds).where(holds.c.symbol.in_(free)))


def load_pending_splits(connection: Connection, symbols: Collection[str]) -> dict[str, list[Split]]:
    """Return the known splits that are not applied yet, oldest first, of the symbols that have any."""
    found: dict[str, list[Split]] = {}
    for row in sorted(_rows_of(connection, known_splits, symbols), key=itemgetter("day")):
        if not row["applied"]:
            split = Split(row["symbol"], date.fromisoformat(row["day"]), row["new_shares"], row["old_shares"])
            found.setdefault(split.symbol, []).append(split)
    return found


def save_window_prices(connection: Connection, events: Iterable[StockData]) -> None:
    """Store prices that windows need. There may be one per event, so the driver gets the values as they are."""
    rows = [
        (event.symbol, to_micros(event.as_of), float(event.data.price), event.currency, is_real(event.provider))
        for event in events
    ]
    if rows:
        connection.exec_driver_sql(_save_window_price(connection.dialect.name), rows)


@cache
def _save_window_price(dialect: str) -> str:
    """Return the statement in the driver's own text, because SQLAlchemy takes longer per row than SQLite."""
    values = ", ".join(["?" if dialect == "sqlite" else "%s"] * len(_WINDOW_PRICE_COLUMNS))
    return (
        f"INSERT INTO {window_prices.name} ({', '.join(_WINDOW_PRICE_COLUMNS)}) VALUES ({values})"  # noqa: S608 - names of ours
        " ON CONFLICT (symbol, as_of) DO UPDATE"
        " SET price = excluded.price, currency = excluded.currency, is_real = excluded.is_real"
    )


def forget_window_prices(connection: Connection, before: Mapping[str, int]) -> None:
    """Delete the window prices of each symbol before a time in microseconds."""
    for symbol, at in before.items():
        old = (window_prices.c.symbol == symbol, window_prices.c.as_of < from_micros(at))
        connection.execute(delete(window_prices).where(*old))


def clear_window(connection: Connection, symbol: str) -> None:
    """Delete all window prices of a symbol."""
    connection.execute(delete(window_prices).where(window_prices.c.symbol == symbol))


def clear_states(connection: Connection, symbol: str) -> None:
    """Let all rules of a symbol begin afresh, without an alert, but for the number of alerts and their expiry."""
    nothing = {"status": None, "since": None, "last_fired_at": None}
    flags = dict.fromkeys(("told", "acknowledged", "pinned", "live"), False)
    connection.execute(update(rule_states).where(rule_states.c.symbol == symbol).values(nothing | flags))


def save_states(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store rows of `rule_states`."""
    _upsert(connection, rule_states, rows)


def raise_alerts(connection: Connection, raised: Sequence[Raised], now: datetime) -> list[PriceAlert]:
    """Store alerts and what is owed to the targets of their rules, and return the alerts that are new."""
    new = save_alerts(connection, raised)
    loud = [alert for alert in new if not alert.silenced]
    targets = targets_of_rules(connection, {alert.rule_id for alert in loud})
    queue_deliveries(connection, [(alert, name) for alert in loud for name in targets.get(alert.rule_id, ())], now)
    log_events(connection, new, now)
    return new


def save_alerts(connection: Connection, raised: Sequence[Raised]) -> list[PriceAlert]:
    """Store alerts, and return those that were not stored before for the same rule, state and event."""
    if not raised:
        return []
    statement = insert_into(alerts, connection.dialect.name)
    statement = statement.on_conflict_do_nothing(index_elements=_KEY).returning(*_KEY)
    # Of several alerts with one key the first counts, as it would in batches of their own.
    first = {_key(each): each for each in reversed(raised)}
    rows = [_row(each) for each in raised if first[_key(each)] is each]
    inserted = {tuple(row) for row in connection.execute(statement, rows)}
    return [each.alert for each in raised if first[_key(each)] is each and _key(each) in inserted]


def is_batch_stored(connection: Connection, batches: int, symbols: Collection[str], raised: Sequence[Raised]) -> bool:
    """Return True if the database has so many batches, watermarks of the symbols, and the alerts that were raised."""
    if (connection.scalar(select(counters.c.batches)) or 0) < batches:
        return False
    if load_watermarks(connection, symbols).keys() != set(symbols):
        return False
    keys = (zip(_KEY, _key(each), strict=True) for each in raised)
    queries = (select(alerts.c.id).where(*(column == value for column, value in key)) for key in keys)
    return all(connection.scalar(query) is not None for query in queries)


def targets_of_rules(connection: Connection, rule_ids: Collection[int]) -> dict[int, list[str]]:
    """Return the names of the targets of each rule that has any."""
    query = select(rule_targets).where(rule_targets.c.rule_id.in_(rule_ids))
    found: dict[int, list[str]] = {}
    for rule_id, target in connection.execute(query.order_by(rule_targets.c.target)):
        found.setdefault(rule_id, []).append(target)
    return found


def queue_held(connection: Connection, held: RulesHeld) -> bool:
    """Store a RULES_HELD event that is to be published. Return False if it was stored before."""
    statement = insert_into(pending_events, connection.dialect.name)
    statement = statement.on_conflict_do_nothing(index_elements=[pending_events.c.event_id])
    done = connection.execute(statement, {"event_id": held.id, "body": held.encode().decode()})
    return bool(done.rowcount)


def pending_alerts(connection: Connection, limit: int) -> dict[int, PriceAlert]:
    """Return the oldest `limit` alerts that RabbitMQ has not confirmed, by row id."""
    query = select(alerts).where(alerts.c.published_at.is_(None)).order_by(alerts.c.id).limit(limit)
    return {row["id"]: alert_of_row(row) for row in connection.execute(query).mappings()}


def mark_published(connection: Connection, row_ids: Collection[int], now: datetime) -> None:
    """Record that RabbitMQ confirmed the alerts in these rows."""
    connection.execute(update(alerts).where(alerts.c.id.in_(row_ids)).values(published_at=now))


def pending_held(connection: Connection, limit: int) -> dict[int, RulesHeld]:
    """Return the oldest RULES_HELD events that RabbitMQ has not confirmed, by row id."""
    query = select(pending_events).order_by(pending_events.c.id).limit(limit)
    far = datetime.max.replace(tzinfo=from_micros(0).tzinfo)
    return {row.id: RulesHeld.decode(row.body.encode(), far) for row in connection.execute(query)}


def forget_published_held(connection: Connection, row_ids: Collection[int], _now: datetime) -> None:
    """Delete the events in these rows, which RabbitMQ has confirmed."""
    connection.execute(delete(pending_events).where(pending_events.c.id.in_(row_ids)))


def read_alerts(engine: Engine, since: datetime | None = None, limit: int | None = None) -> Iterator[PriceAlert]:
    """Yield the newest `limit` alerts triggered at `since` or later, in the order in which they were stored.

    The alerts are read in parts, so that a reader who takes them slowly, such as a pager, does not keep SQLite from
    shortening its WAL.
    """
    wanted = alerts.c.triggered_at >= since if since is not None else true()
    ids = select(alerts.c.id).where(wanted).order_by(alerts.c.id.desc())
    with reading(engine) as connection:
        last = connection.scalar(ids.limit(1))
        first = connection.scalar(ids.limit(1).offset(limit - 1)) if limit else None
    if last is None:
        return
    after = 0 if first is None else first - 1
    query = select(alerts).where(wanted, alerts.c.id <= last).order_by(alerts.c.id).limit(_ROWS_PER_PART)
    while after < last:
        with reading(engine) as connection:
            rows = connection.execute(query.where(alerts.c.id > after)).mappings().all()
        yield from map(alert_of_row, rows)
        after = rows[-1]["id"] if rows else last


def _rows_of(connection: Connection, table: Table, symbols: Collection[str]) -> Sequence[Row]:
    if not symbols:
        return []
    return connection.execute(select(table).where(table.c.symbol.in_(symbols))).mappings().all()


def _columns(values: Watermark | Hold, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(values, name) for name in names}


def _late_columns(feed: SymbolFeed) -> dict[str, Any]:
    as_of, provider = feed.late or (None, None)
    return {"late_as_of": as_of, "late_provider": provider}


def _feed(mark: Row | None, hold: Row | None) -> SymbolFeed:
    return SymbolFeed(
        None if mark is None else _watermark(mark),
        None if hold is None else Hold(**{name: hold[name] for name in _HOLD}),
        None if mark is None else mark["seen_at"],
        None if mark is None or mark["late_as_of"] is None else (mark["late_as_of"], mark["late_provider"]),
    )


def _watermark(row: Row) -> Watermark:
    return Watermark(**{name: row[name] for name in _WATERMARK})


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those of the same primary key."""
    if not rows:
        return
    statement = insert_into(table, connection.dialect.name)
    changed = {each.name: each for each in statement.excluded if not each.primary_key}
    connection.execute(statement.on_conflict_do_update(index_elements=[*table.primary_key], set_=changed), rows)


def _key(raised: Raised) -> tuple[Any, ...]:
    alert, revision, event = raised
    provider, interval = ("", "") if event is None else (event.provider, event.interval or "")
    return alert.rule_id, revision, alert.state, provider, alert.symbol, alert.as_of, interval


def _row(raised: Raised) -> dict[str, Any]:
    fields = {name: getattr(raised.alert, name) for name in ALERT_FIELDS}
    _, revision, _, provider, _, _, interval = _key(raised)
    return fields | {"revision": revision, "provider": provider, "interval": interval}


def alert_of_row(row: Row) -> PriceAlert:
    """Return the alert in a row of `alerts`."""
    fields = {name: row[name] for name in ALERT_FIELDS}
    return PriceAlert.create(**fields, alert_id=_alert_id(row))


def _alert_id(row: Row) -> str:
    """Return the id of a stored alert, which an earlier version made of other parts."""
    key = _event_key(row)
    if row["revision"] == 0:
        return first_price_alert_id(row["rule_id"], row["rule_name"], key)
    return price_alert_id(row["rule_id"], row["revision"], row["state"], key)


def _event_key(row: Row) -> str:
    if row["provider"] is None:
        # An alert that was stored without the provider of its event has its id from the event's id.
        return str(row["event_id"])
    if row["provider"] == "":
        return silence_key(row["symbol"], row["as_of"])
    return stock_data_id(row["provider"], row["symbol"], row["as_of"], row["interval"])
