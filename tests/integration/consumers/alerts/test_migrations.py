"""An alerts database of the first version, which had alerts keyed by the id of their event."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL

from consumers.alerts.handler import AlertHandler
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.rows import level_rows, row_of_state
from consumers.alerts.rules.store import add_rule, list_rules
from consumers.alerts.standing import standings
from consumers.alerts.states import RuleState, Status
from consumers.alerts.store import load_watermarks, pending_alerts, read_alerts, save_states
from consumers.alerts.tables import SCHEMA, counters, metadata, metric_usage, rule_levels
from consumers.alerts.watermarks import Watermark
from shared.database.engine import open_engine, opened, reading, writing
from shared.database.schema import create_schema, has_schema
from shared.errors import StorageError
from shared.events import first_price_alert_id
from shared.times import to_micros
from tests.event_factories import AS_OF, changed, price_alert, price_series, stock_data
from tests.forked_processes import stockwire
from tests.integration.consumers.alerts.test_store import save

EVENT = stock_data()


def create_old_database(url: URL) -> None:
    """Create the tables and the view as the first version did, with a published and a pending alert."""
    old = MetaData()
    counters.to_metadata(old)
    alerts = old_alerts(old)
    rules = old_rules(old)
    watermarks = old_watermarks(old)
    with opened(url) as engine, writing(engine) as connection:
        old.create_all(connection)
        connection.execute(insert(counters).values(revision=5, batches=1))
        # Their ids come from the database, which must not give one of them to a new rule.
        connection.execute(insert(rules), OLD_RULES)
        connection.execute(insert(watermarks).values(symbol="AAPL", as_of=to_micros(AS_OF), price=187.44, revision=1))
        connection.execute(insert(alerts), [old_row(1, EVENT.id, published_at=5), old_row(2, "foreign id")])
        connection.execute(text("CREATE VIEW price_alerts AS SELECT symbol, as_of, price, event_id FROM alerts"))


def old_alerts(metadata: MetaData) -> Table:
    pending = text("published_at IS NULL")
    return Table(
        "alerts",
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
        Column("rule_id", BigInteger, nullable=False),
        Column("rule_name", Text, nullable=False),
        Column("condition", Text, nullable=False),
        Column("symbol", Text, nullable=False),
        Column("price", Double, nullable=False),
        Column("previous_price", Double),
        Column("threshold", Double, nullable=False),
        Column("as_of", BigInteger, nullable=False),
        Column("triggered_at", BigInteger, nullable=False),
        Column("event_id", Text, nullable=False),
        Column("published_at", BigInteger),
        UniqueConstraint("rule_id", "event_id"),
        Index("alerts_pending", "id", sqlite_where=pending, postgresql_where=pending),
        Index("alerts_triggered", "triggered_at"),
    )


OLD_RULES = [
    {
        "name": f"rule {number}",
        "symbol": "*" if condition == "above" else "AAPL",
        "condition": condition,
        "threshold": 187.5,
        "revision": number,
        "created_at": number,
    }
    for number, condition in enumerate(["above", "below", "crossing", "crossing_up", "crossing_down"], 1)
]


def old_rules(metadata: MetaData) -> Table:
    return Table(
        "rules",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", Text, nullable=False, unique=True),
        Column("symbol", Text, nullable=False),
        Column("condition", Text, nullable=False),
        Column("threshold", Double, nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )


def old_watermarks(metadata: MetaData) -> Table:
    return Table(
        "watermarks",
        metadata,
        Column("symbol", Text, primary_key=True),
        Column("as_of", BigInteger, nullable=False),
        Column("price", Double, nullable=False),
        Column("revision", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def old_row(rule_id: int, event_id: str, published_at: int | None = None) -> dict[str, object]:
    alert = price_alert(EVENT)
    return {
        "rule_id": rule_id,
        "rule_name": "target",
        "condition": "crossing_up",
        "symbol": "AAPL",
        "price": 187.44,
        "previous_price": 186.5,
        "threshold": 187.0,
        "as_of": to_micros(AS_OF),
        "triggered_at": to_micros(alert.triggered_at),
        "event_id": event_id,
        "published_at": published_at,
    }


@pytest.fixture
def old_database(database_url: URL) -> URL:
    create_old_database(database_url)
    return database_url


def columns_and_indexes(engine: Engine) -> tuple[object, ...]:
    """Return the columns, indexes and keys of each table, and the columns of the view."""
    inspector = inspect(engine)
    tables = []
    for table in sorted(metadata.tables):
        columns = {(each["name"], str(each["type"]), each["nullable"]) for each in inspector.get_columns(table)}
        indexes = {
            (each["name"], *each["column_names"], *map(str, each["dialect_options"].values()))
            for each in inspector.get_indexes(table)
            if not each.get("duplicates_constraint")
        }
        keys = {tuple(each["column_names"]) for each in inspector.get_unique_constraints(table)}
        tables.append((table, columns, indexes, keys))
    return tables, [each["name"] for each in inspector.get_columns("price_alerts")]


def test_the_migration_keeps_the_alerts_and_their_ids(old_database: URL) -> None:
    with opened(old_database) as engine:
        create_schema(engine, SCHEMA)
        first, second = read_alerts(engine)
        with reading(engine) as connection:
            old_id = first_price_alert_id(1, "target", EVENT.id)
            assert first == changed(price_alert(EVENT), id=old_id, terms="", message="")
            assert (second.event_id, second.rule_id) == ("foreign id", 2)
            assert [alert.id for alert in pending_alerts(connection, 10).values()] == [second.id]
            assert (
                connection.execute(text("SELECT count(*) FROM price_alerts WHERE published_at IS NULL")).scalar() == 1
            )


def test_a_migrated_database_takes_new_alerts_of_a_reused_id(old_database: URL) -> None:
    with opened(old_database) as engine:
        create_schema(engine, SCHEMA)
        alert = price_alert(EVENT)
        assert [save(engine, alert), save(engine, alert)] == [[alert], []]


def test_a_migrated_database_has_the_columns_indexes_and_keys_of_a_new_one(old_database: URL) -> None:
    with opened(old_database) as engine:
        create_schema(engine, SCHEMA)
        migrated = columns_and_indexes(engine)
        with writing(engine) as connection:
            for statement in ("DROP VIEW price_alerts", "DROP TABLE alembic_version_alerts"):
                connection.execute(text(statement))
            metadata.drop_all(connection)
        create_schema(engine, SCHEMA)
        assert columns_and_indexes(engine) == migrated


@pytest.mark.parametrize("has_column", [True, False])
def test_a_database_that_got_its_states_before_they_were_pinned_gets_the_column_once(
    database_url: URL, has_column: bool
) -> None:
    """New databases of revision 0007 had the column, and migrated ones of that revision did not."""
    with opened(database_url) as engine:
        create_schema(engine, SCHEMA)
        rule = add_rule(engine, "high", parse_terms("AAPL above 500"), AS_OF)
        with writing(engine) as connection:
            save_states(connection, [row_of_state(rule, "AAPL", RuleState(Status.FIRING, AS_OF, fired=3))])
            connection.execute(text("UPDATE alembic_version_alerts SET version_num = '0007'"))
            if not has_column:
                connection.execute(text("ALTER TABLE rule_states DROP COLUMN pinned"))
        create_schema(engine, SCHEMA)
        with reading(engine) as connection:
            [standing] = standings(connection, [rule])[rule.id]
    assert standing.state == RuleState(Status.FIRING, AS_OF, fired=3)


def test_a_migrated_price_is_the_previous_price_of_any_event(old_database: URL) -> None:
    """The earlier version did not store its currency and provider."""
    with opened(old_database) as engine:
        create_schema(engine, SCHEMA)
        with reading(engine) as connection:
            watermark = load_watermarks(connection, {"AAPL"})["AAPL"]
    assert watermark == Watermark(AS_OF, Decimal("187.44"), 1)
    assert watermark.is_comparable(stock_data(provider="yahoo", currency="GBP"))


def test_the_rules_of_an_earlier_version_fire_as_before(old_database: URL) -> None:
    with opened(old_database) as engine:
        create_schema(engine, SCHEMA)
        found = [str(rule.terms) for rule in list_rules(engine)]
        assert found == [
            "* above 187.5",
            "AAPL below 187.5",
            "AAPL crossing 187.5",
            "AAPL crossing up 187.5",
            "AAPL crossing down 187.5",
        ]
        with reading(engine) as connection:
            stored = connection.execute(select(rule_levels)).all()
            usage = connection.execute(select(metric_usage).order_by(metric_usage.c.symbol)).all()
        expected = [tuple(row.values()) for rule in list_rules(engine) for row in level_rows(rule)]
        assert sorted(map(tuple, stored)) == sorted(expected)
        assert [tuple(row) for row in usage] == [("*", "price", 1), ("AAPL", "price", 5)]
        handle = AlertHandler(engine, lambda messages: len(list(messages)))
        handle(price_series(["188", "187"], start=AS_OF.replace(year=2025)))
        fired = [(alert.rule_name, alert.price) for alert in read_alerts(engine)][2:]
        assert fired == [
            ("rule 1", 188),
            ("rule 3", 188),
            ("rule 4", 188),
            ("rule 2", 187),
            ("rule 3", 187),
            ("rule 5", 187),
        ]


def test_several_processes_can_migrate_at_once(old_database: URL) -> None:
    count = 4
    start = threading.Barrier(count)
    failures: list[Exception] = []

    def work() -> None:
        start.wait()
        try:
            with opened(old_database) as engine:
                create_schema(engine, SCHEMA)
        except Exception as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with opened(old_database) as engine:
        assert len(list(read_alerts(engine))) == 2


def test_a_command_that_reads_names_the_command_that_migrates(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'alerts.db'}"
    environment = {"STOCKWIRE_ALERTS_URL": url}
    create_old_database(URL.create("sqlite", database=str(tmp_path / "alerts.db")))
    for command in (["alerts"], ["rules", "list"]):
        done = stockwire(*command, environment=environment)
        assert done.returncode == 1
        assert (
            "created by an earlier version of Stockwire: run ./stockwire up or ./stockwire consume alerts"
            in done.stderr
        )
    assert stockwire("rules", "add", "high", "AAPL above 500", environment=environment).returncode == 0
    assert "target" in stockwire("alerts", environment=environment).stdout


def test_a_database_of_a_later_version_is_refused(database_url: URL) -> None:
    engine = open_engine(database_url)
    create_schema(engine, SCHEMA)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version_alerts SET version_num = '9999'"))
    for attempt in (lambda: create_schema(engine, SCHEMA), lambda: has_schema(engine, SCHEMA, "nothing")):
        with pytest.raises(StorageError, match="belongs to a later version of Stockwire"):
            attempt()
    engine.dispose()
