"""Live events over HTTP: real RabbitMQ, the real consumers, and readers who come, go and come back."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from consumers.alerts.event_log import log_events
from consumers.alerts.handler import alerts
from consumers.alerts.rules.parser import parse_terms
from consumers.alerts.rules.store import add_rule
from consumers.alerts.tables import SCHEMA as ALERTS_SCHEMA
from consumers.alerts.tables import event_log
from consumers.history.handler import history
from consumers.history.store import PriceStore
from consumers.history.tables import SCHEMA, live_batch
from consumers.web.live.positions import Position
from consumers.web.live.ring import Ring
from shared.database.engine import opened, writing
from shared.database.schema import create_schema
from shared.events import StockData
from shared.messaging.address import BrokerAddress
from shared.messaging.consumer import Consumer
from shared.messaging.messages import price_message
from shared.messaging.runner import run_consumer
from shared.messaging.topology import queue_name
from shared.settings import Settings
from shared.signals import Stop
from shared.times import utc_now
from tests.event_factories import price_alert, stock_data
from tests.polling import eventually
from tests.proxy import proxy
from tests.queues import consumers_of, publish
from tests.sse_reader import SseReader
from tests.web_server import TOKEN, Client, serving, settings_in

START = datetime(2024, 11, 20, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("rabbitmq")


@contextmanager
def consuming(consumer: Consumer, settings: Settings) -> Iterator[None]:
    """Run a consumer in a thread while the block runs."""
    stop = Stop()
    thread = threading.Thread(target=run_consumer, args=(consumer, settings, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.request()
        thread.join(20)
        assert not thread.is_alive()


class Site:
    """A server with both consumers on a virtual host of its own."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings = settings
        self.client = client
        self._prices = 100

    def reader(self, last_id: str | None = None) -> SseReader:
        return SseReader(self.client.url, last_id)

    def publish(self, count: int = 1, symbol: str = "AAPL") -> list[StockData]:
        """Publish new prices, and return their events."""
        now = utc_now()
        events = []
        for _ in range(count):
            self._prices += 1
            as_of = now - timedelta(hours=1) + self._prices * timedelta(milliseconds=1)
            events.append(
                stock_data(
                    symbol, str(self._prices), as_of, observed_at=now, market_state="open", previous_close="99.5"
                )
            )
        publish(self.settings.amqp_url, *map(price_message, events))
        return events


@pytest.fixture
def site(broker: BrokerAddress, tmp_path: Path) -> Iterator[Site]:
    settings = replace(settings_in(tmp_path), amqp_url=broker)
    with opened(settings.alerts_url.engine_url) as engine:
        create_schema(engine, ALERTS_SCHEMA)
        add_rule(engine, "high", parse_terms("XOM above 1"), utc_now())
    with ExitStack() as stack:
        stack.enter_context(consuming(history, settings))
        stack.enter_context(consuming(alerts, settings))
        found = Site(settings, stack.enter_context(serving(settings)))
        for name in ("history", "alerts"):
            eventually(lambda name=name: consumers_of(broker, queue_name(name)))
        reader = found.reader()
        first = found.publish()
        eventually(lambda: reader.received)
        assert reader.ids() == [first[0].id]
        reader.close()
        yield found


def numbers(reader: SseReader) -> list[int]:
    return [int(each.id) for each in reader.received]


def test_prices_and_alerts_arrive_as_they_were_published(site: Site) -> None:
    reader = site.reader()
    assert b"content-type: text/event-stream" in reader.head
    assert 1000 <= reader.retry <= 5000
    [price] = site.publish(symbol="XOM")
    eventually(lambda: len(reader.received) == 2)
    kinds = {each.kind: each.event for each in reader.received}
    assert set(kinds) == {"price", "alert"}
    assert StockData.decode(price.encode(), utc_now()).fields() == kinds["price"]["data"]
    assert kinds["price"]["id"] == price.id
    assert kinds["price"]["data"]["previous_close"] == "99.5"
    assert (kinds["alert"]["type"], kinds["alert"]["data"]["event_id"]) == ("PRICE_ALERT", price.id)
    assert numbers(reader) == sorted(set(numbers(reader)))


def test_a_reader_that_comes_back_gets_what_it_missed(site: Site) -> None:
    reader = site.reader()
    before = site.publish(3)
    eventually(lambda: len(reader.received) == 3)
    reader.close()
    missed = site.publish(5) + site.publish(2, symbol="XOM")
    again = site.reader(reader.received[1].id)
    later = site.publish(2)
    eventually(lambda: len([each for each in again.received if each.kind == "price"]) == 10)
    prices = [each.event["id"] for each in again.received if each.kind == "price"]
    assert prices == [event.id for event in (*before[2:], *missed, *later)]
    assert [each.event["data"]["state"] for each in again.received if each.kind == "alert"] == ["firing"]
    assert numbers(again) == sorted(set(numbers(again)))


def test_a_reader_without_an_event_yet_comes_back_to_where_it_was(site: Site) -> None:
    reader = site.reader()
    reader.close()
    [missed] = site.publish()
    again = site.reader(reader.last_id)
    eventually(lambda: again.ids() == [missed.id])


def test_any_id_is_where_a_reader_can_begin(site: Site) -> None:
    published = site.publish(20)
    reader = site.reader("0")
    eventually(lambda: len(reader.received) == 21)
    for place in (0, 7, 20):
        again = site.reader(reader.received[place].id)
        eventually(lambda again=again, place=place: len(again.received) == 20 - place)
        assert again.ids() == [event.id for event in published][place:]


def test_a_restarted_server_goes_on_where_the_other_ended(site: Site) -> None:
    reader = site.reader()
    seen = site.publish(2)
    eventually(lambda: len(reader.received) == 2)
    with serving(site.settings) as other:
        missed = site.publish(3)
        again = SseReader(other.url, reader.received[0].id)
        eventually(lambda: len(again.received) == 4)
    assert again.ids() == [event.id for event in (*seen[1:], *missed)]
    eventually(lambda: again.ended)


def test_losing_rabbitmq_ends_no_stream_and_loses_no_event(site: Site) -> None:
    with (
        proxy(site.settings.amqp_url) as between,
        serving(replace(site.settings, amqp_url=between.address)) as other,
    ):
        reader = SseReader(other.url)
        eventually(lambda: between.accepted)
        published = site.publish()
        eventually(lambda: reader.received)
        accepted = between.accepted
        between.stuck.set()
        between.reset()
        published += site.publish(3)
        eventually(lambda: len(reader.received) == 4)
        between.stuck.clear()
        eventually(lambda: between.accepted > accepted)

        def is_told_by_rabbitmq() -> bool:
            published.extend(site.publish())
            eventually(lambda: len(reader.received) == len(published))
            # The history does not keep it.
            return "previous_close" in reader.received[-1].event["data"]

        eventually(is_told_by_rabbitmq)
        assert reader.ids() == [event.id for event in published]
        assert not reader.ended


def test_backfilled_prices_are_no_live_events(site: Site) -> None:
    reader = site.reader()
    old = stock_data("MSFT", "7", utc_now() - timedelta(days=3))
    publish(site.settings.amqp_url, price_message(old, backfill=True))
    [price] = site.publish()
    eventually(lambda: reader.ids() == [price.id])


@pytest.mark.parametrize("last_id", ["abc", "-1", "1" * 35, "1.5", "٣"])
def test_an_id_that_is_not_one_of_ours_is_refused(client: Client, last_id: str) -> None:
    answer = client.get("/v1/events", headers={"Last-Event-ID": last_id.encode()})
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["parameter"] == "Last-Event-ID"


def test_a_reader_from_elsewhere_needs_the_token(client: Client) -> None:
    away = {"X-Forwarded-For": "192.0.2.1"}
    assert b"401" in SseReader(client.url, headers=away).head
    reader = SseReader(client.url, headers={**away, "Authorization": f"Bearer {TOKEN}"})
    assert b"200" in reader.head
    reader.close()


def test_events_are_in_the_databases_before_they_are_sent(tmp_path: Path) -> None:
    """Without RabbitMQ they come from the databases alone, and none is sent that is only announced."""
    own = settings_in(tmp_path)
    with opened(own.history_url.engine_url) as engine, opened(own.alerts_url.engine_url) as alerts_engine:
        create_schema(engine, SCHEMA)
        create_schema(alerts_engine, ALERTS_SCHEMA)
        with serving(own) as client:
            reader = SseReader(client.url)
            price, alert = stock_data(), price_alert()
            PriceStore(engine).save([price], live=1)
            eventually(lambda: reader.ids() == [price.id])
            with writing(alerts_engine) as connection:
                log_events(connection, [alert], utc_now())
            eventually(lambda: reader.ids() == [price.id, alert.id])


def test_a_reader_that_does_not_read_delays_no_other_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings_in(tmp_path)
    monkeypatch.setattr("consumers.web.live.feed.Ring", partial(Ring, 1000))
    # More than this ring and the buffers of a connection hold, so the slow reader has to be fed from the databases.
    count = 12_000
    prices = [stock_data(price=str(n + 1), as_of=START + n * timedelta(seconds=1)) for n in range(count)]
    expected = [price.id for price in prices]
    with opened(own.history_url.engine_url) as engine:
        create_schema(engine, SCHEMA)
        with serving(own) as client:
            slow, other = SseReader(client.url, receive_buffer=4096), SseReader(client.url)
            with slow.paused():
                for first in range(0, count, 1000):
                    PriceStore(engine).save(prices[first : first + 1000], live=1000)
                eventually(lambda: len(other.received) == count)
                assert other.ids() == expected
                assert len(slow.received) < 1000
            eventually(lambda: len(slow.received) >= count)
            assert slow.ids() == expected


def test_what_the_log_has_lost_comes_by_the_time_of_observation(tmp_path: Path) -> None:
    own = settings_in(tmp_path)
    with opened(own.history_url.engine_url) as engine, opened(own.alerts_url.engine_url) as alerts_engine:
        create_schema(engine, SCHEMA)
        create_schema(alerts_engine, ALERTS_SCHEMA)
        long_ago = utc_now() - timedelta(days=30)
        lost = [stock_data(price=str(n + 1), as_of=long_ago + timedelta(minutes=n)) for n in range(3)]
        store = PriceStore(engine, clock=lambda: long_ago)
        store.save(lost, live=3)
        recent = stock_data(price="9", as_of=utc_now())
        PriceStore(engine).save([recent], live=1)
        with writing(engine) as connection:
            connection.execute(live_batch.delete().where(live_batch.c.last_number < utc_now().timestamp() * 1e6 - 1e9))
        with writing(alerts_engine) as connection:
            connection.execute(event_log.update().values(number=1))
        with serving(own) as client:
            reader = SseReader(client.url, str(Position(int(long_ago.timestamp() * 1e6) + 1, 1)))
            eventually(lambda: set(reader.ids()) >= {event.id for event in (*lost, recent)})
            assert [each.id for each in reader.received if each.event["id"] == lost[0].id] == [""]
