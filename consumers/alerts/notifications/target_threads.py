"""The threads that send messages: one for each target that has messages now."""

import math
import queue
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial

from consumers.alerts.notifications.attempts import Attempt, changes_after, try_to_send
from consumers.alerts.notifications.channels import LazyChannel, OpenChannel
from consumers.alerts.notifications.deliveries import Delivery
from consumers.alerts.notifications.planning import make_notification
from consumers.alerts.notifications.targets import Target


class TargetThreads:
    """Starts threads, and collects the results of their tries. One thread uses this, apart from `wake`.

    `busy` are the names of the targets whose thread is running.
    """

    def __init__(self, clock: Callable[[], datetime], open_channel: OpenChannel) -> None:
        self.busy: set[str] = set()
        self._clock = clock
        self._open_channel = open_channel
        self._channels: dict[int, LazyChannel] = {}
        # Finished tries, the name of a target whose thread has ended, or None to wake up.
        self._inbox: queue.SimpleQueue[Attempt | str | None] = queue.SimpleQueue()
        # The time, on the monotonic clock, after which no further try begins.
        self._last_start = math.inf

    def start(self, target: Target, messages: Sequence[Sequence[Delivery]]) -> None:
        """Send messages in a thread, in order, until one fails. Starts nothing after `finish_within`."""
        if time.monotonic() >= self._last_start:
            return
        thread = threading.Thread(
            target=self._send, args=(self._channel(target), messages), name=f"target {target.name}", daemon=True
        )
        self.busy.add(target.name)
        try:
            thread.start()
        except BaseException:
            self.busy.discard(target.name)
            raise

    def wait(self, seconds: float) -> list[Attempt]:
        """Wait for a finished try or for `wake`, at most this long, and return all finished tries."""
        attempts: list[Attempt] = []
        deadline = time.monotonic() + seconds
        while True:
            try:
                item = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return attempts
            if isinstance(item, Attempt):
                attempts.append(item)
            elif item is not None:
                self.busy.discard(item)
            # Take what else is there.
            deadline = 0.0

    def wake(self) -> None:
        """End the wait of the thread that waits. May be called from any thread."""
        self._inbox.put(None)

    def finish_within(self, seconds: float) -> None:
        """Let no try begin after this time."""
        self._last_start = time.monotonic() + seconds

    def close_channels(self, targets: Collection[Target]) -> None:
        """Close the channels to all other targets."""
        kept = {target.id for target in targets}
        for target_id in self._channels.keys() - kept:
            if self._channels[target_id].target.name not in self.busy:
                self._channels.pop(target_id).close()

    def _channel(self, target: Target) -> LazyChannel:
        channel = self._channels.get(target.id)
        if channel is None or channel.target != target:
            channel = self._channels[target.id] = LazyChannel(target, self._open_channel)
        return channel

    def _send(self, channel: LazyChannel, messages: Sequence[Sequence[Delivery]]) -> None:
        try:
            for members in messages:
                if time.monotonic() >= self._last_start or self._clock() >= members[0].expires_at:
                    return
                result = try_to_send(channel, partial(make_notification, members))
                changes = changes_after(members, result, self._clock())
                self._inbox.put(Attempt(channel.target, result, changes))
                if result.error is not None:
                    return
        finally:
            self._inbox.put(channel.target.name)
