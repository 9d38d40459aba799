"""Storage of splits. A split by hand wins over what files and providers tell, and so does its removal by hand."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import Engine, delete, or_, select, update

from consumers.history.tables import split
from shared.database.engine import reading, writing
from shared.database.schema import insert_into
from shared.splits import BY_HAND, Split


def save_splits(engine: Engine, splits: Sequence[Split], source: str) -> None:
    """Add splits, or replace those of the same dates unless they are by hand and the source is another one."""
    rows = {
        (each.symbol, each.day): {
            "symbol": each.symbol,
            "day": each.day.isoformat(),
            "new_shares": each.new,
            "old_shares": each.old,
            "source": source,
        }
        for each in splits
    }
    if not rows:
        return
    with writing(engine) as connection:
        insert = insert_into(split, engine.dialect.name)
        values = {name: insert.excluded[name] for name in ("new_shares", "old_shares", "source")}
        may_replace = or_(split.c.source != BY_HAND, insert.excluded.source == BY_HAND)
        statement = insert.on_conflict_do_update(index_elements=["symbol", "day"], set_=values, where=may_replace)
        connection.execute(statement, [*rows.values()])


def remove_split(engine: Engine, symbol: str, day: date) -> bool:
    """Remove a split, for good if a file or a provider told it. Return False if there is none."""
    is_it = (split.c.symbol == symbol, split.c.day == day.isoformat(), split.c.new_shares != split.c.old_shares)
    with writing(engine) as connection:
        by_hand = connection.execute(delete(split).where(*is_it, split.c.source == BY_HAND))
        # One share for one is no split, and stays, because the file or the provider may tell its own again.
        told = connection.execute(update(split).where(*is_it).values(new_shares=1, old_shares=1, source=BY_HAND))
        return bool(by_hand.rowcount or told.rowcount)


def load_splits(engine: Engine, symbols: Collection[str]) -> list[Split]:
    """Return the splits of the symbols, sorted by symbol and date."""
    wanted = (split.c.symbol.in_(symbols), split.c.new_shares != split.c.old_shares)
    with reading(engine) as connection:
        rows = connection.execute(select(split).where(*wanted).order_by(split.c.symbol, split.c.day)).all()
    return [Split(row.symbol, date.fromisoformat(row.day), row.new_shares, row.old_shares) for row in rows]
