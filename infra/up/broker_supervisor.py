"""Supervision of the private RabbitMQ node: restart it if it has ended, or if it fails at a consumer's queue."""

import time
from collections.abc import Callable, Collection

from infra.up.rabbitmq import PrivateBroker
from shared.errors import ProcessError
from shared.messaging.amqp.connection import INTERNAL_ERROR
from shared.messaging.topology import queue_name

# Seconds. A consumer reports the error at least every 5 s, and consumes again at most 5 s after a restart.
FAILING_AFTER = 12.0
# Restarts because of one queue, after which another restart will not help either.
MAX_RESTARTS = 3


class BrokerSupervisor:
    """Restarts the node of a running `up`.

    After `kill -9`, RabbitMQ 3.10 may answer INTERNAL_ERROR for a quorum queue until its next start.
    """

    def __init__(
        self, broker: PrivateBroker, consumers: Collection[str], last_output_line: Callable[[str], str]
    ) -> None:
        """Take the names of the consumers, and a function that returns the last line which a consumer has logged."""
        self._broker = broker
        self._consumers = consumers
        self._last_output_line = last_output_line
        self._failing_since: dict[str, float] = {}
        self._restarts = 0

    def restart_if_needed(self) -> list[str]:
        """Restart the node if necessary, and return a notice if so. Raises ProcessError if restarts do not help."""
        if not self._broker.running:
            self._restart()
            return ["RabbitMQ ended; restarted it"]
        failing = self._find_failing()
        if failing is None:
            return []
        if self._restarts == MAX_RESTARTS:
            raise ProcessError(
                f"the private RabbitMQ still fails at queue {queue_name(failing)} after {MAX_RESTARTS} restarts: see"
                f" {self._broker.folder}/log/console.log; without {self._broker.folder}/data it starts afresh, and"
                " events that are not yet stored are lost"
            )
        self._restarts += 1
        self._restart()
        return [f"RabbitMQ failed at queue {queue_name(failing)} ({INTERNAL_ERROR}); restarted it"]

    def _find_failing(self) -> str | None:
        """Return the name of a consumer that has logged nothing but INTERNAL_ERROR for FAILING_AFTER seconds."""
        now = time.monotonic()
        failing = [name for name in self._consumers if INTERNAL_ERROR in self._last_output_line(name)]
        self._failing_since = {name: self._failing_since.get(name, now) for name in failing}
        if not failing:
            self._restarts = 0
        return next((name for name, since in self._failing_since.items() if now - since > FAILING_AFTER), None)

    def _restart(self) -> None:
        self._broker.stop()
        self._broker.start()
        self._failing_since.clear()
