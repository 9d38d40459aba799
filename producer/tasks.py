"""The task that beat sends: one sync, and what is worth trying again of it."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from producer.beat import lifetime
from producer.celery_app import app
from producer.market_service import SyncReport, run_sync, sync_lock
from shared.errors import BrokerError, ProviderError, StockwireError
from shared.settings import VAR, Settings
from shared.times import format_instant, parse_instant, utc_now

MAX_RETRIES = 6
# In seconds: the longest wait before the first retry, and before any.
FIRST_WAIT = 2.0
LONGEST_WAIT = 60.0
# In seconds: how long a sync that comes again waits for the process that was at it before.
PATIENCE = 10.0


@app.task(bind=True, name="producer.sync", max_retries=MAX_RETRIES, throws=(StockwireError,))  # type: ignore[untyped-decorator]
def sync(
    self: Any, at: str | None = None, symbols: Sequence[str] | None = None, so_far: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Sync the watch list, or `symbols`; returns what became of it, as it reads in the table of results.

    `at` is the sync's instant (RFC 3339), by default now. A retry gets the same one, the symbols that are left, and
    `so_far`, what the tries before it came to. Raises StockwireError where nothing was published in the end.
    """
    settings: Settings = self.app.conf.stockwire
    moment = parse_instant(at) if at else utc_now()
    # The sync that still runs may be this one, on its last legs: its worker was killed, or lost its connection.
    again = (self.request.delivery_info or {}).get("redelivered")
    with sync_lock(VAR, wait=PATIENCE if again else 0) as held:
        if not held:
            return {"at": format_instant(moment), **(so_far or {}), "skipped": "another sync is running"}
        outcome = so_far or {"at": format_instant(moment), "provider": "", "published": 0, "failed": {}}
        outcome, left, error = attempt(settings, symbols or settings.symbols, moment, outcome)
    wait = pick_wait(self.request.retries)
    if left and self.request.retries < MAX_RETRIES and is_in_time(wait, moment, settings):
        rest = {"at": format_instant(moment), "symbols": left, "so_far": outcome}
        raise self.retry(exc=error, args=(), kwargs=rest, countdown=wait)
    if error is not None and not outcome["published"]:
        raise error
    return dict(outcome)


Attempt = tuple[Mapping[str, Any], Sequence[str], StockwireError | None]


def attempt(settings: Settings, symbols: Sequence[str], at: datetime, so_far: Mapping[str, Any]) -> Attempt:
    """One try: what all tries came to, the symbols worth another, and the error that another is worth for."""
    try:
        report = run_sync(settings, symbols, at, VAR)
    except BrokerError as error:
        return so_far, list(symbols), error
    except SoftTimeLimitExceeded:
        return so_far, list(symbols), StockwireError("the sync took too long and was given up")
    outcome = add_report(so_far, report)
    if report.unconfirmed:
        return outcome, list(report.unconfirmed), BrokerError(_summary(report, "not published"))
    if not outcome["published"]:
        return outcome, list(report.failed), ProviderError(_summary(report, "without a price"))
    return outcome, [], None


def add_report(so_far: Mapping[str, Any], report: SyncReport) -> dict[str, Any]:
    """The outcome of the tries so far and this one: plain JSON."""
    providers = filter(None, so_far["provider"].split(","))
    labels = dict.fromkeys([*providers, *(event.provider for event in report.published.values())])
    failed = {symbol: why for symbol, why in so_far["failed"].items() if symbol not in report.published}
    return {
        **so_far,
        "provider": ",".join(labels),
        "published": so_far["published"] + len(report.published),
        "failed": {**failed, **report.failed},
    }


def pick_wait(retries: int) -> float:
    """Seconds before the next try: twice as long each time up to a minute, and jittered."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2**retries)
    return round(random.uniform(longest / 2, longest), 1)  # noqa: S311 - not for secrets


def is_in_time(wait: float, at: datetime, settings: Settings) -> bool:
    """Whether a try after `wait` seconds comes before the next sync does."""
    return utc_now() + timedelta(seconds=wait) < at + lifetime(settings.schedule)


def _summary(report: SyncReport, what: str) -> str:
    symbols = report.unconfirmed or list(report.failed)
    return f"{len(symbols)} of the symbols {what}; the first is {symbols[0]}: {report.failed[symbols[0]]}"
