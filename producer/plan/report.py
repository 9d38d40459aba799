"""The answer of `stockwire plan`, in words for people and as JSON."""

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer

from producer.plan.forecast import MINUTE, PER_DAY, PER_MINUTE, Forecast, Timing
from shared.accounts import Account, describe_limits
from shared.cli.output import Format, print_rows
from shared.schedule import Schedule
from shared.times import format_duration

_WIDEST = 100
_LABEL = 13
_FEW = 10

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
class Question:
    """What is asked of every provider: these symbols at these times, which are those of the schedule and market."""

    symbols: tuple[str, ...]
    schedule: Schedule
    market: str | None
    timing: Timing


@dataclass(frozen=True)
class ProviderPlan:
    """What comes of it at one provider: the calls of one sync, and the `others` whose limits would take it as it is."""

    account: Account
    calls: int
    outcome: Forecast
    spent_today: int
    others: Mapping[str, Account]


Plans = Mapping[str, ProviderPlan | None]


def print_json(question: Question, plans: Plans) -> None:
    """An array of one object a provider; the limits of one that has none are null."""
    print_rows(_COLUMNS, (_make_row(name, each, question) for name, each in plans.items()), Format.JSON)


def print_text(question: Question, plans: Plans) -> None:
    _print_entry("watch list", f"{_count(len(question.symbols), 'symbol')}: {_name_few(question.symbols)}")
    _print_entry("schedule", _describe_times(question))
    if len(plans) > 1:
        first, *later = plans
        carried = (
            f"{first} carries the load, and what it fails goes to {', then '.join(later)}; each is shown as if alone"
        )
        _print_entry("providers", carried)
    for name, each in plans.items():
        print()
        if each is None:
            _print_heading(name, "fits: it has no limits", good=True)
        else:
            _print_plan(name, each, question)


def _make_row(name: str, plan: ProviderPlan | None, question: Question) -> dict[str, Any]:
    row: dict[str, Any] = {
        "provider": name,
        "symbols": len(question.symbols),
        "syncs_a_day": question.timing.syncs_a_day(),
        "fits": plan is None or plan.outcome.fits,
        "exceeded": [],
        "others": [],
    }
    if plan is None:
        return row
    outcome = plan.outcome
    shortest = outcome.shortest_interval
    return row | {
        "calls": plan.calls,
        "credits": outcome.load.credits,
        "minutes": outcome.minutes,
        "credits_a_day": outcome.load.credits_a_day,
        "spent_today": plan.spent_today,
        "per_minute": plan.account.per_minute,
        "per_day": plan.account.per_day,
        "exceeded": list(outcome.exceeded),
        "most_symbols": outcome.most_symbols,
        "shortest_interval": None if shortest is None else format_duration(shortest),
        "others": list(plan.others),
    }


def _print_plan(name: str, plan: ProviderPlan, question: Question) -> None:
    outcome = plan.outcome
    if not outcome.fits:
        _print_heading(name, f"does not fit: {'; '.join(_describe_faults(plan))}", good=False)
    elif outcome.most_symbols is None:
        _print_heading(name, f"fits: {describe_limits(plan.account)}", good=True)
    else:
        _print_heading(name, "fits", good=True)
    symbols = _count(len(question.symbols), "symbol")
    _print_entry("  a sync", f"{symbols} in {_count(plan.calls, 'call')}: {_describe_sync(plan)}")
    _print_entry("  a day", f"{_count(outcome.load.syncs, 'sync')}: {_describe_day(plan)}")
    label = "  room for" if outcome.fits else "  would fit"
    for line in _describe_room(plan, symbols):
        _print_entry(label, line)
        label = ""


def _describe_times(question: Question) -> str:
    times = f"{question.schedule}{'' if question.schedule.every else ' (UTC)'}"
    syncs = _count(question.timing.syncs_a_day(), "sync")
    if question.market:
        return f"{times} while {question.market} is open: up to {syncs} a day, the one after the close included"
    return f"{times}, around the clock: {syncs} a day" if question.schedule.every else f"{times}: up to {syncs} a day"


def _describe_faults(plan: ProviderPlan) -> Iterator[str]:
    load, account = plan.outcome.load, plan.account
    if PER_MINUTE in plan.outcome.exceeded and load.interval < MINUTE:
        most = load.credits * load.syncs_a_minute
        yield f"it takes {most:,} credits a minute, and the plan gives {account.per_minute:,}"
    elif PER_MINUTE in plan.outcome.exceeded:
        apart = format_duration(load.interval)
        yield f"a sync takes {plan.outcome.minutes:,} minutes, and the next follows after {apart}"
    if PER_DAY in plan.outcome.exceeded:
        yield f"it takes {load.credits_a_day:,} credits a day, and the plan gives {account.per_day:,}"


def _describe_sync(plan: ProviderPlan) -> str:
    price = _count(plan.outcome.load.credits, "credit")
    if plan.account.per_minute is None:
        return price
    if plan.outcome.minutes == 1:
        return f"{price} of {plan.account.per_minute:,} a minute"
    return f"{price}, which take {plan.outcome.minutes:,} minutes at {plan.account.per_minute:,} a minute"


def _describe_day(plan: ProviderPlan) -> str:
    price = _count(plan.outcome.load.credits_a_day, "credit")
    if plan.account.per_day is not None:
        share = plan.outcome.load.credits_a_day / plan.account.per_day
        price = f"{price} of {plan.account.per_day:,} ({share:,.0%})"
    return f"{price}; {plan.spent_today:,} spent today"


def _describe_room(plan: ProviderPlan, symbols: str) -> Iterator[str]:
    outcome = plan.outcome
    if outcome.most_symbols is not None:
        most = _count(outcome.most_symbols, "symbol") if outcome.most_symbols else "not one symbol"
        yield f"{most} on this schedule"
        if outcome.shortest_interval is not None:
            yield f"{symbols} every {format_duration(outcome.shortest_interval)}"
        elif not outcome.fits:
            yield f"{symbols} not even once a day"
    if not outcome.fits:
        limits = [f"{name} ({describe_limits(account)})" for name, account in plan.others.items()]
        yield f"all of it, by its limits, at {', '.join(limits)}" if limits else "all of it at no other provider"


def _print_heading(name: str, verdict: str, *, good: bool) -> None:
    _print_entry(name, verdict, colour="green" if good else "red")


def _print_entry(label: str, text: str, colour: str | None = None) -> None:
    """The text behind its label, in lines that fit a terminal."""
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    lines = textwrap.fill(
        text,
        width,
        initial_indent=label.ljust(_LABEL),
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
    typer.echo(typer.style(lines, fg=colour, bold=True) if colour else lines)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _name_few(symbols: tuple[str, ...]) -> str:
    more = len(symbols) - _FEW
    return ", ".join(symbols[:_FEW]) + (f" and {more:,} more" if more > 0 else "")
