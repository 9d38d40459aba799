"""The outbox: alerts that are stored, and whose publication RabbitMQ has not confirmed yet."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine

from consumers.alerts.store import forget_published_held, mark_published, pending_alerts, pending_held
from shared.database.engine import reading, writing
from shared.errors import PublishError
from shared.events import PriceAlert, RulesHeld
from shared.messaging.messages import Message, alert_message
from shared.times import utc_now

Publish = Callable[[Iterable[Message]], int]
Load = Callable[[Connection, int], Mapping[int, PriceAlert] | Mapping[int, RulesHeld]]
Mark = Callable[[Connection, Collection[int], datetime], None]

_CHUNK = 1000


def relay_pending_alerts(engine: Engine, publish: Publish, clock: Callable[[], datetime] = utc_now) -> None:
    """Publish the pending alerts and holds, oldest first, and mark those that RabbitMQ confirmed.

    After a crash between the two steps the alerts are published again under the same ids. Raises StorageError, and
    PublishError, PermissionMissing or BrokerUnavailable, after which the unconfirmed alerts stay pending.
    """
    _relay(engine, pending_held, forget_published_held, publish, clock)
    _relay(engine, pending_alerts, mark_published, publish, clock)


def _relay(engine: Engine, load: Load, mark: Mark, publish: Publish, clock: Callable[[], datetime]) -> None:
    while True:
        with reading(engine) as connection:
            pending = load(connection, _CHUNK)
        if not pending:
            return
        _publish(engine, pending, mark, publish, clock)


def _publish(
    engine: Engine,
    pending: Mapping[int, PriceAlert] | Mapping[int, RulesHeld],
    mark: Mark,
    publish: Publish,
    clock: Callable[[], datetime],
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
            mark(connection, confirmed, clock())
    if failure:
        raise failure
