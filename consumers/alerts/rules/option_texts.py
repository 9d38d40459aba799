"""The options of `stockwire rules add` and `edit`, as people type them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from consumers.alerts.conditions.metrics import parse_span
from consumers.alerts.rules.options import Frequency, OnArm, Options, parse_rearm
from shared.times import parse_moment

# The value that removes an option of a rule.
NONE = "none"


@dataclass(frozen=True, slots=True)
class OptionTexts:
    """The options that were given; None for each that was not."""

    frequency: str | None = None
    hold: str | None = None
    rearm: str | None = None
    on_arm: str | None = None
    expires: str | None = None
    notify: tuple[str, ...] = ()
    resolved: bool | None = None
    message: str | None = None

    def applied_to(self, options: Options, now: datetime) -> Options:
        """Return the options with those that were given. Raises ValueError."""
        if self.frequency is not None:
            options = replace(options, frequency=Frequency.parse(self.frequency))
        if self.hold is not None:
            options = replace(options, hold=None if self.hold == NONE else parse_span(self.hold).duration)
        if self.rearm is not None:
            options = replace(options, rearm=None if self.rearm == NONE else parse_rearm(self.rearm))
        if self.on_arm is not None:
            options = replace(options, on_arm=_parse_on_arm(self.on_arm))
        if self.expires is not None:
            options = replace(options, expires=None if self.expires == NONE else parse_later(self.expires, now))
        if self.notify:
            options = replace(options, notify=() if self.notify == (NONE,) else tuple(dict.fromkeys(self.notify)))
        if self.resolved is not None:
            options = replace(options, resolved=self.resolved)
        if self.message is not None:
            options = replace(options, message=None if self.message == NONE else self.message)
        return options


def parse_later(text: str, now: datetime) -> datetime:
    """Return the time of an ISO date or time, or of a duration from `now` on. Raises ValueError."""
    duration = _parse_duration(text)
    try:
        return parse_moment(text, now) if duration is None else (now + duration).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text[:40]!r} is neither a date or time (2026-11-20, 2026-11-20T09:30) nor a duration from now on (2h)"
        ) from error


def _parse_duration(text: str) -> timedelta | None:
    try:
        return parse_span(text).duration
    except ValueError:
        return None


def _parse_on_arm(text: str) -> OnArm:
    try:
        return OnArm(text.lower())
    except ValueError as error:
        raise ValueError(f"--on-arm {text[:40]!r} was not understood: use fire or wait") from error
