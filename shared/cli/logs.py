"""Log lines on stderr: time in UTC, level, who, what."""

import logging
import sys
import time


def set_up_logs(name: str, level: int = logging.INFO) -> None:
    """Log to stderr as `name`; with level DEBUG the tracebacks of what was caught stand there too."""
    formatter = logging.Formatter(f"%(asctime)sZ %(levelname)-7s {name}: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # amqpstorm logs with tracebacks what it also raises; we report what is raised.
    logging.getLogger("amqpstorm").setLevel(level if level == logging.DEBUG else logging.CRITICAL)
