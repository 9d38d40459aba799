"""The splits that the history knows: rules are rescaled by them without asking, each split once."""

import logging
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import ColumnElement, Connection, Engine, delete, select, update

from consumers.alerts.batch import Results
from consumers.alerts.evaluation import Evaluator
from consumers.alerts.rules.changes import apply_split
from consumers.alerts.rules.store import begin_change
from consumers.alerts.split_guard import due_splits
from consumers.alerts.store import Raised, count_batch, load_feeds, load_pending_splits
from consumers.alerts.tables import known_splits
from shared.database.engine import writing
from shared.database.schema import insert_into
from shared.events import PriceAlert, RulesHeld, StockData
from shared.splits import Split, combined_factor

log = logging.getLogger(__name__)


def replace_known_splits(engine: Engine, symbols: Collection[str], splits: Sequence[Split]) -> None:
    """Let the given splits be the known splits of these symbols, and release the rules that wait because of one.

    A split that was applied stays applied, even if it is given with another ratio.
    """
    with writing(engine) as connection:
        wanted = {(split.symbol, split.day): split for split in splits}
        stored = {(split.symbol, split.day): split for split in _read(connection, symbols)}
        if wanted == stored:
            return
        # Evaluation waits, and then reads the splits again.
        begin_change(connection)
        count_batch(connection)
        for split in stored.values():
            if (split.symbol, split.day) not in wanted:
                connection.execute(delete(known_splits).where(*_is(split)))
        _insert(connection, [split for key, split in wanted.items() if stored.get(key) != split])
        for symbol in sorted({split.symbol for split in splits}):
            _release(connection, symbol)


def evaluate_across_splits(
    evaluator: Evaluator, connection: Connection, events: Sequence[StockData], revision: int
) -> Results:
    """Evaluate events in order, and rescale the rules of a symbol where a known split is due between two prices."""
    alerts: list[PriceAlert] = []
    held: list[RulesHeld] = []
    raised: list[Raised] = []
    rest = events
    while rest:
        part = evaluator.evaluate(connection, rest, revision)
        alerts += part.alerts
        held += part.held
        raised += part.raised
        rest = rest[part.evaluated :]
        if part.due:
            revision = begin_change(connection)
            _apply(connection, part.due)
            evaluator.forget()
    return Results(alerts, held, raised, len(events))


def _read(connection: Connection, symbols: Collection[str]) -> Iterator[Split]:
    rows = connection.execute(select(known_splits).where(known_splits.c.symbol.in_(symbols)))
    return (Split(row.symbol, date.fromisoformat(row.day), row.new_shares, row.old_shares) for row in rows)


def _is(split: Split) -> tuple[ColumnElement[bool], ...]:
    return known_splits.c.symbol == split.symbol, known_splits.c.day == split.day.isoformat()


def _insert(connection: Connection, splits: Sequence[Split]) -> None:
    if not splits:
        return
    insert = insert_into(known_splits, connection.dialect.name)
    shares = {name: insert.excluded[name] for name in ("new_shares", "old_shares")}
    rows = [
        {
            "symbol": split.symbol,
            "day": split.day.isoformat(),
            "new_shares": split.new,
            "old_shares": split.old,
            "applied": False,
        }
        for split in splits
    ]
    connection.execute(insert.on_conflict_do_update(index_elements=["symbol", "day"], set_=shares), rows)


def _release(connection: Connection, symbol: str) -> None:
    """Apply the splits that explain the jump for which the rules of a symbol wait."""
    feed = load_feeds(connection, [symbol])[symbol]
    if feed.hold is None or feed.hold.released or feed.mark is None:
        return
    splits = load_pending_splits(connection, [symbol]).get(symbol, ())
    jump = (feed.mark.as_of, feed.hold.previous_price), (feed.hold.as_of, feed.hold.price)
    if due := due_splits(splits, *jump):
        _apply(connection, due)


def _apply(connection: Connection, splits: Sequence[Split]) -> None:
    symbol, factor = splits[0].symbol, combined_factor(splits)
    count = apply_split(connection, symbol, Decimal(factor.numerator) / Decimal(factor.denominator))
    for split in splits:
        connection.execute(update(known_splits).where(*_is(split)).values(applied=True))
        log.info("applied the split of %s on %s, %s, to %d rules", symbol, split.day, split.ratio, count)
