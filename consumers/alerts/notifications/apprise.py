"""Messages through apprise: chat, mail, push and whatever else it knows; an optional install.

Source: https://github.com/caronc/apprise
"""

import logging
import queue
import threading
import time
from typing import Any

from consumers.alerts.notifications.channel import DELIVERED, TRY_TIMEOUT, Notification, Result
from consumers.alerts.notifications.targets import Target, scheme_of
from consumers.alerts.notifications.wording import describe_event
from shared.errors import SettingsError

_NO_LIBRARY = (
    "this target needs a library that is not installed: .venv/bin/python -m pip install -r requirements-notify.txt"
    " (with Docker: docker compose build --build-arg APPRISE=1), then try again; http and https URLs do not need it"
)
# Seconds.
_CONNECT_TIMEOUT = 4.0
_READ_TIMEOUT = 8.0


class AppriseChannel:
    """The channel to one URL, with one object of apprise.

    A call cannot be interrupted. After TRY_TIMEOUT the try counts as failed, but the next one waits for the result of
    the call that still runs, so that a slow service does not get the message twice.
    """

    def __init__(self, target: Target, timeout: float = TRY_TIMEOUT) -> None:
        """Take a target. Raises SettingsError if apprise is not installed, or does not know the URL."""
        self._scheme = scheme_of(target.url)
        self._timeout = timeout
        self._service = _open_service(target.url)
        # The call that still runs: the message's id, and the queue that gets its result.
        self._running: tuple[str, queue.SimpleQueue[Result]] | None = None

    def send(self, notification: Notification) -> Result:
        deadline = time.monotonic() + self._timeout
        if self._running is not None:
            message_id, results = self._running
            result = self._wait(results, deadline)
            # The result of another message, which was given up meanwhile, says nothing about this one.
            if result is None or (message_id == notification.id and result is DELIVERED):
                return result or self._no_result()
        results = self._start(notification)
        self._running = notification.id, results
        return self._wait(results, deadline) or self._no_result()

    def close(self) -> None:
        pass

    def _start(self, notification: Notification) -> "queue.SimpleQueue[Result]":
        results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        title, text = describe_event(notification.event)
        thread = threading.Thread(target=lambda: results.put(self._call(title, text)), name="apprise", daemon=True)
        thread.start()
        return results

    def _wait(self, results: "queue.SimpleQueue[Result]", deadline: float) -> Result | None:
        """Return the result of the running call, or None if it is still running at the deadline."""
        try:
            result = results.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None
        self._running = None
        return result

    def _no_result(self) -> Result:
        return Result(f"{self._scheme} took longer than {self._timeout:g} s")

    def _call(self, title: str, text: str) -> Result:
        try:
            delivered = bool(self._service.notify(body=text, title=title, body_format="text"))
        except Exception as error:  # noqa: BLE001 - a fault of one of 100 plugins; its text may hold the URL
            return Result(f"{self._scheme} failed ({type(error).__name__})")
        return DELIVERED if delivered else Result(f"{self._scheme} did not take the message")


def check_apprise_url(url: str) -> None:
    """Raise SettingsError if apprise is not installed, or does not know the URL."""
    _open_service(url)


def _open_service(url: str) -> Any:
    """Return apprise's object for one URL. The library is imported only here: it takes 0.6 s and 36 MB."""
    # apprise logs URLs, with a part of their tokens.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    try:
        import apprise
    except ImportError as error:
        raise SettingsError(_NO_LIBRARY) from error
    scheme = scheme_of(url)
    asset = apprise.AppriseAsset(
        app_id="Stockwire",
        app_desc="Stockwire",
        async_mode=False,
        # A redirect would turn a POST into a GET, and report success.
        http_redirects=False,
        # After this time apprise would return while its request goes on.
        service_timeout=0,
        # Otherwise apprise writes files below the home directory.
        storage_mode="memory",
        allow_templates=False,
    )
    plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if plugin is None:
        raise SettingsError(
            f"apprise does not know a URL of this form ({scheme}://…): see https://github.com/caronc/apprise/wiki"
        )
    plugin.redirects = False
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, _CONNECT_TIMEOUT)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout, _READ_TIMEOUT)
    service = apprise.Apprise(asset=asset)
    service.add(plugin)
    return service
