"""Answers to `celery inspect ping`, the only remote control of the worker.

Celery's own remote control also has `shutdown`, and listens on an exchange that all Celery applications of a virtual
host share. This one has an exchange of its own, does nothing but answer, and reads each message like any other text
from outside.
"""

import logging
import queue
import threading
import uuid
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from celery import bootsteps
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from producer.task_queue.topology import CONTROL_EXCHANGE, CONTROL_REPLY_EXCHANGE

log = logging.getLogger(__name__)

# Bytes of a request, and requests that may wait for their answer. Others are dropped.
_MAX_REQUEST = 16 * 1024
_MAX_WAITING = 10

_Name = Annotated[str, msgspec.Meta(max_length=100)]


class _ReplyTo(msgspec.Struct):
    # No other exchange: an answer must not become an event.
    exchange: Literal["reply.stockwire.pidbox"]
    routing_key: _Name


class _Request(msgspec.Struct):
    """A request as kombu.pidbox writes it. A pattern of host names is not supported, because it may be a costly one."""

    method: _Name
    destination: list[str] | None = None
    pattern: None = None
    reply_to: _ReplyTo | None = None
    ticket: _Name | None = None


class Answer(NamedTuple):
    routing_key: str
    ticket: str | None
    content: dict[str, dict[str, str]]


_decoder = msgspec.json.Decoder(_Request)


def answer(body: bytes | str, hostname: str) -> Answer | None:
    """Return the answer of the worker with this name, or None if nobody waits for one. Raises ValueError."""
    if len(body) > _MAX_REQUEST:
        raise ValueError(f"it has more than {_MAX_REQUEST} bytes")
    try:
        request = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if request.destination and hostname not in request.destination:
        return None
    if request.method != "ping":
        log.warning("celery control %s was ignored: this worker answers only ping", request.method)
    if request.reply_to is None:
        return None
    result = {"ok": "pong"} if request.method == "ping" else {"error": "Stockwire's worker answers only ping"}
    return Answer(request.reply_to.routing_key, request.ticket, {hostname: result})


class ControlStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """The part of the worker that listens while it is connected."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._hostname = str(parent.hostname)
        self._channel: Any = None
        self._answers = _Sender(parent.app)

    def start(self, parent: Any) -> None:
        """Listen. Without the permission to do so, the worker goes on without answers."""
        exchange = _exchange(CONTROL_EXCHANGE, "fanout")
        options = {"durable": False, "exclusive": True, "auto_delete": True, "max_length": _MAX_WAITING}
        own = Queue(f"{CONTROL_EXCHANGE}.{uuid.uuid4().hex[:8]}", exchange, **options)  # type: ignore[no-untyped-call]
        self._channel = parent.connection.channel()
        try:
            consumer: Any = Consumer(self._channel, [own], no_ack=True, on_message=self._on_message)  # type: ignore[no-untyped-call]
            consumer.consume()
        except parent.connection.channel_errors as error:
            log.warning("celery inspect ping gets no answer from this worker: %s", error)
            self._channel = None

    def stop(self, parent: Any) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            try:
                channel.close()
            except (*parent.connection_errors, *parent.channel_errors) as error:
                log.debug("the channel of celery inspect was lost: %s", error)

    shutdown = stop

    def _on_message(self, message: Any) -> None:
        try:
            found = answer(message.body, self._hostname)
        except ValueError as error:
            log.error("a control message was dropped, because it is not one of Celery's: %s", error)
        else:
            if found:
                self._answers.send(found)


class _Sender:
    """A thread with connections of its own: while RabbitMQ blocks publishers, nothing but the thread must wait."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._waiting: queue.Queue[Answer] = queue.Queue(_MAX_WAITING)
        self._thread: threading.Thread | None = None

    def send(self, found: Answer) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="control-answers", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(found)
        except queue.Full:
            log.warning("too many control messages wait for an answer: one gets none")

    def _run(self) -> None:
        while True:
            self._publish(self._waiting.get())

    def _publish(self, found: Answer) -> None:
        exchange = _exchange(CONTROL_REPLY_EXCHANGE, "direct")
        with self._app.connection_for_write() as connection:
            producer: Any = Producer(connection)  # type: ignore[no-untyped-call]
            try:
                producer.publish(
                    found.content,
                    exchange=exchange,
                    routing_key=found.routing_key,
                    headers={"ticket": found.ticket, "clock": 0},
                    serializer="json",
                    declare=[exchange],
                    retry=False,
                )
            except (*connection.connection_errors, *connection.channel_errors) as error:
                log.warning("an answer to celery inspect was not sent: %s", error)


def _exchange(name: str, kind: str) -> Any:
    """Return an exchange as kombu.pidbox declares it."""
    return Exchange(name, type=kind, durable=False, delivery_mode="transient")  # type: ignore[no-untyped-call]
