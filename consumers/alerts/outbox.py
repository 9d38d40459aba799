"""The outbox: alerts that are stored, and whose publication RabbitMQ has not confirmed yet."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy import Engine

from consumers.alerts.store import mark_published, pending_alerts
from shared.database.engine import reading, writing
from shared.errors import PublishError
from shared.events import PriceAlert
from shared.messaging.messages import Message, alert_message
from shared.times import utc_now

Publish = Callable[[Iterable[Message]], int]

_CHUNK = 1000


def relay_pending_alerts(engine: Engine, publish: Publish, clock: Callable[[], datetime] = utc_now) -> None:
    """Publish the pending alerts, oldest first, and mark those that RabbitMQ confirmed.

    After a crash between the two steps the alerts are published again under the same ids. Raises StorageError, and
    PublishError, PermissionMissing or BrokerUnavailable, after which the unconfirmed alerts stay pending.
    """
    while True:
        with reading(engine) as connection:
            pending = pending_alerts(connection, _CHUNK)
        if not pending:
            return
        _publish(engine, pending, publish, clock)


def _publish(
    engine: Engine, pending: Mapping[int, PriceAlert], publish: Publish, clock: Callable[[], datetime]
) -> None:
    sent: list[int] = []

    def messages() -> Iterator[Message]:
        for row_id, alert in pending.items():
            sent.append(row_id)
            yield alert_message(alert)

    failure = None
    try:
        publish(messages())
    except PublishError as error:
        # Only this error names the unconfirmed messages; after any other error no message counts as confirmed.
        failure = error
    failed = failure.failures if failure else ()
    confirmed = [row_id for row_id in sent if pending[row_id].id not in failed]
    if confirmed:
        with writing(engine) as connection:
            mark_published(connection, confirmed, clock())
    if failure:
        raise failure
