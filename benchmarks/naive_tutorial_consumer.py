"""The consumer of most tutorials: prefetch 1, and per message an ORM object, a commit and an ack."""

import json
from collections.abc import Callable

from amqpstorm.connection import Connection
from amqpstorm.message import Message
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.side_process import Job


class Base(DeclarativeBase):
    pass


class Price(Base):
    __tablename__ = "prices"

    id: Mapped[int] = mapped_column(primary_key=True)
    symbol: Mapped[str] = mapped_column(index=True)
    price: Mapped[float]
    as_of: Mapped[str]
    provider: Mapped[str]


def consume(job: Job, starting: Callable[[], None], committed: Callable[[str], None]) -> None:
    """Consume the job's events, and return after the last acknowledgement.

    `starting` is called just before the first message. `committed` is called with the id of each committed event.
    """
    engine = create_engine(f"sqlite:///{job.database}")
    Base.metadata.create_all(engine)
    left = job.events
    address = job.address
    with (
        Session(engine) as session,
        Connection(address.host, address.username, address.password, port=address.port) as connection,
        connection.channel() as channel,
    ):

        def on_message(message: Message) -> None:
            nonlocal left
            event = json.loads(message.body or "")
            data = event["data"]
            price = float(data["price"])
            session.add(Price(symbol=data["symbol"], price=price, as_of=data["as_of"], provider=data["provider"]))
            session.commit()
            committed(event["id"])
            message.ack()
            left -= 1
            if not left:
                channel.stop_consuming()

        starting()
        channel.basic.qos(1)
        channel.basic.consume(on_message, job.queue)
        channel.start_consuming()
    engine.dispose()
