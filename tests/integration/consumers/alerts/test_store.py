"""The alerts database on real SQLite and PostgreSQL: schema, rules, alerts and the readable view."""

import threading
from decimal import Decimal

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.engine import URL, make_url

from consumers.alerts import store
from consumers.alerts.feeds import Hold, SymbolFeed
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule, list_rules, remove_rule
from consumers.alerts.store import (
    Raised,
    count_batch,
    is_batch_stored,
    load_feeds,
    load_watermarks,
    pending_alerts,
    read_alerts,
    read_counters,
    save_alerts,
    save_feeds,
)
from consumers.alerts.tables import SCHEMA, rules
from consumers.alerts.watermarks import Watermark
from shared.database.engine import open_engine, reading, writing
from shared.database.schema import create_schema
from shared.errors import SettingsError, StorageError
from shared.events import PriceAlert, StockData
from tests.event_factories import AS_OF, NOW, changed, price_alert, price_series, stock_data

RULE = parse_terms("AAPL crossing up 200")


def save(engine: Engine, *alerts: PriceAlert, event: StockData | None = None) -> list[PriceAlert]:
    """Store alerts of one event, or each of an event with its `as_of`, and return the new ones."""
    raised = [Raised(alert, 1, event or stock_data(as_of=alert.as_of)) for alert in alerts]
    with writing(engine) as connection:
        save_feeds(connection, {"AAPL": SymbolFeed(Watermark(AS_OF, Decimal("187.44"), 1))})
        count_batch(connection)
        return save_alerts(connection, raised)


def test_a_stored_rule_keeps_its_text(engine: Engine) -> None:
    added = add_rule(engine, "odd", parse_terms("* crossing down 123456789012.345"), NOW)
    assert [*list_rules(engine)] == [added]
    assert (str(added.terms), added.created_at) == ("* crossing down 123456789012.345", NOW)


def test_each_change_of_the_rules_is_a_new_revision(engine: Engine) -> None:
    revisions = [add_rule(engine, "a", RULE, NOW).revision, add_rule(engine, "b", RULE, NOW).revision]
    remove_rule(engine, "a")
    with writing(engine) as connection:
        assert revisions == [1, 2]
        assert read_counters(connection).revision == 3


def test_the_id_of_a_removed_rule_is_not_used_again(engine: Engine) -> None:
    first = add_rule(engine, "a", RULE, NOW)
    assert remove_rule(engine, "a") == first
    assert add_rule(engine, "a", RULE, NOW).id > first.id


def test_a_taken_or_unknown_name_is_an_error_and_changes_nothing(engine: Engine) -> None:
    add_rule(engine, "a", RULE, NOW)
    with pytest.raises(SettingsError, match=r"rule 'a' exists already \(AAPL crossing up 200\): choose another name"):
        add_rule(engine, "a", parse_terms("MSFT above 5"), NOW)
    with pytest.raises(SettingsError, match="there is no rule 'b'"):
        remove_rule(engine, "b")
    with writing(engine) as connection:
        assert read_counters(connection).revision == 1


def test_an_alert_is_stored_once_per_event_and_rule(engine: Engine) -> None:
    alert = price_alert()
    other = changed(alert, rule_id=2)
    assert save(engine, alert) == [alert]
    assert save(engine, changed(alert, price=Decimal(1)), other) == [other]
    with reading(engine) as connection:
        assert next(iter(pending_alerts(connection, 10).values())) == alert


def test_a_batch_is_stored_if_its_counter_watermarks_and_alerts_are(engine: Engine) -> None:
    event, alert = stock_data(), price_alert(stock_data())
    save(engine, alert, event=event)
    with writing(engine) as connection:
        assert is_batch_stored(connection, 1, {"AAPL"}, [Raised(alert, 1, event)])
        assert is_batch_stored(connection, 0, (), ())
        assert not is_batch_stored(connection, 2, (), ())
        assert not is_batch_stored(connection, 1, {"AAPL", "MSFT"}, ())
        assert not is_batch_stored(connection, 1, (), [Raised(alert, 1, changed(event, provider="yahoo"))])


def test_events_that_say_something_else_under_the_same_id_raise_alerts_of_their_own(engine: Engine) -> None:
    event = stock_data()
    others = [
        stock_data(provider="yahoo"),
        stock_data(interval="1d"),
        stock_data(as_of=AS_OF.replace(hour=1)),
        stock_data("MSFT"),
    ]
    for each in [event, *others]:
        reused = changed(each, id=event.id)
        alert = price_alert(reused)
        assert [save(engine, alert, event=reused), save(engine, alert, event=reused)] == [[alert], []]
    assert len({alert.id for alert in read_alerts(engine)}) == 5


def test_prices_and_watermarks_keep_every_digit(engine: Engine) -> None:
    exact = Decimal("99999.9999999999")
    save(engine, price_alert(price=exact, previous_price=None, threshold=Decimal("0.000000123456789012345")))
    with writing(engine) as connection:
        watermark = Watermark(AS_OF, exact, 7, "USD", "yahoo", 2**40, 6, exact, Decimal(1), 5)
        hold = Hold(NOW, exact, Decimal(1), Decimal("0.01"), NOW, Decimal(2), released=True)
        save_feeds(connection, {"BRK.B": SymbolFeed(Watermark(NOW, Decimal(1), 1))})
        save_feeds(connection, {"BRK.B": SymbolFeed(watermark, hold, NOW)})
        assert load_watermarks(connection, {"BRK.B", "NONE"}) == {"BRK.B": watermark}
        feeds = load_feeds(connection, {"BRK.B", "NONE"})
        assert (feeds["BRK.B"].mark, feeds["BRK.B"].hold, feeds["BRK.B"].seen_at) == (watermark, hold, NOW)
        assert (feeds["NONE"].mark, feeds["NONE"].hold) == (None, None)
    [alert] = read_alerts(engine)
    assert (alert.price, alert.previous_price) == (exact, None)
    assert alert.fields()["threshold"] == "0.000000123456789012345"


def test_since_and_limit_select_the_newest_alerts_oldest_first(engine: Engine) -> None:
    alerts = [
        changed(price_alert(event), triggered_at=event.as_of) for event in price_series(["201", "202", "203", "204"])
    ]
    save(engine, *alerts)
    assert list(read_alerts(engine, since=alerts[1].triggered_at)) == alerts[1:]
    assert list(read_alerts(engine, limit=2)) == alerts[2:]
    assert list(read_alerts(engine, limit=9)) == alerts
    assert list(read_alerts(engine, since=alerts[3].triggered_at, limit=2)) == alerts[3:]


def test_a_slow_reader_of_alerts_holds_no_transaction_open(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_ROWS_PER_PART", 2)
    alerts = [
        changed(price_alert(event), triggered_at=event.as_of) for event in price_series(["1", "2", "3", "4", "5"])
    ]
    save(engine, *alerts)
    reader = read_alerts(engine)
    assert next(reader) == alerts[0]
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    save(engine, changed(price_alert(), rule_id=7))
    assert list(reader) == alerts[1:]


def test_the_view_shows_readable_times_that_sort(engine: Engine) -> None:
    early = price_alert(as_of=AS_OF.replace(year=1962, microsecond=123_456))
    save(engine, early, changed(early, rule_id=2, as_of=AS_OF))
    with reading(engine) as connection:
        rows = connection.execute(text("select * from price_alerts order by as_of")).mappings().all()
    assert dict(rows[0]) == {
        "symbol": "AAPL",
        "as_of": "1962-11-20T09:59:58.123456Z",
        "price": 187.44,
        "rule_name": "target",
        "condition": "crossing_up",
        "threshold": 187.0,
        "previous_price": 186.5,
        "state": "firing",
        "terms": "AAPL crossing up 187",
        "message": "It rises.",
        "silenced": 0,
        "triggered_at": "2024-11-20T10:00:03.122000Z",
        "published_at": None,
        "rule_id": 1,
        "event_id": early.event_id,
    }
    assert rows[1]["as_of"] == "2024-11-20T09:59:58.000000Z"


def test_several_processes_can_create_the_schema_and_add_rules_at_once(database_url: URL) -> None:
    count = 6
    start = threading.Barrier(count)
    failures: list[Exception] = []

    def work(number: int) -> None:
        engine = open_engine(database_url)
        start.wait()
        try:
            create_schema(engine, SCHEMA)
            add_rule(engine, f"rule {number}", RULE, NOW)
        except Exception as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine = open_engine(database_url)
    with writing(engine) as connection:
        assert failures == []
        assert connection.execute(select(func.count()).select_from(rules)).scalar_one() == count
        assert read_counters(connection) == (count, 0)
    engine.dispose()


def test_an_unsupported_database_is_named_in_the_error() -> None:
    class FakeMySQLEngine:
        url = make_url("mysql://me:secret@db/alerts")
        dialect = type("Dialect", (), {"name": "mysql"})

    with pytest.raises(StorageError, match="SQLite and PostgreSQL, not mysql") as caught:
        create_schema(FakeMySQLEngine(), SCHEMA)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
