"""Errors of Celery's own connections to RabbitMQ, in one line instead of a traceback."""

import logging

from amqp.exceptions import AccessRefused, RecoverableConnectionError  # type: ignore[import-untyped]

from shared.messaging.address import BrokerAddress
from shared.messaging.permissions import Permissions, describe_refusal, describe_refused_login

# RabbitMQ tells a refused password from a refused permission only by its words.
_LOGIN_REFUSED = "Login was refused"


def describe_error(error: BaseException | None, address: BrokerAddress, needed: Permissions) -> str | None:
    """Return the line for a refusal that is the error itself or the cause of the error; otherwise None."""
    while error is not None and not isinstance(error, AccessRefused):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    if _LOGIN_REFUSED in str(error):
        return describe_refused_login(address)
    return describe_refusal(address, str(error), needed)


class BrokerErrorFilter(logging.Filter):
    """Replaces the traceback of a refusal by one line, and removes that of a lost connection, whose message says it."""

    def __init__(self, address: BrokerAddress, needed: Permissions) -> None:
        super().__init__()
        self._address = address
        self._needed = needed

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if line := describe_error(error, self._address, self._needed):
            record.msg, record.args = line, ()
        if line or isinstance(error, (RecoverableConnectionError, ConnectionError)):
            record.exc_info = record.exc_text = None
        return True
