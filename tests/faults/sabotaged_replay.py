"""`./stockwire replay` with a publisher without confirms."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from infra.cli import cli
from producer import replay_command
from shared.errors import BrokerUnavailable
from shared.messaging.address import BrokerAddress
from shared.messaging.messages import Message
from tests.faults.sabotaged_consumers import UnconfirmedPublisher, without_confirms


class Careless:
    """A publisher that reconnects after an error and continues with the next message."""

    def __init__(self, publisher: UnconfirmedPublisher) -> None:
        self._publisher = publisher

    def publish(self, messages: Iterable[Message]) -> int:
        sent = 0
        for message in messages:
            sent += 1
            try:
                self._publisher.publish([message])
            except BrokerUnavailable as error:
                print(f"{error}; connecting again", flush=True)
        return sent


@contextmanager
def careless_publisher(address: BrokerAddress, *_: object, **__: object) -> Iterator[Careless]:
    with without_confirms(address) as publisher:
        yield Careless(publisher)


if __name__ == "__main__":
    replay_command.Publisher = careless_publisher  # type: ignore[assignment, misc]
    cli()
