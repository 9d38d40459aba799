"""PRICE_ALERT events owed to the broker: what is stored and not known to be published."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine

from consumers.alerts.store import mark_published, pending_alerts
from shared.database import reading, writing
from shared.errors import PublishError
from shared.events import PriceAlert
from shared.messaging.messages import Message, alert_message
from shared.times import utc_now

Publish = Callable[[Iterable[Message]], int]

_CHUNK = 1000


def publish_pending(engine: Engine, publish: Publish, clock: Callable[[], datetime] = utc_now) -> None:
    """Publish what is owed, oldest first, and note what RabbitMQ confirmed.

    A crash between the two publishes again under the same ids. Raises PublishError or BrokerUnavailable, which leave
    owed what was not confirmed, and StorageError.
    """
    while owed := _read(engine):
        _publish(engine, owed, publish, clock)


def _read(engine: Engine) -> Mapping[int, PriceAlert]:
    with reading(engine) as connection:
        return pending_alerts(connection, _CHUNK)


def _publish(engine: Engine, owed: Mapping[int, PriceAlert], publish: Publish, clock: Callable[[], datetime]) -> None:
    sent: list[int] = []

    def messages() -> Iterator[Message]:
        for row_id, alert in owed.items():
            sent.append(row_id)
            yield alert_message(alert)

    try:
        publish(messages())
    except PublishError as error:
        # It names all that was sent and not confirmed; of any other error nothing is known.
        _mark(engine, [row_id for row_id in sent if owed[row_id].id not in error.failures], clock())
        raise
    _mark(engine, sent, clock())


def _mark(engine: Engine, row_ids: Sequence[int], now: datetime) -> None:
    if row_ids:
        with writing(engine) as connection:
            mark_published(connection, row_ids, now)
