"""The choice of a target's channel."""

from collections.abc import Callable

from consumers.alerts.notifications.channel import TRY_TIMEOUT, Channel, Notification, Result
from consumers.alerts.notifications.targets import Target
from shared.errors import SettingsError

OpenChannel = Callable[[Target], Channel]


def open_channel(target: Target, timeout: float = TRY_TIMEOUT) -> Channel:
    """Return a new channel to a target, whose tries end within `timeout` seconds. Imports its libraries only now."""
    if target.is_webhook:
        from consumers.alerts.notifications.webhook import Webhook

        return Webhook(target, timeout)
    from consumers.alerts.notifications.apprise import AppriseChannel

    return AppriseChannel(target, timeout)


class LazyChannel:
    """A channel that is opened by its first message, in the thread that sends it."""

    def __init__(self, target: Target, open_channel: OpenChannel = open_channel) -> None:
        self.target = target
        self._open = open_channel
        self._channel: Channel | None = None

    def send(self, notification: Notification) -> Result:
        try:
            channel = self._channel = self._channel or self._open(self.target)
        except SettingsError as error:
            # apprise is not installed here.
            return Result(str(error))
        return channel.send(notification)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
