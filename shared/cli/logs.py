"""Log lines on stderr, with time in UTC, level and name of the process, and text from outside escaped."""

import copy
import logging
import sys
import time

from shared.cli.escaping import escape


class EscapingFormatter(logging.Formatter):
    """A formatter that escapes the message and the traceback of a record before another formatter gets them.

    Only a record begins at the start of a line, so no text in it can pass for another record.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        escaped = copy.copy(record)
        escaped.msg, escaped.args = escape(record.getMessage().rstrip("\n")), None
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            escaped.exc_text = "\n".join(f"  {escape(line)}" for line in lines)
        return self._inner.format(escaped)


def set_up_logs(name: str, level: int = logging.INFO) -> None:
    """Log to stderr as `name`. Level DEBUG adds the tracebacks of caught errors."""
    formatter = logging.Formatter(f"%(asctime)sZ %(levelname)-7s {name}: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EscapingFormatter(formatter))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # amqpstorm logs a traceback for each error that it also raises, and we report that error.
    logging.getLogger("amqpstorm").setLevel(level if level == logging.DEBUG else logging.CRITICAL)
