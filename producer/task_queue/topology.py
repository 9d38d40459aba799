"""The queue of sync tasks: its name, its arguments, and the permissions of the processes that use it."""

import re
from typing import Any

from shared.messaging.permissions import Permissions, publisher_permissions
from shared.messaging.topology import LIVE_PRICES

# Tasks are not events, so they have an exchange of their own. It has the same name.
QUEUE = "celery.sync"
# Celery's retries need a classic queue.
QUEUE_ARGUMENTS: dict[str, Any] = {"x-queue-type": "classic"}

# Celery makes the names of the exchanges of remote control from this one. Its default, `celery`, is shared by all
# applications of a virtual host.
CONTROL = "stockwire"
CONTROL_EXCHANGE = f"{CONTROL}.pidbox"
CONTROL_REPLY_EXCHANGE = f"reply.{CONTROL}.pidbox"

_TASKS = re.escape(QUEUE)
_CONTROL, _CONTROL_REPLY = re.escape(CONTROL_EXCHANGE), re.escape(CONTROL_REPLY_EXCHANGE)
# The end of the name is random.
_CONTROL_QUEUE = rf"{_CONTROL}\.[0-9a-f]+"
WORKER = publisher_permissions(LIVE_PRICES) | Permissions(
    configure=(_TASKS, _CONTROL, _CONTROL_QUEUE, _CONTROL_REPLY),
    write=(_TASKS, _CONTROL_QUEUE, _CONTROL_REPLY),
    read=(_TASKS, _CONTROL, _CONTROL_QUEUE),
)
# A beat of its own, beside a worker that declares the queue.
BEAT = Permissions(write=(_TASKS,))
# A beat that finds no queue declares it.
BEAT_DECLARING = BEAT | Permissions(configure=(_TASKS,), read=(_TASKS,))
