import logging
import sys

import pytest
from amqp.exceptions import AccessRefused, RecoverableConnectionError
from celery.beat import SchedulingError

from producer.broker_errors import BrokerErrorFilter, describe_error
from producer.task_queue.topology import BEAT
from shared.messaging.address import BrokerAddress

ADDRESS = BrokerAddress.parse("amqp://someone:secret@rabbit/")
REFUSED = AccessRefused("access to exchange 'celery.sync' refused", (60, 40), "Basic.publish")


def caught(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except type(error) as found:
        return found


def test_a_refusal_becomes_a_line_that_ends_with_the_command() -> None:
    line = describe_error(caught(SchedulingError("cannot apply"), REFUSED), ADDRESS, BEAT)
    assert line
    assert line.endswith(r"rabbitmqctl set_permissions -p / someone '^$' '^celery\.sync$' '^$'")
    assert "secret" not in line
    assert "\n" not in line


def test_a_refused_password_is_not_taken_for_a_permission() -> None:
    error = AccessRefused("Login was refused using authentication mechanism PLAIN")
    line = describe_error(error, ADDRESS, BEAT)
    assert (
        line == "RabbitMQ at amqp://rabbit:5672/ refused user 'someone'; check user and password in STOCKWIRE_AMQP_URL"
    )


def test_another_error_is_left_alone() -> None:
    assert describe_error(caught(SchedulingError("x"), OSError("y")), ADDRESS, BEAT) is None


def logged(error: Exception) -> str:
    """Return what the log has of a caught error behind the filter."""
    try:
        raise error
    except type(error):
        record = logging.LogRecord("celery", logging.CRITICAL, "", 1, "Couldn't ack %r", ("x",), sys.exc_info())
    assert BrokerErrorFilter(ADDRESS, BEAT).filter(record)
    return logging.Formatter().format(record)


def test_the_log_has_the_line_instead_of_the_traceback() -> None:
    assert "rabbitmqctl set_permissions" in logged(REFUSED)
    assert "Traceback" not in logged(REFUSED)


@pytest.mark.parametrize("error", [RecoverableConnectionError("connection already closed"), ConnectionResetError()])
def test_a_lost_connection_has_no_traceback_because_its_message_says_it(error: Exception) -> None:
    assert logged(error) == "Couldn't ack 'x'"


def test_the_traceback_of_another_error_stays() -> None:
    assert "Traceback" in logged(KeyError("x"))
