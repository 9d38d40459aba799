import logging
import sys

from amqp.exceptions import AccessRefused
from celery.beat import SchedulingError

from producer.refusals import RefusalFilter, describe_error
from producer.task_queue import BEAT
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


def test_the_log_has_the_line_instead_of_the_traceback() -> None:
    try:
        raise REFUSED
    except AccessRefused:
        record = logging.LogRecord("celery", logging.CRITICAL, "", 1, "Unrecoverable %r", ("x",), sys.exc_info())
    assert RefusalFilter(ADDRESS, BEAT).filter(record)
    assert "rabbitmqctl set_permissions" in logging.Formatter().format(record)
    assert "Traceback" not in logging.Formatter().format(record)
