"""Log lines on stderr, with time in UTC, level and name of the process."""

import logging
import sys
import time


def set_up_logs(name: str, level: int = logging.INFO) -> None:
    """Log to stderr as `name`. Level DEBUG adds the tracebacks of caught errors."""
    formatter = logging.Formatter(f"%(asctime)sZ %(levelname)-7s {name}: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # amqpstorm logs a traceback for each error that it also raises, and we report that error.
    logging.getLogger("amqpstorm").setLevel(level if level == logging.DEBUG else logging.CRITICAL)
