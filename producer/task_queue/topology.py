"""The queue of sync tasks: its name, its arguments, and the permissions of the processes that use it."""

import re
from typing import Any

from shared.messaging.permissions import Permissions, publisher_permissions
from shared.messaging.topology import LIVE_PRICES

# Tasks are not events, so they have an exchange of their own. It has the same name.
QUEUE = "celery.sync"
# Celery's retries need a classic queue.
QUEUE_ARGUMENTS: dict[str, Any] = {"x-queue-type": "classic"}

_TASKS = re.escape(QUEUE)
# Remote control is off, so a worker needs no queue but this one.
WORKER = publisher_permissions(LIVE_PRICES) | Permissions(configure=(_TASKS,), write=(_TASKS,), read=(_TASKS,))
# A beat of its own, beside a worker that declares the queue.
BEAT = Permissions(write=(_TASKS,))
# A beat that finds no queue declares it.
BEAT_DECLARING = BEAT | Permissions(configure=(_TASKS,), read=(_TASKS,))
