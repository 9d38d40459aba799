"""The absolute paths in the data of a RabbitMQ node, which must be those of the folder that the data is in now.

Each quorum queue records the folder of its log. After the folder was moved, the node would start, and fail at each of
its queues with INTERNAL_ERROR.
"""

import re
from pathlib import Path

# Erlang breaks a long string into several, which stand side by side.
_BREAK = re.compile(rb'"\s+"')
_LOG_FOLDER = re.compile(rb'"[^"]*(/[^"/]+/(?:quorum|coordination)/[^"/]+)"')


def adopt(data: Path) -> None:
    """Let the queues in the folder `data` (RABBITMQ_MNESIA_BASE) keep their logs there. The node must not run."""
    for file in data.glob("*/*/*/*/config"):
        before = file.read_bytes()
        after = relocated(before, data)
        if after != before:
            # A node that finds half of the file would lose the queue.
            new_file = file.with_suffix(".new")
            new_file.write_bytes(after)
            new_file.replace(file)


def relocated(config: bytes, data: Path) -> bytes:
    """Return the terms of a queue's configuration with the paths of its log below `data`."""
    here = str(data).encode()
    joined = _BREAK.sub(b"", config)
    return _LOG_FOLDER.sub(lambda found: b'"' + here + found[1] + b'"', joined)
