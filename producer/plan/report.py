"""The output of `stockwire plan`, as text and as JSON."""

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from producer.plan.forecast import MINUTE, PER_DAY, PER_MINUTE, Forecast, SyncTimes
from shared.accounts import Account, describe_limits
from shared.cli.output import Format, print_coloured, print_lines, print_rows
from shared.schedule import Schedule
from shared.symbols import join_names
from shared.times import format_duration

_WIDEST = 100
_LABEL = 13

_COLUMNS = (
    "provider",
    "symbols",
    "calls",
    "credits",
    "minutes",
    "syncs_a_day",
    "credits_a_day",
    "spent_today",
    "per_minute",
    "per_day",
    "fits",
    "exceeded",
    "most_symbols",
    "shortest_interval",
    "others",
)


@dataclass(frozen=True)
class SyncPlan:
    """The syncs to plan for: these symbols at these times, which follow from schedule and market."""

    symbols: tuple[str, ...]
    schedule: Schedule
    market: str | None
    sync_times: SyncTimes


@dataclass(frozen=True)
class ProviderForecast:
    """The forecast for one provider: `requests` per sync, and the `others` whose limits would fit."""

    account: Account
    requests: int
    forecast: Forecast
    spent_today: int
    others: Mapping[str, Account]


Plans = Mapping[str, ProviderForecast | None]


def print_json(sync_plan: SyncPlan, plans: Plans) -> None:
    """Print an array of one object per provider; limits that a provider does not have are null."""
    print_rows(_COLUMNS, (_make_row(name, each, sync_plan) for name, each in plans.items()), Format.JSON)


def print_text(sync_plan: SyncPlan, plans: Plans) -> None:
    """Print the forecasts for people, at most 100 characters wide."""
    _print_entry("watch list", f"{_count(len(sync_plan.symbols), 'symbol')}: {join_names(sync_plan.symbols)}")
    _print_entry("schedule", _describe_times(sync_plan))
    if len(plans) > 1:
        first, *later = plans
        order = f"{first} first, then {', then '.join(later)} for failed symbols; each is shown as if used alone"
        _print_entry("providers", order)
    for name, each in plans.items():
        print_lines("")
        if each is None:
            _print_heading(name, "fits: it has no limits", good=True)
        else:
            _print_plan(name, each, sync_plan)


def _make_row(name: str, plan: ProviderForecast | None, sync_plan: SyncPlan) -> dict[str, Any]:
    row: dict[str, Any] = {
        "provider": name,
        "symbols": len(sync_plan.symbols),
        "syncs_a_day": sync_plan.sync_times.syncs_per_day(),
        "fits": plan is None or plan.forecast.fits,
        "exceeded": [],
        "others": [],
    }
    if plan is None:
        return row
    forecast = plan.forecast
    shortest = forecast.shortest_interval
    return row | {
        "calls": plan.requests,
        "credits": forecast.load.credits,
        "minutes": forecast.minutes,
        "credits_a_day": forecast.load.credits_per_day,
        "spent_today": plan.spent_today,
        "per_minute": plan.account.per_minute,
        "per_day": plan.account.per_day,
        "exceeded": list(forecast.exceeded),
        "most_symbols": forecast.most_symbols,
        "shortest_interval": None if shortest is None else format_duration(shortest),
        "others": list(plan.others),
    }


def _print_plan(name: str, plan: ProviderForecast, sync_plan: SyncPlan) -> None:
    forecast = plan.forecast
    if not forecast.fits:
        _print_heading(name, f"does not fit: {'; '.join(_describe_faults(plan))}", good=False)
    elif forecast.most_symbols is None:
        _print_heading(name, f"fits: {describe_limits(plan.account)}", good=True)
    else:
        _print_heading(name, "fits", good=True)
    symbols = _count(len(sync_plan.symbols), "symbol")
    _print_entry("  per sync", f"{symbols} in {_count(plan.requests, 'request')}: {_describe_sync(plan)}")
    _print_entry("  per day", f"{_count(forecast.load.syncs, 'sync')}: {_describe_day(plan)}")
    label = "  room for" if forecast.fits else "  would fit"
    for line in _describe_room(plan, symbols):
        _print_entry(label, line)
        label = ""


def _describe_times(sync_plan: SyncPlan) -> str:
    times = f"{sync_plan.schedule}{'' if sync_plan.schedule.every else ' (UTC)'}"
    syncs = _count(sync_plan.sync_times.syncs_per_day(), "sync")
    if sync_plan.market:
        return f"{times} while {sync_plan.market} is open: up to {syncs} per day, including the one after the close"
    return (
        f"{times}, around the clock: {syncs} per day" if sync_plan.schedule.every else f"{times}: up to {syncs} per day"
    )


def _describe_faults(plan: ProviderForecast) -> Iterator[str]:
    load, account = plan.forecast.load, plan.account
    if PER_MINUTE in plan.forecast.exceeded and load.interval < MINUTE:
        most = load.credits * load.syncs_per_minute
        yield f"it needs {most:,} credits per minute, and the plan has {account.per_minute:,}"
    elif PER_MINUTE in plan.forecast.exceeded:
        apart = format_duration(load.interval)
        yield f"a sync takes {plan.forecast.minutes:,} minutes, and the next follows after {apart}"
    if PER_DAY in plan.forecast.exceeded:
        yield f"it needs {load.credits_per_day:,} credits per day, and the plan has {account.per_day:,}"


def _describe_sync(plan: ProviderForecast) -> str:
    price = _count(plan.forecast.load.credits, "credit")
    if plan.account.per_minute is None:
        return price
    if plan.forecast.minutes == 1:
        return f"{price} of {plan.account.per_minute:,} per minute"
    return f"{price}, which take {plan.forecast.minutes:,} minutes at {plan.account.per_minute:,} per minute"


def _describe_day(plan: ProviderForecast) -> str:
    price = _count(plan.forecast.load.credits_per_day, "credit")
    if plan.account.per_day is not None:
        share = plan.forecast.load.credits_per_day / plan.account.per_day
        price = f"{price} of {plan.account.per_day:,} ({share:,.0%})"
    return f"{price}; {plan.spent_today:,} spent today"


def _describe_room(plan: ProviderForecast, symbols: str) -> Iterator[str]:
    forecast = plan.forecast
    if forecast.most_symbols is not None:
        most = _count(forecast.most_symbols, "symbol") if forecast.most_symbols else "not one symbol"
        yield f"{most} on this schedule"
        if forecast.shortest_interval is not None:
            yield f"{symbols} every {format_duration(forecast.shortest_interval)}"
        elif not forecast.fits:
            yield f"{symbols} not even once a day"
    if not forecast.fits:
        limits = [f"{name} ({describe_limits(account)})" for name, account in plan.others.items()]
        yield f"the whole watch list at {', '.join(limits)}" if limits else "the whole watch list at no other provider"


def _print_heading(name: str, verdict: str, *, good: bool) -> None:
    _print_entry(name, verdict, colour="green" if good else "red")


def _print_entry(label: str, text: str, colour: str | None = None) -> None:
    """Print the text after its label, in lines that fit a terminal."""
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=label.ljust(_LABEL),
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        print_coloured(line, colour=colour) if colour else print_lines(line)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
