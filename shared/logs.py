"""Log lines on stderr: time in UTC, level, who, what."""

import logging
import sys
import time


def set_up_logs(name: str, *, verbose: bool = False) -> None:
    """Log to stderr as `name`; `verbose` adds debug lines, and the tracebacks that stand in them."""
    formatter = logging.Formatter(f"%(asctime)sZ %(levelname)-7s {name}: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    # amqpstorm logs with tracebacks what it also raises; we report what is raised.
    logging.getLogger("amqpstorm").setLevel(logging.DEBUG if verbose else logging.CRITICAL)
