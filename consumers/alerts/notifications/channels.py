"""The choice of a target's channel."""

from consumers.alerts.notifications.channel import TRY_TIMEOUT, Channel, Notification, Result
from consumers.alerts.notifications.targets import Target
from shared.errors import SettingsError


def open_channel(target: Target) -> Channel:
    """Return a new channel to a target. Its libraries are imported only now."""
    if target.is_webhook:
        from consumers.alerts.notifications.webhook import Webhook

        return Webhook(target, TRY_TIMEOUT)
    from consumers.alerts.notifications.apprise import AppriseChannel

    return AppriseChannel(target, TRY_TIMEOUT)


class LazyChannel:
    """A channel that is opened by its first message, in the thread that sends it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._channel: Channel | None = None

    def send(self, notification: Notification) -> Result:
        try:
            channel = self._channel = self._channel or open_channel(self.target)
        except SettingsError as error:
            # apprise is not installed here.
            return Result(str(error))
        return channel.send(notification)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
