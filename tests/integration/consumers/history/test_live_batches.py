"""The log of live prices, on real SQLite and PostgreSQL: numbers, pages, gaps, and what comes after it was pruned."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, delete, select

from consumers.history.live_batches import KEPT, pack_keys, prune, unpack_keys
from consumers.history.queries.live_events import (
    is_logged_since,
    newest_number,
    read_live_events,
    read_older_events,
)
from consumers.history.store import PriceStore
from consumers.history.tables import live_batch
from shared.database.engine import reading, writing
from shared.database.reader import Reader
from shared.events import StockData
from shared.times import to_micros
from tests.event_factories import AS_OF, NOW, stock_data

MINUTE = timedelta(minutes=1)


def at(place: int, symbol: str = "AAPL") -> StockData:
    as_of = AS_OF + place * MINUTE
    return stock_data(symbol, str(100 + place), as_of, observed_at=as_of)


def store(engine: Engine, now: datetime = NOW) -> PriceStore:
    return PriceStore(engine, clock=lambda: now)


def ids(reader: Reader, after: int = 0, most: int = 1000) -> list[str]:
    return [found.event.id for found in read_live_events(reader, after, most)]


def test_live_prices_come_back_in_the_order_of_their_arrival(engine: Engine, reader: Reader) -> None:
    events = [
        at(1),
        at(0, "MSFT"),
        at(0),
        StockData.create(
            symbol="XOM",
            price=Decimal("187.44"),
            currency=None,
            as_of=AS_OF,
            provider="yahoo",
            observed_at=NOW,
            volume=7,
            high=Decimal(200),
            interval="1h",
        ),
    ]
    store(engine).save(events, live=4)
    found = read_live_events(reader, 0, 100)
    assert [each.event for each in found] == events
    assert [each.number for each in found] == [to_micros(NOW) + place for place in range(4)]
    assert newest_number(reader) == found[-1].number


def test_a_page_ends_anywhere_in_a_batch(engine: Engine, reader: Reader) -> None:
    events = [at(place) for place in range(50)]
    for start in range(0, 50, 7):
        store(engine).save(events[start : start + 7], live=7)
    everything = ids(reader)
    assert everything == [event.id for event in events]
    after, seen = 0, []
    while page := read_live_events(reader, after, 3):
        seen += [each.event.id for each in page]
        after = page[-1].number
    assert seen == everything


def test_backfilled_prices_are_no_live_prices(engine: Engine, reader: Reader) -> None:
    store(engine).save([at(0), at(1)], live=1)
    store(engine).save([at(2)])
    assert ids(reader) == [at(0).id]


def test_numbers_grow_although_the_clock_is_put_back(engine: Engine, reader: Reader) -> None:
    store(engine, NOW).save([at(0), at(1)], live=2)
    store(engine, NOW - timedelta(hours=1)).save([at(2)], live=1)
    numbers = [each.number for each in read_live_events(reader, 0, 10)]
    assert numbers == [to_micros(NOW) + place for place in range(3)]


def test_a_price_that_was_corrected_comes_as_it_is_now(engine: Engine, reader: Reader) -> None:
    store(engine).save([at(0)], live=1)
    later = stock_data("AAPL", "7", AS_OF, observed_at=NOW)
    store(engine).save([later], live=1)
    assert [str(each.event.price) for each in read_live_events(reader, 0, 10)] == ["7", "7"]
    assert set(ids(reader)) == {later.id}


def test_a_price_that_was_deleted_is_left_out(engine: Engine, reader: Reader) -> None:
    store(engine).save([at(0), at(1)], live=2)
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM quote WHERE price = 100")
    assert ids(reader) == [at(1).id]


def test_a_new_database_is_logged_from_its_beginning(reader: Reader) -> None:
    assert is_logged_since(reader, 0)
    assert newest_number(reader) == 0
    assert ids(reader) == []


def test_old_batches_are_forgotten_but_for_the_newest_of_them(engine: Engine, reader: Reader) -> None:
    for day in range(12):
        store(engine, NOW + timedelta(days=day)).save([at(day)], live=1)
    limit = NOW + timedelta(days=11) - KEPT
    with writing(engine) as connection:
        prune(connection, to_micros(limit), 1000)
    assert ids(reader) == [at(day).id for day in range(3, 12)]
    assert is_logged_since(reader, to_micros(limit))
    assert not is_logged_since(reader, to_micros(NOW))


def test_a_store_forgets_old_batches_by_itself(engine: Engine, reader: Reader) -> None:
    store(engine, NOW - timedelta(days=30)).save([at(0)], live=1)
    store(engine, NOW - timedelta(days=20)).save([at(1)], live=1)
    growing = store(engine)
    for place in range(110):
        growing.save([at(2 + place)], live=1)
    with reading(engine) as connection:
        oldest = connection.scalar(select(live_batch.c.last_number).order_by(live_batch.c.last_number).limit(1))
    assert oldest == to_micros(NOW - timedelta(days=20))


def test_what_the_log_has_lost_comes_by_its_time_of_observation(engine: Engine, reader: Reader) -> None:
    old = [at(place) for place in range(5)]
    store(engine, NOW).save(old, live=5)
    later = stock_data("AAPL", "7", NOW + timedelta(days=9), observed_at=NOW + timedelta(days=9))
    store(engine, NOW + timedelta(days=9)).save([later], live=1)
    with writing(engine) as connection:
        connection.execute(delete(live_batch).where(live_batch.c.last_number < to_micros(NOW + timedelta(days=1))))
    number = to_micros(AS_OF)
    assert not is_logged_since(reader, number)
    found = [event.id for event in read_older_events(reader, number)]
    assert set(found) | set(ids(reader, number)) == {event.id for event in [*old, later]}


@pytest.mark.parametrize(
    "keys", [[(1, 0)], [(3, -5), (1, 10**16), (3, 7)], [(n % 500, 10**15 + n) for n in range(2000)]]
)
def test_keys_are_packed_and_unpacked(keys: list[tuple[int, int]]) -> None:
    assert unpack_keys(pack_keys(keys)) == keys


def test_keys_of_a_regular_feed_take_a_part_of_a_byte_each() -> None:
    keys = [(n % 500, 1_700_000_000_000_000 + n // 500 * 5_000_000) for n in range(2000)]
    assert len(pack_keys(keys)) < 0.3 * len(keys)
